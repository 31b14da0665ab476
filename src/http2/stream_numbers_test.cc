#include "http2/stream_numbers.h"

#include "gtest/gtest.h"

namespace http2 {
namespace {

TEST(StreamNumbers, RiseAndGapsStayClosed) {
  StreamNumbers numbers;
  EXPECT_TRUE(numbers.may_begin(1));
  EXPECT_TRUE(numbers.may_begin(3));
  EXPECT_TRUE(numbers.may_begin(9));
  EXPECT_FALSE(numbers.may_begin(5));
  EXPECT_FALSE(numbers.may_begin(7));
  EXPECT_TRUE(numbers.may_begin(3));  // trailers
  EXPECT_TRUE(numbers.may_begin(11));
  EXPECT_FALSE(numbers.may_begin(7));
}

TEST(StreamNumbers, TheLastEndedAreKnown) {
  StreamNumbers numbers;
  EXPECT_FALSE(numbers.has_ended(1));
  for (int32_t id = 1; id < 41; id += 2) numbers.end(id);
  EXPECT_FALSE(numbers.has_ended(1));
  EXPECT_TRUE(numbers.has_ended(39));
}

TEST(StreamNumbers, FirstMayBeAny) {
  StreamNumbers numbers;
  EXPECT_TRUE(numbers.may_begin(2147483647));
  EXPECT_FALSE(numbers.may_begin(1));
}

}  // namespace
}  // namespace http2
