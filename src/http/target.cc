// Normalising a request target. A clean path, which nearly all are, is looked through once and returned as it
// stands; anything else is rebuilt segment by segment in the caller's storage.
// Never guesses: what a backend could read in another way is refused.
#include "http/target.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/ip.h"
#include "http/scan.h"

namespace http {
namespace {

using base::Reason;

auto refuse(const char* detail) { return base::client_error(Reason::path_refused, detail); }

enum class CharClass : uint8_t { plain, dot_or_slash, question, other };

constexpr auto kPathChars = [] {
  std::array<CharClass, 256> table{};
  for (size_t c = 0; c < 256; ++c) table[c] = c > 0x20 && c < 0x7F ? CharClass::plain : CharClass::other;
  for (char c : {'%', '\\', ';', '#'}) table[static_cast<size_t>(c)] = CharClass::other;
  table['.'] = table['/'] = CharClass::dot_or_slash;
  table['?'] = CharClass::question;
  return table;
}();

CharClass class_of(char c) { return kPathChars[static_cast<unsigned char>(c)]; }

constexpr size_t kNotClean = static_cast<size_t>(-1);

// The path's length when it needs no change, kNotClean when it must be rebuilt or refused.
size_t find_clean_path_end(std::string_view target) {
  size_t i = 1;
  for (; i < target.size(); ++i) {
    const CharClass kind = class_of(target[i]);
    if (kind == CharClass::plain) [[likely]]
      continue;
    if (kind == CharClass::question) break;
    if (kind == CharClass::other) return kNotClean;
    if (target[i - 1] != '/') continue;
    if (target[i] == '/') return kNotClean;
    // A segment that begins with a dot: hidden names such as .well-known are clean.
    const size_t next = i + 1;
    if (next == target.size() || class_of(target[next]) != CharClass::plain) return kNotClean;
  }
  return i;
}

// The byte an escape at `at` stands for; -1 when it is broken.
int escaped_byte(std::string_view text, size_t at) {
  if (at + 2 >= text.size()) return -1;
  const int high = base::hex_value(text[at + 1]);
  const int low = base::hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool is_unreserved(int c) {  // RFC 3986 §2.3
  const char as_char = static_cast<char>(c);
  return c < 0x80 &&
         (base::is_alpha(as_char) || base::is_digit(as_char) || c == '-' || c == '.' || c == '_' || c == '~');
}

// An overlong form spells an ASCII character, '/' or '.' among them, to a decoder that does not check
// (RFC 3629 §10). text[at] begins the escape of `byte`.
bool is_overlong(int byte, std::string_view text, size_t at) {
  if (byte == 0xC0 || byte == 0xC1) return true;
  if (byte != 0xE0 && byte != 0xF0) return false;
  if (at + 3 >= text.size() || text[at + 3] != '%') return false;
  const int next = escaped_byte(text, at + 3);
  return next >= 0x80 && next < (byte == 0xE0 ? 0xA0 : 0x90);
}

// What an escaped byte may not be, because decoding it once or twice makes another path of this one.
const char* find_fault(int byte, std::string_view text, size_t at) {
  if (byte < 0) return "the path has a broken percent escape";
  if (byte < 0x20 || byte == 0x7F) return "the path has an encoded control character";
  if (byte == '\\') return "the path has an encoded backslash";
  if (byte == '#') return "the path has an encoded '#'";
  if (byte == '%') return "the path is encoded twice";
  if (is_overlong(byte, text, at)) return "the path has overlong UTF-8";
  return nullptr;
}

bool is_dot_segment(std::string_view segment) { return segment == "." || segment == ".."; }

// Escapes are in upper case by now.
bool starts_escape(std::string_view text, size_t at, std::string_view escape) {
  return text.substr(at, escape.size()) == escape;
}

// A backend that decodes %2F, or cuts parameters off, would see a dot segment in a piece of this one. Refused
// even where a service keeps both constructs: "/public/..;/admin", "/a/..%2F..%2Fsecret".
bool hides_dot_segment(std::string_view segment) {
  size_t piece = 0;
  size_t piece_end = std::string_view::npos;  // where the piece's parameters begin
  for (size_t i = 0; i <= segment.size(); ++i) {
    const bool slash = i < segment.size() && starts_escape(segment, i, "%2F");
    if (i == segment.size() || slash) {
      const size_t end = piece_end < i ? piece_end : i;
      if (is_dot_segment(segment.substr(piece, end - piece))) return true;
      piece = i + 3;
      piece_end = std::string_view::npos;
    } else if (piece_end == std::string_view::npos &&
               (segment[i] == ';' || starts_escape(segment, i, "%3B"))) {
      piece_end = i;
    }
  }
  return false;
}

// Rebuilds a path in storage. length_ never exceeds what has been read, so storage as long as the path is
// enough.
class PathBuilder {
 public:
  PathBuilder(std::span<char> storage, Target& flags) : storage_(storage), flags_(flags) {}

  // nullptr, or why the segment is refused.
  const char* add(std::string_view segment, bool last) {
    if (segment.empty()) {  // a repeated slash, or the one the path ends with
      if (last) ends_with_slash_ = true;
      return nullptr;
    }
    const size_t start = length_ + 1;
    if (const char* fault = decode(segment, start)) return fault;
    const std::string_view decoded(&storage_[start], decoded_length_);
    if (!is_dot_segment(decoded)) {
      if (hides_dot_segment(decoded)) return "the path hides a dot segment behind ';' or %2F";
      storage_[length_] = '/';
      length_ = start + decoded_length_;
      return nullptr;
    }
    if (decoded.size() != segment.size()) return "the path has an encoded dot segment";
    if (decoded.size() == 2 && !drop_last()) return "the path climbs above the root";
    if (last) ends_with_slash_ = true;
    return nullptr;
  }

  std::string_view finish() {
    if (ends_with_slash_ || length_ == 0) storage_[length_++] = '/';
    return {storage_.data(), length_};
  }

 private:
  const char* decode(std::string_view segment, size_t start) {
    size_t out = start;
    for (size_t i = 0; i < segment.size(); ++i) {
      const char c = segment[i];
      if (class_of(c) != CharClass::other) {
        storage_[out++] = c;
        continue;
      }
      if (c == ';') {
        flags_.has_parameters = true;
        storage_[out++] = c;
        continue;
      }
      if (c == '\\') return "the path has a backslash";
      if (c != '%') return "the path has a character that must be encoded";
      const int byte = escaped_byte(segment, i);
      if (const char* fault = find_fault(byte, segment, i)) return fault;
      out = put_escape(byte, out);
      i += 2;
    }
    decoded_length_ = out - start;
    return nullptr;
  }

  size_t put_escape(int byte, size_t out) {
    if (is_unreserved(byte)) {
      storage_[out++] = static_cast<char>(byte);
      return out;
    }
    if (byte == '/') flags_.has_encoded_slash = true;
    if (byte == ';') flags_.has_parameters = true;
    constexpr char kHex[] = "0123456789ABCDEF";
    storage_[out++] = '%';
    storage_[out++] = kHex[byte >> 4];
    storage_[out++] = kHex[byte & 15];
    return out;
  }

  bool drop_last() {
    if (length_ == 0) return false;
    while (storage_[--length_] != '/') {
    }
    return true;
  }

  std::span<char> storage_;
  Target& flags_;
  size_t length_ = 0;  // of the path so far, without a slash at its end
  size_t decoded_length_ = 0;
  bool ends_with_slash_ = false;
};

const char* rebuild_path(std::string_view path, std::span<char> storage, Target& out) {
  PathBuilder builder(storage, out);
  size_t at = 1;
  while (true) {
    const size_t slash = path.find('/', at);
    const bool last = slash == std::string_view::npos;
    if (const char* fault = builder.add(path.substr(at, last ? slash : slash - at), last)) return fault;
    if (last) break;
    at = slash + 1;
  }
  out.path = builder.finish();
  return nullptr;
}

bool is_host_char(char c) {
  return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_' || c == '.';
}

constexpr size_t kHostMax = 253;  // RFC 1035 §2.3.4, as text without the trailing dot

// Without the trailing dot; empty when it names no host.
std::string_view check_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > kHostMax || host.front() == '.' || host.back() == '.') return {};
  for (size_t i = 0; i < host.size(); ++i) {
    if (!is_host_char(host[i]) || (host[i] == '.' && host[i - 1] == '.')) return {};
  }
  return host;
}

// 0 when it is no port. Leading zeros are refused with the rest: one spelling for one port.
uint16_t parse_port(std::string_view text) {
  if (text.size() > 5 || text.starts_with('0')) return 0;
  const auto value = base::parse_unsigned(text);
  return value && *value <= 0xFFFF ? static_cast<uint16_t>(*value) : uint16_t{0};
}

}  // namespace

base::Result<Target> normalise_target(std::string_view target, std::span<char> storage) {
  if (!target.starts_with('/')) return refuse("the path does not begin with '/'");
  Target out;
  size_t path_end = find_clean_path_end(target);
  if (path_end != kNotClean) [[likely]] {
    out.path = target.substr(0, path_end);
  } else {
    if (storage.size() < target.size()) {
      return base::gate_error(Reason::proxy_internal_error, "the storage is shorter than the target");
    }
    path_end = std::min(target.find('?'), target.size());
    if (const char* fault = rebuild_path(target.substr(0, path_end), storage, out)) return refuse(fault);
  }
  if (path_end == target.size()) return out;
  out.has_query = true;
  out.query = target.substr(path_end + 1);
  const char* const end = out.query.data() + out.query.size();
  if (find_target_end(out.query.data(), end) != end)
    return refuse("the query has a character that must be encoded");
  return out;
}

base::Result<Authority> parse_authority(std::string_view authority) {
  const auto malformed = [] {
    return base::client_error(Reason::http_request_error, "the host is malformed");
  };
  Authority out;
  size_t host_end = 0;
  if (authority.starts_with('[')) {
    const size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return malformed();
    const auto address = base::parse_ip(authority.substr(1, bracket - 1));
    if (!address || authority.substr(1, bracket - 1).find(':') == std::string_view::npos) return malformed();
    host_end = bracket + 1;
    out.host = authority.substr(0, host_end);
  } else {
    host_end = std::min(authority.find(':'), authority.size());
    out.host = check_name(authority.substr(0, host_end));
    if (out.host.empty()) return malformed();
  }
  if (host_end == authority.size()) return out;
  if (authority[host_end] != ':') return malformed();
  out.port = parse_port(authority.substr(host_end + 1));
  if (out.port == 0) return malformed();
  return out;
}

base::Result<Authority> normalise_authority(std::string_view authority, std::span<char> storage) {
  auto out = parse_authority(authority);
  if (!out) return out;
  bool upper = false;
  for (char c : out->host) upper |= c >= 'A' && c <= 'Z';
  if (!upper) return out;
  if (storage.size() < out->host.size()) {
    return base::gate_error(Reason::proxy_internal_error, "the storage is shorter than the authority");
  }
  for (size_t i = 0; i < out->host.size(); ++i) storage[i] = base::to_lower(out->host[i]);
  out->host = {storage.data(), out->host.size()};
  return out;
}

}  // namespace http
