#include "http/origin.h"

#include <gtest/gtest.h>

#include <string>

namespace http {
namespace {

// "https://host/path?query" of what parse_url makes of it; empty when it is refused.
std::string normalised(std::string_view url) {
  std::string storage(url.size(), '!');
  auto parsed = parse_url(url, storage);
  if (!parsed) return {};
  std::string out = origin_text(parsed->origin).append(parsed->target.path);
  if (parsed->target.has_query) out.append("?").append(parsed->target.query);
  return out;
}

TEST(Origin, UrlsAreMadeOne) {
  struct Case {
    std::string_view sent, made;
  } const cases[] = {
      {"https://a.example/x", "https://a.example/x"},
      {"HTTPS://A.Example:443/x", "https://a.example/x"},
      {"http://a.example:80/x", "http://a.example/x"},
      {"https://a.example:80/x", "https://a.example:80/x"},
      {"http://a.example:443/x", "http://a.example:443/x"},
      {"https://a.example./x", "https://a.example/x"},
      {"https://a.example", "https://a.example/"},
      {"https://a.example/", "https://a.example/"},
      {"https://a.example/?q=://", "https://a.example/?q=://"},
      {"https://a.example/x?q#f", "https://a.example/x?q"},
      {"https://a.example/x#f?q", "https://a.example/x"},
      {"https://a.example#f", "https://a.example/"},
      {"https://a.example/%7Ex/./y/../z//", "https://a.example/~x/z/"},
      {"https://a.example/%2e%2E/x", ""},  // dot segments that came out of encoding
      {"https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x"},
  };
  for (const Case& c : cases) EXPECT_EQ(normalised(c.sent), c.made) << c.sent;
}

TEST(Origin, WhatIsNoUrlIsRefused) {
  for (std::string_view url : {"",
                               "/x",
                               "a.example/x",
                               "//a.example/x",
                               "ftp://a.example/x",
                               "https:/a.example/x",
                               "https:///x",
                               "https://a.example?q",
                               "https://?x",
                               "https://u@a.example/x",
                               "https://u:p@a.example/x",
                               "https://a.example:/x",
                               "https://a.example:0/x",
                               "https://a.example:65536/x",
                               "https://a b/x",
                               "https://a.example/x y",
                               "https://a.example/\\x",
                               "https://a.example/%5Cx",
                               "https://a.example/%00",
                               "https://a.example/../x",
                               " https://a.example/x",
                               "https://a.example/\xC3\xA9",
                               "https://a%2eexample/x"}) {
    EXPECT_EQ(normalised(url), "") << url;
  }
}

TEST(Origin, StorageIsEnoughOrNothingIsMade) {
  std::string storage(3, '!');
  EXPECT_FALSE(parse_url("https://A.example/x", storage));
}

TEST(Origin, WhatIsUnknownEqualsNothing) {
  Origin a{.scheme = "https", .host = "a"};
  EXPECT_TRUE(same_origin(a, a));
  EXPECT_FALSE(same_origin(a, {.scheme = "http", .host = "a"}));
  EXPECT_FALSE(same_origin(a, {.scheme = "https", .host = "b"}));
  EXPECT_FALSE(same_origin(a, {.scheme = "https", .host = "a", .port = 8443}));
  EXPECT_FALSE(same_origin({.scheme = "https"}, {.scheme = "https"}));
}

}  // namespace
}  // namespace http
