#include "http/origin.h"

#include <gtest/gtest.h>

#include <string>

namespace http {
namespace {

// "https://host:443/path?query" of what parse_url makes of it; empty when it is refused.
std::string normalised(std::string_view url) {
  std::string storage(url.size(), '!');
  auto parsed = parse_url(url, storage);
  if (!parsed) return {};
  std::string out(parsed->origin.scheme);
  out.append("://").append(parsed->origin.host).append(":").append(std::to_string(parsed->origin.port));
  out.append(parsed->target.path);
  if (parsed->target.has_query) out.append("?").append(parsed->target.query);
  return out;
}

TEST(Origin, UrlsAreTakenApart) {
  struct Case {
    std::string_view sent, made;
  } const cases[] = {
      {"https://a.example/x", "https://a.example:443/x"},
      {"HTTPS://A.Example:443/x", "HTTPS://A.Example:443/x"},
      {"http://a.example/x", "http://a.example:80/x"},
      {"https://a.example:80/x", "https://a.example:80/x"},
      {"https://a.example", "https://a.example:443/"},
      {"https://a.example/", "https://a.example:443/"},
      {"https://a.example/?q=://", "https://a.example:443/?q=://"},
      {"https://a.example/x?q#f", "https://a.example:443/x?q"},
      {"https://a.example/x#f?q", "https://a.example:443/x"},
      {"https://a.example#f", "https://a.example:443/"},
      {"https://a.example/%7Ex/./y/../z//", "https://a.example:443/~x/z/"},
      {"https://[2001:DB8::1]:8443/x", "https://[2001:DB8::1]:8443/x"},
  };
  for (const Case& c : cases) EXPECT_EQ(normalised(c.sent), c.made) << c.sent;
}

TEST(Origin, WhatIsNoUrlIsRefused) {
  for (std::string_view url : {"",
                               "/x",
                               "a.example/x",
                               "//a.example/x",
                               "ftp://a.example/x",
                               "wss://a.example/x",
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
                               "https://a.example./x",
                               "https://a.example/x y",
                               "https://a.example/\\x",
                               "https://a.example/%5Cx",
                               "https://a.example/%00",
                               "https://a.example/../x",
                               "https://a.example/%2e%2E/x",
                               " https://a.example/x",
                               "https://a.example/\xC3\xA9",
                               "https://a%2eexample/x"}) {
    EXPECT_EQ(normalised(url), "") << url;
  }
}

TEST(Origin, StorageIsEnoughOrNothingIsMade) {
  std::string storage(3, '!');
  EXPECT_FALSE(parse_url("https://a.example/x/./y", storage));
}

TEST(Origin, AreTheSameOrNot) {
  Origin a{.scheme = "https", .host = "a.example"};
  EXPECT_TRUE(is_same(a, {.scheme = "HTTPS", .host = "A.example", .port = 443}));
  EXPECT_FALSE(is_same(a, {.scheme = "http", .host = "a.example"}));
  EXPECT_FALSE(is_same(a, {.scheme = "http", .host = "a.example", .port = 443}));
  EXPECT_FALSE(is_same(a, {.scheme = "https", .host = "b.example"}));
  EXPECT_FALSE(is_same(a, {.scheme = "https", .host = "a.example", .port = 8443}));
}

}  // namespace
}  // namespace http
