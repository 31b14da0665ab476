#include "http/cookie.h"

#include <cstring>

#include "base/bytes.h"

namespace http {
namespace {

std::string_view take_pair(std::string_view& value) {
  const size_t end = value.find(';');
  const std::string_view pair = value.substr(0, end);
  value = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
  return pair;
}

// Where prefix first stands in text, in whatever case; npos when it does not.
size_t find_ignoring_case(std::string_view text, std::string_view prefix) {
  for (size_t at = text.find(prefix.front()); at != std::string_view::npos;
       at = text.find(prefix.front(), at + 1)) {
    if (base::equals_ignoring_case(text.substr(at, prefix.size()), prefix)) return at;
  }
  return std::string_view::npos;
}

}  // namespace

std::optional<Cookie> take_cookie(std::string_view& value) {
  while (!value.empty()) {
    const std::string_view pair = base::trim(take_pair(value));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return Cookie{.name = {}, .value = pair};
    return Cookie{.name = pair.substr(0, equals), .value = pair.substr(equals + 1)};
  }
  return std::nullopt;
}

std::optional<Cookie> CookieReader::next() {
  while (true) {
    if (auto cookie = take_cookie(rest_)) return cookie;
    while (next_header_ < headers_.size() && headers_[next_header_].id != HeaderId::cookie) ++next_header_;
    if (next_header_ == headers_.size()) return std::nullopt;
    rest_ = headers_[next_header_++].value;
  }
}

FoundCookie find_cookie(const Headers& headers, std::string_view name) {
  FoundCookie found;
  if (!headers.has(HeaderId::cookie)) return found;
  CookieReader cookies(headers);
  while (const auto cookie = cookies.next()) {
    if (cookie->name != name) continue;
    if (found.count != CookieCount::none) return {.count = CookieCount::several, .value = {}};
    found = {.count = CookieCount::one, .value = cookie->value};
  }
  return found;
}

std::string_view strip_cookies(std::string_view value, std::string_view prefix, std::span<char> room) {
  const auto is_ours = [&](std::string_view pair) {
    return find_ignoring_case(pair, prefix) != std::string_view::npos;
  };
  if (!is_ours(value)) [[likely]]
    return value;
  if (room.size() < value.size()) return {};  // rather no cookie than ours
  size_t size = 0;
  while (!value.empty()) {
    std::string_view pair = take_pair(value);
    if (is_ours(pair) || base::trim(pair).empty()) continue;
    if (size > 0) {
      room[size++] = ';';
    } else {
      pair = base::trim(pair);
    }
    std::memcpy(room.data() + size, pair.data(), pair.size());
    size += pair.size();
  }
  return base::trim({room.data(), size});
}

}  // namespace http
