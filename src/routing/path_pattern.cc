#include "routing/path_pattern.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace routing {
namespace {

using Problem = std::unexpected<std::string>;

constexpr std::string_view kEncodedSlash = "%2F";

bool is_unreserved(char c) {  // RFC 3986 §2.3
  return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// What http/target.h leaves raw in a path, less what has a meaning of its own here.
bool is_plain(char c) {
  return c > 0x20 && c < 0x7F && std::string_view("%\\#?*{}").find(c) == std::string_view::npos;
}

bool is_upper_hex(char c) { return base::is_digit(c) || (c >= 'A' && c <= 'F'); }

int hex_value(char c) { return base::is_digit(c) ? c - '0' : c - 'A' + 10; }

// The first character of a segment, an escape being what it stands for.
char take_character(std::string_view& rest) {
  char c = rest.front();
  bool escape = c == '%' && rest.size() >= 3 && is_upper_hex(rest[1]) && is_upper_hex(rest[2]);
  if (escape) c = static_cast<char>(hex_value(rest[1]) << 4 | hex_value(rest[2]));
  rest.remove_prefix(escape ? 3 : 1);
  return c;
}

bool same_when_decoded(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (take_character(a) != take_character(b)) return false;
  }
  return a.empty() && b.empty();
}

// A segment less its parameters; some backends decode before they look for the ';'.
std::string_view without_parameters(std::string_view segment) {
  return segment.substr(0, std::min(segment.find(';'), segment.find("%3B")));
}

// How a backend may take a path apart.
struct Reading {
  enum class Slash : uint8_t { plain, also_encoded } slash;
  enum class Empty : uint8_t { kept, dropped } empty;  // segments of nothing, or of nothing but parameters
};
constexpr Reading kReadings[] = {{Reading::Slash::plain, Reading::Empty::kept},
                                 {Reading::Slash::plain, Reading::Empty::dropped},
                                 {Reading::Slash::also_encoded, Reading::Empty::kept},
                                 {Reading::Slash::also_encoded, Reading::Empty::dropped}};

// A path's segments in order, read that way. rest begins with a slash or is empty.
std::optional<std::string_view> take_segment(std::string_view& rest, Reading reading) {
  while (!rest.empty()) {
    rest.remove_prefix(rest.front() == '/' ? 1 : kEncodedSlash.size());
    size_t end = rest.find('/');
    if (reading.slash == Reading::Slash::also_encoded) end = std::min(end, rest.find(kEncodedSlash));
    std::string_view segment = rest.substr(0, end);
    rest.remove_prefix(segment.size());
    if (reading.empty == Reading::Empty::kept || !without_parameters(segment).empty()) return segment;
  }
  return std::nullopt;
}

bool covers_as_read(std::string_view pattern, std::string_view path, Reading reading) {
  if (pattern == "/") return true;
  while (auto wanted = take_segment(pattern, {reading.slash, Reading::Empty::kept})) {
    if (*wanted == "**") return true;
    auto segment = take_segment(path, reading);
    if (!segment || segment->empty()) return false;
    bool same = PathPattern::is_parameter(*wanted) || same_when_decoded(*wanted, *segment) ||
                same_when_decoded(*wanted, without_parameters(*segment));
    if (!same) return false;
  }
  return true;
}

std::string quoted(std::string_view text) { return base::json_quoted(text); }

// The escape at the front of rest must be one that normalisation leaves as it is; else the pattern would
// never match.
std::expected<void, std::string> check_escape(std::string_view rest) {
  std::string_view escape = rest.substr(0, 3);
  if (escape.size() < 3 || !base::hex_decode(escape.substr(1))) {
    return Problem("a '%' in a path is followed by two hexadecimal digits");
  }
  if (!is_upper_hex(escape[1]) || !is_upper_hex(escape[2])) {
    return Problem("escapes are written with upper-case digits, and " + quoted(escape) + " is not");
  }
  char meant = base::hex_decode(escape.substr(1))->front();
  if (is_unreserved(meant)) {
    return Problem("write " + quoted({&meant, 1}) + " instead of " + quoted(escape) +
                   ": paths are matched decoded");
  }
  if (meant == '%' || meant == '\\' || static_cast<unsigned char>(meant) < 0x20 || meant == 0x7F) {
    return Problem("a path with " + quoted(escape) + " is always refused");
  }
  return {};
}

std::expected<void, std::string> check_parameter(std::string_view segment) {
  std::string_view name = segment.substr(1, segment.size() - 2);
  bool valid =
      !name.empty() && !base::is_digit(name.front()) && std::all_of(name.begin(), name.end(), [](char c) {
        return base::is_alpha(c) || base::is_digit(c) || c == '_' || c == '-';
      });
  if (!valid)
    return Problem("a parameter is a name in braces such as {id}, and " + quoted(segment) + " is not");
  return {};
}

std::expected<void, std::string> check_segment(std::string_view segment) {
  if (segment.empty()) return Problem("a path has no empty segments: leave out the doubled or trailing '/'");
  if (segment == "." || segment == "..") return Problem("a path has no '.' or '..' segments");
  if (segment.front() == '{' && segment.back() == '}') return check_parameter(segment);
  for (size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    if (c == '%') {
      if (auto escape = check_escape(segment.substr(i)); !escape) return escape;
      i += 2;
    } else if (c == '*') {
      return Problem(segment == "**"
                         ? "'**' stands only at the end"
                         : "'*' is no wildcard here: write {name} for one segment, or '**' at the end");
    } else if (c == '{' || c == '}') {
      return Problem("a parameter is a whole segment, and " + quoted(segment) + " is not");
    } else if (c == '?') {
      return Problem("a path has no query: only the path is matched");
    } else if (c == '#') {
      return Problem("a path has no '#'");
    } else if (!is_plain(c)) {
      return Problem("the character " + quoted({&c, 1}) + " never stands in a path unescaped");
    }
  }
  return {};
}

}  // namespace

std::expected<PathPattern, std::string> PathPattern::parse(std::string_view text) {
  if (!text.starts_with('/')) return Problem("a path begins with '/'");
  PathPattern pattern;
  pattern.text_ = text;
  std::string_view rest = text;
  while (!rest.empty() && text != "/") {
    rest.remove_prefix(1);  // the slash
    std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    if (segment == "**" && rest.empty()) break;
    if (auto checked = check_segment(segment); !checked) return Problem(checked.error());
    auto& before = pattern.segments_;
    if (is_parameter(segment) && std::find(before.begin(), before.end(), segment) != before.end()) {
      return Problem("the parameter " + quoted(segment) + " stands twice");
    }
    before.emplace_back(segment);
  }
  return pattern;
}

bool PathPattern::covers(std::string_view path) const {
  if (!path.starts_with('/')) return false;  // "*" and the like are no paths
  for (const std::string& wanted : segments_) {
    if (path.empty()) return false;
    path.remove_prefix(1);  // the slash
    if (is_parameter(wanted)) {
      size_t end = std::min(path.find('/'), path.size());
      if (end == 0) return false;
      path.remove_prefix(end);
    } else {
      if (!path.starts_with(wanted)) return false;
      path.remove_prefix(wanted.size());
      if (!path.empty() && path.front() != '/') return false;
    }
  }
  return true;
}

bool PathPattern::covers_any_spelling(std::string_view path) const {
  if (covers(path)) return true;
  bool plain = path.find_first_of("%;") == path.npos && text_.find_first_of("%;") == text_.npos;
  if (plain || !path.starts_with('/')) return false;
  return std::ranges::any_of(kReadings,
                             [&](Reading reading) { return covers_as_read(text_, path, reading); });
}

}  // namespace routing
