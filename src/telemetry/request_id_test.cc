#include "telemetry/request_id.h"

#include <gtest/gtest.h>

#include <set>

namespace telemetry {
namespace {

TEST(RequestId, IsTheReferenceGenerator) {
  // xoshiro256++ from the state {1, 2, 3, 4}: the first words of the reference implementation.
  RequestIdGenerator generator({1, 2, 3, 4});
  EXPECT_EQ(generator.next().text(), "00000000028000010000000003800067");
}

TEST(RequestId, IsUniqueHexOfOneLength) {
  RequestIdGenerator generator({7, 7, 7, 7});
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    RequestId id = generator.next();
    ASSERT_EQ(id.text().size(), 32u);
    ASSERT_EQ(id.text().find_first_not_of("0123456789abcdef"), std::string_view::npos);
    ASSERT_TRUE(seen.emplace(id.text()).second);
  }
}

TEST(RequestId, DiffersBetweenSeedsAndNotWithin) {
  EXPECT_NE(RequestIdGenerator({1, 0, 0, 0}).next().text(), RequestIdGenerator({2, 0, 0, 0}).next().text());
  EXPECT_EQ(RequestIdGenerator({5, 6, 7, 8}).next().text(), RequestIdGenerator({5, 6, 7, 8}).next().text());
  RequestIdGenerator zero({0, 0, 0, 0});
  EXPECT_NE(zero.next().text(), zero.next().text()) << "the state that never leaves itself is avoided";
  EXPECT_EQ(RequestId{}.text(), "");
}

}  // namespace
}  // namespace telemetry
