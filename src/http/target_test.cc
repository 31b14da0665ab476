#include "http/target.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/reason.h"

namespace http {
namespace {

// The result with the storage it may point into.
struct Normalised {
  std::string storage;
  base::Result<Target> target;
};

std::unique_ptr<Normalised> normalise(std::string_view text) {
  auto out = std::make_unique<Normalised>(Normalised{std::string(text.size(), '!'), {}});
  out->target = normalise_target(text, out->storage);
  return out;
}

TEST(Target, PathsAreMadeOne) {
  struct Case {
    std::string_view sent, path;
  };
  const Case cases[] = {
      {"/", "/"},
      {"/a", "/a"},
      {"/a/", "/a/"},
      {"//", "/"},
      {"//a", "/a"},
      {"/a//b", "/a/b"},
      {"/a///", "/a/"},
      {"/.", "/"},
      {"/./", "/"},
      {"/a/.", "/a/"},
      {"/./a", "/a"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/../../c", "/c"},
      {"/a//../b", "/b"},
      {"/a/.//../b", "/b"},
      {"/a/../b/../c/..", "/"},
      {"/...", "/..."},
      {"/.a", "/.a"},
      {"/..a", "/..a"},
      {"/a.", "/a."},
      {"/a..", "/a.."},
      {"/a../b", "/a../b"},
      {"/.a/..b/...", "/.a/..b/..."},
      {"/%41%7a%30%2D%2E%5F%7E", "/Az0-._~"},
      {"/%2e%2e%2e", "/..."},
      {"/a%2e", "/a."},
      {"/%2ea", "/.a"},
      {"/%20%21%22%24%3a%3f%40%5b", "/%20%21%22%24%3A%3F%40%5B"},
      {"/%c3%a9", "/%C3%A9"},
      {"/%ff%80", "/%FF%80"},
      {"/%e0%a0%80", "/%E0%A0%80"},
      {"/%f0%90%80%80", "/%F0%90%80%80"},
      {"/%e0", "/%E0"},
      {"/%e0%2", ""},
      {"/a%2fb", "/a%2Fb"},
      {"/a;b=c", "/a;b=c"},
      {"/a%3bb", "/a%3Bb"},
      {"/a;b/../c", "/c"},
      {"/a;../b", "/a;../b"},
      {"/...;/a", "/...;/a"},
      {"/a%2f", "/a%2F"},
      {"/%2f%2f", "/%2F%2F"},
  };
  for (const Case& c : cases) {
    const auto out = normalise(c.sent);
    if (c.path.empty()) {
      EXPECT_FALSE(out->target) << c.sent;
      continue;
    }
    ASSERT_TRUE(out->target) << c.sent << ": " << out->target.error().detail;
    EXPECT_EQ(out->target->path, c.path) << c.sent;
    EXPECT_FALSE(out->target->has_query) << c.sent;
    const auto again = normalise(out->target->path);
    ASSERT_TRUE(again->target) << c.path;
    EXPECT_EQ(again->target->path, c.path);
  }
}

TEST(Target, RefusedAreNeverRepaired) {
  for (std::string_view sent :
       {"",         "a",        "*",       "?a",         "http://a/",   "\\a",           "/..",
        "/../",     "/a/../..", "/../a",   "/%2e",       "/%2e/",       "/%2E%2e",       "/a/%2e%2e/b",
        "/.%2e",    "/%2e.",    "/a\\b",   "/..\\a",     "/%5c",        "/%5C",          "/%00",
        "/%0a",     "/%0d",     "/%1f",    "/%7f",       "/#",          "/a#b",          "/%23",
        "/%25",     "/%252e",   "/%2",     "/%",         "/%zz",        "/%2g",          "/%g2",
        "/% 2",     "/%%41",    "/a b",    "/a\tb",      "/a\x7f",      "/\x80",         "/\xc3\xa9",
        "/a\nb",    "/%c0%af",  "/%C1%9C", "/%e0%80%af", "/%E0%9f%bf",  "/%f0%80%80%af", "/%f0%8f%bf%bf",
        "/..;",     "/..;/a",   "/.;",     "/.;a/b",     "/..;a=b;c",   "/%2e%2e;",      "/..%3b",
        "/..%3B/a", "/..%2f",   "/..%2Fa", "/a%2f..",    "/a%2f..%2fb", "/a%2f.%2fb",    "/a%2f..;x%2fb",
        "/%2f..;",  "/a?b c",   "/a?b#c",  "/a?\x80",    "/a?\x7f",     "/a?b\r",        "/a/..;/b/../c"}) {
    const auto out = normalise(sent);
    ASSERT_FALSE(out->target) << sent << " became " << out->target->path;
    EXPECT_EQ(out->target.error().reason, base::Reason::path_refused) << sent;
    EXPECT_EQ(out->target.error().side, base::Side::client) << sent;
  }
  EXPECT_FALSE(normalise(std::string_view("/a\0b", 4))->target);
}

TEST(Target, FlagsWhatOnlySomeServicesTake) {
  struct Case {
    std::string_view sent;
    bool encoded_slash, parameters;
  };
  const Case cases[] = {{"/a", false, false},        {"/a%2Fb", true, false},   {"/a%2fb", true, false},
                        {"/a;b", false, true},       {"/a%3Bb", false, true},   {"/a;b%2Fc", true, true},
                        {"/a?b;c%2F", false, false}, {"/a;b/../c", false, true}};
  for (const Case& c : cases) {
    const auto out = normalise(c.sent);
    ASSERT_TRUE(out->target) << c.sent;
    EXPECT_EQ(out->target->has_encoded_slash, c.encoded_slash) << c.sent;
    EXPECT_EQ(out->target->has_parameters, c.parameters) << c.sent;
  }
}

TEST(Target, TheQueryIsKeptAsSent) {
  struct Case {
    std::string_view sent, path, query;
  };
  const Case cases[] = {{"/a?", "/a", ""},     {"/a?b", "/a", "b"},
                        {"/a??", "/a", "?"},   {"//a?b//c/../%2e%zz\\;", "/a", "b//c/../%2e%zz\\;"},
                        {"/?/..", "/", "/.."}, {"/a/..?x", "/", "x"},
                        {"/.?x", "/", "x"}};
  for (const Case& c : cases) {
    const auto out = normalise(c.sent);
    ASSERT_TRUE(out->target) << c.sent << out->target.error().detail;
    EXPECT_EQ(out->target->path, c.path) << c.sent;
    EXPECT_EQ(out->target->query, c.query) << c.sent;
    EXPECT_TRUE(out->target->has_query) << c.sent;
  }
}

TEST(Target, CleanPathsAreNotCopiedAndNeedNoStorage) {
  for (std::string_view sent : {"/", "/a", "/a/b.c/~d_e?f", "/.well-known/x", "/a!$&'()*+,=:@b/"}) {
    const auto target = normalise_target(sent, {});
    ASSERT_TRUE(target) << sent;
    EXPECT_EQ(target->path.data(), sent.data()) << sent;
  }
  const auto target = normalise_target("/a//b", {});
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().side, base::Side::gate);
}

TEST(Authority, IsSplitAndLowered) {
  struct Case {
    std::string_view sent, host;
    uint16_t port;
  };
  const Case cases[] = {{"a", "a", 0},
                        {"A.Example", "a.example", 0},
                        {"a.example.", "a.example", 0},
                        {"a.:80", "a", 80},
                        {"A:65535", "a", 65535},
                        {"127.0.0.1:1", "127.0.0.1", 1},
                        {"[::1]", "[::1]", 0},
                        {"[2001:DB8::A]:443", "[2001:db8::a]", 443},
                        {"my_service-1:9000", "my_service-1", 9000}};
  for (const Case& c : cases) {
    std::string storage(c.sent.size(), '!');
    const auto authority = normalise_authority(c.sent, storage);
    ASSERT_TRUE(authority) << c.sent;
    EXPECT_EQ(authority->host, c.host) << c.sent;
    EXPECT_EQ(authority->port, c.port) << c.sent;
  }
}

TEST(Authority, RefusesWhatNamesNoHost) {
  const std::string too_long(254, 'a');
  for (std::string_view sent :
       {"",       ".",       "..",        "a..b",    ".a",         "a..",     "a:",    ":80",
        "a:0",    "a:00",    "a:080",     "a:65536", "a:123456",   "a:8 0",   "a:-1",  "a:80:80",
        "u@a",    "a b",     "a/b",       "a?b",     "a#b",        "a,b",     "a;b",   "a%2eb",
        "a\\b",   "*.a",     "\xc3\xa9",  "[",       "[]",         "[::1",    "::1",   "[::1]a",
        "[::1]:", "[::1]:0", "[1.2.3.4]", "[a]",     "[::1%eth0]", "[[::1]]", "[v1.a]"}) {
    std::string storage(sent.size(), '!');
    const auto authority = normalise_authority(sent, storage);
    ASSERT_FALSE(authority) << sent;
    EXPECT_EQ(authority.error().reason, base::Reason::http_request_error) << sent;
  }
  EXPECT_FALSE(parse_authority(too_long));
  EXPECT_TRUE(parse_authority(std::string(253, 'a') + "."));
}

}  // namespace
}  // namespace http
