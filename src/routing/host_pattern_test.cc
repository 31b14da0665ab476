#include "routing/host_pattern.h"

#include <gtest/gtest.h>

namespace routing {
namespace {

TEST(HostPattern, Parses) {
  struct Case {
    std::string_view text;
    std::string_view kept;
    std::string_view name;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"api.example.com", "api.example.com", "api.example.com"},
           {"API.Example.COM.", "api.example.com", "api.example.com"},
           {"*.Example.com", "*.example.com", "example.com"},
           {"*.com", "*.com", "com"},
           {"localhost", "localhost", "localhost"},
           {"127.0.0.1", "127.0.0.1", "127.0.0.1"},
           {"[::1]", "[::1]", "[::1]"},
           {"[2001:DB8::1]", "[2001:db8::1]", "[2001:db8::1]"},
       }) {
    auto pattern = HostPattern::parse(c.text);
    ASSERT_TRUE(pattern) << c.text << ": " << pattern.error();
    EXPECT_EQ(pattern->text(), c.kept);
    EXPECT_EQ(pattern->name(), c.name);
    EXPECT_EQ(pattern->is_wildcard(), c.kept.starts_with("*."));
  }
}

TEST(HostPattern, Refuses) {
  for (std::string_view text :
       {"",       ".",       "*",        "*.",       "a..b", ".a", "a.*", "*a.com", "a*.com",
        "**.com", "*.*.com", "a.com:80", "[::1]:80", "[::1", "[]", "a b", "a/b",    "bücher.example",
        "a,b",    "http://a"}) {
    EXPECT_FALSE(HostPattern::parse(text)) << text;
  }
  EXPECT_FALSE(HostPattern::parse(std::string(64, 'a')));
  EXPECT_TRUE(HostPattern::parse(std::string(63, 'a')));
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_TRUE(HostPattern::parse(longest));  // 253 and the root's dot
  EXPECT_FALSE(HostPattern::parse("a." + longest));
}

TEST(HostPattern, Covers) {
  struct Case {
    std::string_view pattern;
    std::string_view host;
    bool covered;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"example.com", "example.com", true},
           {"example.com", "a.example.com", false},
           {"example.com", "example.org", false},
           {"example.com", "", false},
           {"*.example.com", "a.example.com", true},
           {"*.example.com", "a.b.example.com", true},
           {"*.example.com", "example.com", false},
           {"*.example.com", ".example.com", false},
           {"*.example.com", "notexample.com", false},
           {"*.example.com", "a.example.com.evil.org", false},
           {"[::1]", "[::1]", true},
       }) {
    EXPECT_EQ(HostPattern::parse(c.pattern)->covers(c.host), c.covered) << c.pattern << " " << c.host;
  }
}

}  // namespace
}  // namespace routing
