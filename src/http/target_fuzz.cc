// Any bytes as a target, as an authority and as a URL: storage is never overrun, and a result needs no
// normalising again.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "http/origin.h"
#include "http/target.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Allocated to the byte, so that the sanitizer sees a write past it.
std::span<char> make_storage(std::unique_ptr<char[]>& owner, size_t size) {
  owner.reset(new char[size]);
  return {owner.get(), size};
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

bool is_visible(std::string_view text) {
  for (char c : text) {
    if (c < 0x21 || c > 0x7E || c == '#') return false;
  }
  return true;
}

void check_target(std::string_view text) {
  std::unique_ptr<char[]> owner, owner_again;
  const auto target = http::normalise_target(text, make_storage(owner, text.size()));
  if (!target) return;
  require(target->path.starts_with('/'));
  require(target->path.size() <= text.size());
  require(target->path.find("//") == std::string_view::npos);
  require(target->path.find_first_of("\\?") == std::string_view::npos);
  require(!has_dot_segment(target->path));
  require(is_visible(target->path) && is_visible(target->query));
  const bool has_encoded_slash = target->path.find("%2F") != std::string_view::npos;
  const bool has_parameters = target->path.find(';') != std::string_view::npos;
  require(!has_encoded_slash || target->has_encoded_slash);
  require(!has_parameters || target->has_parameters);
  const auto again = http::normalise_target(target->path, make_storage(owner_again, target->path.size()));
  require(again && again->path == target->path && !again->has_query);
  require(again->has_encoded_slash == has_encoded_slash);
}

void check_authority(std::string_view text) {
  std::unique_ptr<char[]> owner, owner_again;
  const auto authority = http::normalise_authority(text, make_storage(owner, text.size()));
  require(authority.has_value() == http::parse_authority(text).has_value());
  if (!authority) return;
  require(!authority->host.empty() && !authority->host.ends_with('.'));
  for (char c : authority->host)
    require(c > 0x20 && c < 0x7F && !(c >= 'A' && c <= 'Z') && c != '@' && c != '%');
  const auto again =
      http::normalise_authority(authority->host, make_storage(owner_again, authority->host.size()));
  require(again && again->host == authority->host && again->port == 0);
}

void check_url(std::string_view text) {
  std::unique_ptr<char[]> owner, owner_again;
  const auto url = http::parse_url(text, make_storage(owner, text.size()));
  if (!url) return;
  std::string made(url->origin.scheme);
  made.append("://").append(url->origin.host).append(":").append(std::to_string(url->origin.port));
  made.append(url->target.path);
  const auto again = http::parse_url(made, make_storage(owner_again, made.size()));
  require(again && http::is_same(again->origin, url->origin) && again->target.path == url->target.path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_target(text);
  check_authority(text);
  check_url(text);
  return 0;
}
