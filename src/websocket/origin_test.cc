#include "websocket/origin.h"

#include <gtest/gtest.h>

namespace websocket {
namespace {

TEST(OriginPattern, Covers) {
  struct Case {
    std::string_view pattern;
    std::vector<std::string_view> covered;
    std::vector<std::string_view> foreign;
  } const cases[] = {
      {"https://app.example.com",
       {"https://app.example.com", "HTTPS://App.Example.COM", "https://app.example.com:443"},
       {"http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com:80",
        "https://app.example.com.evil.test",
        "https://evil.test?https://app.example.com",
        "https://xapp.example.com",
        "https://a.app.example.com",
        "https://example.com",
        "https://app-example.com",
        "https://app.example.com/",
        "https://app.example.com.",
        "https://app.example.com.:443",
        "https://app.example.com@evil.test",
        "https://evil.test@app.example.com",
        "https://app.example.com https://evil.test",
        " https://app.example.com",
        "app.example.com",
        "//app.example.com",
        "https:app.example.com",
        "https://",
        "https://app.example.com:",
        "https://app.example.com:0443",
        "https://app.example.com:443:443",
        "",
        "null",
        "*"}},
      {"https://*.example.com",
       {"https://a.example.com", "https://a.b.example.com", "https://A.EXAMPLE.com:443"},
       {"https://example.com", "https://.example.com", "https://aexample.com", "https://anexample.com",
        "https://a.example.com.evil.test", "http://a.example.com", "https://a.example.com:444",
        "https://*.example.com", "https://evil.test/.example.com", "https://evil.test#.example.com", "null"}},
      {"http://localhost:3000",
       {"http://localhost:3000"},
       {"http://localhost", "http://localhost:3001", "https://localhost:3000", "http://localhost:30000"}},
      {"HTTP://Example.com:80", {"http://example.com", "http://example.com:80"}, {"http://example.com:443"}},
      {"https://*.dev.example.com:8443",
       {"https://x.dev.example.com:8443"},
       {"https://x.dev.example.com", "https://dev.example.com:8443"}},
      {"http://[::1]:8080", {"http://[::1]:8080"}, {"http://[::1]", "http://[::2]:8080", "http://::1:8080"}},
      {"chrome-extension://abcdef",
       {"chrome-extension://abcdef"},
       {"chrome-extension://abcdeg", "chrome://abcdef"}},
  };
  for (const Case& c : cases) {
    const auto pattern = OriginPattern::parse(c.pattern);
    ASSERT_TRUE(pattern) << c.pattern << ": " << pattern.error();
    for (std::string_view origin : c.covered)
      EXPECT_TRUE(pattern->covers(origin)) << c.pattern << " " << origin;
    for (std::string_view origin : c.foreign)
      EXPECT_FALSE(pattern->covers(origin)) << c.pattern << " " << origin;
  }
}

TEST(OriginPattern, Refused) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "an origin begins with its scheme, as in https://app.example.com"},
      {"null", "null is no origin: any sandboxed page sends it"},
      {"NULL", "null is no origin: any sandboxed page sends it"},
      {"*", "an origin begins with its scheme, as in https://app.example.com"},
      {"app.example.com", "an origin begins with its scheme, as in https://app.example.com"},
      {"https://app.example.com/", "an origin has no path, nor a '/' at its end"},
      {"https://app.example.com/x", "an origin has no path, nor a '/' at its end"},
      {"https://a*.example.com",
       "'*' stands only for whole labels at the left of the host, as in https://*.example.com"},
      {"https://*.*.example.com",
       "'*' stands only for whole labels at the left of the host, as in https://*.example.com"},
      {"https://*", "'*' stands only for whole labels at the left of the host, as in https://*.example.com"},
      {"*://app.example.com",
       "'*' stands only for whole labels at the left of the host, as in https://*.example.com"},
      {"https://", "an origin is scheme://host or scheme://host:port, as in https://app.example.com"},
      {"https://*.", "an origin is scheme://host or scheme://host:port, as in https://app.example.com"},
      {"https://a:99999", "an origin is scheme://host or scheme://host:port, as in https://app.example.com"},
      {"https://me@a", "an origin is scheme://host or scheme://host:port, as in https://app.example.com"},
      {"https://a.example.com.",
       "an origin is scheme://host or scheme://host:port, as in https://app.example.com"},
      {"1https://a", "an origin is scheme://host or scheme://host:port, as in https://app.example.com"},
  };
  for (const auto& [text, why] : cases) {
    const auto pattern = OriginPattern::parse(text);
    ASSERT_FALSE(pattern) << text;
    EXPECT_EQ(pattern.error(), why) << text;
  }
}

TEST(MatchOrigin, LooksAtTheOneHeader) {
  std::vector<OriginPattern> patterns = {*OriginPattern::parse("https://a.example"),
                                         *OriginPattern::parse("https://*.b.example")};
  struct Case {
    std::vector<std::string_view> origins;
    OriginMatch match;
  } const cases[] = {
      {{}, OriginMatch::absent},
      {{"https://a.example"}, OriginMatch::covered},
      {{"https://x.b.example"}, OriginMatch::covered},
      {{"https://c.example"}, OriginMatch::foreign},
      {{"null"}, OriginMatch::foreign},
      {{""}, OriginMatch::foreign},
      {{"https://a.example", "https://a.example"}, OriginMatch::foreign},
  };
  for (const Case& c : cases) {
    http::Headers headers;
    for (std::string_view origin : c.origins)
      headers.add({.name = "ORIGIN", .value = origin, .id = http::HeaderId::origin});
    EXPECT_EQ(match_origin(headers, patterns), c.match);
    if (!c.origins.empty()) EXPECT_EQ(match_origin(headers, {}), OriginMatch::foreign);
  }
}

}  // namespace
}  // namespace websocket
