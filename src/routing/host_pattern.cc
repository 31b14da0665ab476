#include "routing/host_pattern.h"

#include "base/bytes.h"

namespace routing {
namespace {

constexpr size_t kHostBytesMax = 253;  // RFC 1035 §2.3.4, without the root's dot
constexpr size_t kLabelBytesMax = 63;

bool is_host_character(char c) { return base::is_digit(c) || base::is_alpha(c) || c == '-' || c == '_'; }

// nullptr when text is a name of whole labels, else what is wrong with it.
const char* check_labels(std::string_view text) {
  while (true) {
    size_t dot = text.find('.');
    std::string_view label = text.substr(0, dot);
    if (label.empty()) return "a host has no empty labels (two dots in a row, or one at the front)";
    if (label.size() > kLabelBytesMax) return "a label of a host has at most 63 characters";
    for (char c : label) {
      if (c == '*') return "'*' stands only for whole labels at the left, as in *.example.com";
      if (c == ':') return "a host stands without its port";
      if (!is_host_character(c)) return "a host is made of letters, digits, '-' and dots";
    }
    if (dot == text.npos) return nullptr;
    text.remove_prefix(dot + 1);
  }
}

const char* check_literal(std::string_view text) {
  if (!text.ends_with(']')) return "an IPv6 address stands in brackets and without its port";
  std::string_view inside = text.substr(1, text.size() - 2);
  if (inside.empty()) return "the brackets hold no address";
  for (char c : inside) {
    bool hex = base::is_digit(c) || (c >= 'a' && c <= 'f');
    if (!hex && c != ':' && c != '.') return "the brackets hold no IPv6 address";
  }
  return nullptr;
}

const char* check_host(std::string_view text) {
  if (text.empty()) return "the host is empty";
  if (text.size() > kHostBytesMax) return "a host has at most 253 characters";
  if (text.starts_with('[')) return check_literal(text);
  if (text == "*") return "leave the host out to match any host";
  if (text.starts_with("*.")) text.remove_prefix(2);
  return check_labels(text);
}

}  // namespace

std::expected<HostPattern, std::string> HostPattern::parse(std::string_view text) {
  HostPattern pattern;
  pattern.text_ = base::lowercase(text);
  if (pattern.text_.size() > 1 && pattern.text_.ends_with('.')) pattern.text_.pop_back();
  if (const char* wrong = check_host(pattern.text_)) return std::unexpected<std::string>(wrong);
  return pattern;
}

bool HostPattern::covers(std::string_view host) const {
  if (!is_wildcard()) return host == text_;
  // At least one character and the dot stand in front of the name.
  std::string_view behind = name();
  return host.size() > behind.size() + 1 && host.ends_with(behind) &&
         host[host.size() - behind.size() - 1] == '.';
}

}  // namespace routing
