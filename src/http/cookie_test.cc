#include "http/cookie.h"

#include <gtest/gtest.h>

namespace http {
namespace {

constexpr std::string_view kPrefix = "__Host-gatehouse.";
constexpr std::string_view kName = "__Host-gatehouse.session.staff";

void add_cookies(Headers& headers, const std::vector<std::string_view>& values) {
  headers.add({.name = "Accept", .value = "__Host-gatehouse.session.staff=no", .id = HeaderId::accept});
  for (std::string_view value : values) {
    headers.add({.name = "Cookie", .value = value, .id = HeaderId::cookie});
    headers.add({.name = "X-Other", .value = "a=b"});
  }
}

TEST(TakeCookie, SplitsAtSemicolonsAndTheFirstEquals) {
  using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;
  struct Case {
    std::string_view value;
    Pairs pairs;
  } const cases[] = {
      {"", {}},
      {"a=1", {{"a", "1"}}},
      {"a=1; b=2", {{"a", "1"}, {"b", "2"}}},
      {"a=1;b=2 ;\tc=3", {{"a", "1"}, {"b", "2"}, {"c", "3"}}},
      {"; ;a=1;;", {{"a", "1"}}},
      {"a==1=", {{"a", "=1="}}},
      {"a=", {{"a", ""}}},
      {"=a", {{"", "a"}}},
      {"alone", {{"", "alone"}}},
      // Quotes are part of a value and hide nothing.
      {R"(a="1; b=2"; c=3)", {{"a", "\"1"}, {"b", "2\""}, {"c", "3"}}},
      {"a =1", {{"a ", "1"}}},
      {"a= 1", {{"a", " 1"}}},
      {"a=1, b=2", {{"a", "1, b=2"}}},
  };
  for (const Case& c : cases) {
    Pairs seen;
    std::string_view rest = c.value;
    while (auto cookie = take_cookie(rest)) seen.emplace_back(cookie->name, cookie->value);
    EXPECT_EQ(seen, c.pairs) << c.value;
  }
}

TEST(CookieReader, GoesThroughAllCookieHeadersAndNoOther) {
  Headers headers;
  add_cookies(headers, {"a=1; b=2", "", "c=3"});
  std::string names;
  CookieReader cookies(headers);
  while (auto cookie = cookies.next()) names += cookie->name;
  EXPECT_EQ(names, "abc");
  EXPECT_FALSE(cookies.next());
}

TEST(FindCookie, ReadsTheOneOfExactlyThatName) {
  struct Case {
    std::vector<std::string_view> values;
    CookieCount count;
    std::string_view value;
  } const cases[] = {
      {{}, CookieCount::none, ""},
      {{"a=1"}, CookieCount::none, ""},
      {{"a=1; __Host-gatehouse.session.staff=x; b=2"}, CookieCount::one, "x"},
      {{"a=1", "__Host-gatehouse.session.staff=x"}, CookieCount::one, "x"},
      {{"__Host-gatehouse.session.staff="}, CookieCount::one, ""},
      {{"__Host-gatehouse.session.staff=a=b"}, CookieCount::one, "a=b"},
      // Twice, even when they are equal, and wherever they stand.
      {{"__Host-gatehouse.session.staff=x; __Host-gatehouse.session.staff=x"}, CookieCount::several, ""},
      {{"__Host-gatehouse.session.staff=x; __Host-gatehouse.session.staff=y; "
        "__Host-gatehouse.session.staff=z"},
       CookieCount::several,
       ""},
      {{"__Host-gatehouse.session.staff=x", "__Host-gatehouse.session.staff=y"}, CookieCount::several, ""},
      {{"__Host-gatehouse.session.staff=; __Host-gatehouse.session.staff=x"}, CookieCount::several, ""},
      // Other names: case, white space, longer, shorter, without a name.
      {{"__host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      {{"__Host-gatehouse.session.Staff=x"}, CookieCount::none, ""},
      {{"__Host-gatehouse.session.staff =x"}, CookieCount::none, ""},
      {{"__Host-gatehouse.session.staffs=x; __Host-gatehouse.session.staf=x"}, CookieCount::none, ""},
      {{"=__Host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      {{"__Host-gatehouse.session.staff"}, CookieCount::none, ""},
      {{"a=1,__Host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      {{"\xA0__Host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      {{"\xE2\x80\x80__Host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      {{"$__Host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      {{"%5F_Host-gatehouse.session.staff=x"}, CookieCount::none, ""},
      // A name that is not ours beside ours does not count.
      {{"__HOST-gatehouse.session.staff=y; __Host-gatehouse.session.staff=x"}, CookieCount::one, "x"},
  };
  for (const Case& c : cases) {
    Headers headers;
    add_cookies(headers, c.values);
    const FoundCookie found = find_cookie(headers, kName);
    EXPECT_EQ(found.count, c.count) << (c.values.empty() ? "" : c.values.front());
    EXPECT_EQ(found.value, c.value);
  }
}

TEST(StripCookies, LeavesTheOthersAsTheyStand) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"a=1; b=2", "a=1; b=2"},
      {"a=1;b=2 ;;\tc", "a=1;b=2 ;;\tc"},
      {"__Host-gatehouse.session.staff=x", ""},
      {"__Host-gatehouse.session.staff=x;", ""},
      {" ; __Host-gatehouse.session.staff=x ; ", ""},
      {"__Host-gatehouse.session.staff=x; a=1", "a=1"},
      {"a=1; __Host-gatehouse.session.staff=x", "a=1"},
      {"a=1; __Host-gatehouse.session.staff=x; b=2", "a=1; b=2"},
      {"a=1;__Host-gatehouse.login.abc=x;b=2;c=3", "a=1;b=2;c=3"},
      {"__Host-gatehouse.a=x; __Host-gatehouse.b=y; a=1 ", "a=1"},
      // However a laxer reader might come to it.
      {"a=1; __host-GATEHOUSE.session.staff=x; b=2", "a=1; b=2"},
      {"a=1; \t__Host-gatehouse.session.staff =x", "a=1"},
      {"a=1;\xA0__Host-gatehouse.session.staff=x", "a=1"},
      {"a=1,__Host-gatehouse.session.staff=x; b=2", "b=2"},
      {"a=1; =__Host-gatehouse.session.staff=x; b=2", "a=1; b=2"},
      {"a=1; __Host-gatehouse.; b=2", "a=1; b=2"},
      {R"($Version=1; a="1; __Host-gatehouse.session.staff=x; b=2")", R"($Version=1; a="1; b=2")"},
      {"__Host-__Host-gatehouse.a=x; b=2", "b=2"},
      {"___Host-gatehouse.a=x; b=2", "b=2"},
      // Not ours.
      {"__Host-gatehouse=x; __Host-other=y; gatehouse.session=z",
       "__Host-gatehouse=x; __Host-other=y; gatehouse.session=z"},
      {"__Host-gatehouse", "__Host-gatehouse"},
      {"__Secure-gatehouse.session.staff=x", "__Secure-gatehouse.session.staff=x"},
  };
  for (const auto& [value, left] : cases) {
    std::string room(value.size(), '\0');
    EXPECT_EQ(strip_cookies(value, kPrefix, room), left) << value;
  }
}

TEST(StripCookies, NothingIsCopiedWhenNothingGoes) {
  const std::string_view value = "a=1; b=2";
  EXPECT_EQ(strip_cookies(value, kPrefix, {}).data(), value.data());
}

TEST(StripCookies, WithoutRoomNoCookieIsLeft) {
  char room[4];
  EXPECT_EQ(strip_cookies("a=1; __Host-gatehouse.session.staff=x", kPrefix, room), "");
}

}  // namespace
}  // namespace http
