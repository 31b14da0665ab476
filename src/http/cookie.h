// Cookies as a client sends them (RFC 6265 §5.4). The gate reads its own by exact name and keeps them from
// the backend. Nothing here allocates; views point into the headers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "http/head.h"

namespace http {

struct Cookie {
  std::string_view name;  // as sent; empty where there is no '='
  std::string_view value;
};

// Takes the next cookie off a Cookie header's value. nullopt at the end.
std::optional<Cookie> take_cookie(std::string_view& value);

// The cookies of a request in the order sent. Several Cookie headers are one (RFC 9113 §8.2.3).
class CookieReader {
 public:
  explicit CookieReader(const Headers& headers) : headers_(headers) {}
  std::optional<Cookie> next();  // nullopt at the end

 private:
  const Headers& headers_;
  uint32_t next_header_ = 0;
  std::string_view rest_;  // of the header before
};

// The name is compared exactly (RFC 6265 §5.3). Twice is nothing: the order of cookies says nothing about who
// set them, so that neither can be believed.
enum class CookieCount : uint8_t { none, one, several };
struct FoundCookie {
  CookieCount count = CookieCount::none;
  std::string_view value;  // empty unless there is one
};
FoundCookie find_cookie(const Headers& headers, std::string_view name);

// A Cookie header's value without the cookies in which prefix stands anywhere, in whatever case: what splits
// at commas, trims other white space or ignores case finds our cookies where this reader sees none. What is
// left stands as it was sent; empty: nothing is left, nor may the header be sent on.
// prefix begins with a character that has no case. room is as long as value and used only when something
// goes.
std::string_view strip_cookies(std::string_view value, std::string_view prefix, std::span<char> room);

}  // namespace http
