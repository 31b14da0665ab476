// Any bytes as the values of Cookie headers, one a line: readers agree with each other, and nothing of ours
// is left after stripping.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "http/cookie.h"

namespace {

constexpr std::string_view kPrefix = "__Host-gatehouse.";
constexpr std::string_view kName = "__Host-gatehouse.a";

void require(bool holds) {
  if (!holds) std::abort();
}

bool mentions_ours(std::string_view text) {
  return base::lowercase(text).find(base::lowercase(kPrefix)) != std::string::npos;
}

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

Pairs pairs_of(std::string_view value) {
  Pairs pairs;
  while (const auto cookie = http::take_cookie(value)) pairs.emplace_back(cookie->name, cookie->value);
  return pairs;
}

void check_stripped(std::string_view value) {
  // Allocated to the byte, so that the sanitizer sees a write past it.
  std::unique_ptr<char[]> room(new char[value.size()]);
  const std::string_view left = http::strip_cookies(value, kPrefix, {room.get(), value.size()});
  require(left.size() <= value.size());
  require(!mentions_ours(left));
  require(left.data() == value.data() || left == base::trim(left));
  // Every other cookie is there, in its order.
  Pairs expected;
  for (std::string_view rest = value; !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (mentions_ours(pair)) continue;
    for (const auto& each : pairs_of(pair)) expected.push_back(each);
  }
  require(pairs_of(left) == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  http::Headers headers;
  Pairs all;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view value = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!headers.add({.name = "cookie", .value = value, .id = http::HeaderId::cookie})) break;
    for (const auto& pair : pairs_of(value)) all.push_back(pair);
    check_stripped(value);
  }
  Pairs read;
  http::CookieReader cookies(headers);
  while (const auto cookie = cookies.next()) read.emplace_back(cookie->name, cookie->value);
  require(read == all);
  const auto count =
      std::count_if(all.begin(), all.end(), [](const auto& pair) { return pair.first == kName; });
  const http::FoundCookie found = http::find_cookie(headers, kName);
  require(found.count == (count == 0   ? http::CookieCount::none
                          : count == 1 ? http::CookieCount::one
                                       : http::CookieCount::several));
  require(count == 1 || found.value.empty());
  return 0;
}
