#include "redis/target.h"

namespace redis {
namespace {

std::string show(const Target& target) {
  return describe(target) + " user=" + target.user + " password=" + target.password;
}

TEST(Target, Forms) {
  struct {
    const char* url;
    const char* expected;
  } cases[] = {
      {"redis://127.0.0.1:6380/3", "redis://127.0.0.1:6380/3 user= password="},
      {"redis://cache.internal", "redis://cache.internal:6379/0 user= password="},
      {"redis://cache.internal/", "redis://cache.internal:6379/0 user= password="},
      {"redis://[::1]", "redis://[::1]:6379/0 user= password="},
      {"redis://[::1]:7/1", "redis://[::1]:7/1 user= password="},
      {"rediss://cache.example:6380", "rediss://cache.example:6380/0 user= password="},
      {"redis://:secret@cache", "redis://cache:6379/0 user= password=secret"},
      {"redis://gate:a%2Fb%40c%3A%25@cache:1/2", "redis://cache:1/2 user=gate password=a/b@c:%"},
      {"redis://gate:a@b@cache", "redis://cache:6379/0 user=gate password=a@b"},
      {"redis://gate:a:b@cache", "redis://cache:6379/0 user=gate password=a:b"},
      {"unix:/run/redis.sock", "unix:/run/redis.sock?db=0 user= password="},
      {"unix:/run/redis.sock?db=4", "unix:/run/redis.sock?db=4 user= password="},
      {"unix:/run/a@b.sock", "unix:/run/a@b.sock?db=0 user= password="},
      {"unix:///run/redis.sock", "unix:/run/redis.sock?db=0 user= password="},
      {"unix://:secret@/run/redis.sock?db=1", "unix:/run/redis.sock?db=1 user= password=secret"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.url);
    auto target = parse_target(c.url);
    ASSERT_TRUE(target) << target.error();
    EXPECT_EQ(show(*target), c.expected);
  }
}

TEST(Target, RefusedWithoutRepeatingASecret) {
  for (const char* url : {"",
                          "redis",
                          "redis:",
                          "redis:/hunter2",
                          "http://hunter2",
                          "redis://",
                          "redis://:hunter2",
                          "redis://@cache",
                          "redis://hunter2@cache",
                          "redis://:@cache",
                          "redis://:hunter2/x@cache",
                          "redis://u:hunter2?@cache/x",
                          "redis://:%zz@cache",
                          "redis://:hunter2%@cache",
                          "redis://cache:0",
                          "redis://cache:65536",
                          "redis://cache:hunter2",
                          "redis://cache/hunter2",
                          "redis://cache/-1",
                          "redis://cache/1000001",
                          "redis://cache/1/2",
                          "redis://ca che",
                          "redis://unix:/hunter2",
                          "unix:",
                          "unix:run/hunter2",
                          "unix:/run/x?db=hunter2",
                          "unix:/run/x?hunter2",
                          "unix://host/run/x",
                          "unix:hunter2",
                          "redis://::1",
                          "UNIX:/run/x"}) {
    SCOPED_TRACE(url);
    auto target = parse_target(url);
    ASSERT_FALSE(target) << show(*target);
    EXPECT_EQ(target.error().find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace redis
