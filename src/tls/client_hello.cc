#include "tls/client_hello.h"

#include "base/bytes.h"

namespace tls {
namespace {

bool is_host_character(char c) {
  return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_';
}

}  // namespace

std::optional<std::string_view> parse_server_name(std::span<const uint8_t> extension) {
  // ServerNameList: length, then entries of type (0: host_name), length and name. Only one name of a type may
  // be there, and no other type was ever defined, so that the first entry must be all there is.
  constexpr size_t kPrefix = 5;
  if (extension.size() <= kPrefix) return std::nullopt;
  size_t list = static_cast<size_t>(extension[0]) << 8 | extension[1];
  size_t length = static_cast<size_t>(extension[3]) << 8 | extension[4];
  if (list + 2 != extension.size() || extension[2] != 0 || length + kPrefix != extension.size()) {
    return std::nullopt;
  }
  std::string_view name(reinterpret_cast<const char*>(extension.data()) + kPrefix, length);
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.front() == '.' || name.size() > kServerNameMax) return std::nullopt;
  for (char c : name) {
    if (!is_host_character(c)) return std::nullopt;
  }
  return name;
}

}  // namespace tls
