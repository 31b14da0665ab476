#include "cli/keys.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace {

TEST(ParseExpiry, TakesDurationsDatesAndTimes) {
  base::WallTime now{*base::parse_rfc3339("2026-01-01T12:00:00Z")};
  const std::pair<const char*, const char*> cases[] = {
      {"90d", "2026-04-01T12:00:00.000Z"},        {"12h", "2026-01-02T00:00:00.000Z"},
      {"30m", "2026-01-01T12:30:00.000Z"},        {"2w", "2026-01-15T12:00:00.000Z"},
      {"2027-01-31", "2027-01-31T00:00:00.000Z"}, {"2027-01-31T08:00:00+02:00", "2027-01-31T06:00:00.000Z"},
  };
  for (auto [text, expected] : cases) {
    auto time = cli::parse_expiry(text, now);
    ASSERT_TRUE(time) << text << ": " << time.error();
    EXPECT_EQ(base::format_rfc3339(time->ns), expected) << text;
  }
}

TEST(ParseExpiry, RefusesTheRest) {
  for (const char* text :
       {"", "d", "90", "-1d", "1.5d", "90 d", "90y", "99999999999d", "tomorrow", "2027-02-31x"}) {
    EXPECT_FALSE(cli::parse_expiry(text, {})) << text;
  }
}

}  // namespace
