#include "websocket/close_frame.h"

#include <gtest/gtest.h>

#include "websocket/frame_tracker.h"

namespace websocket {
namespace {

using std::string_view_literals::operator""sv;

class CountingRandom final : public crypto::RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = ++last_;
  }

 private:
  uint8_t last_ = 0xA0;
};

TEST(CloseFrame, ToAClient) {
  char out[kCloseFrameBytesMax];
  const auto written = [&](const Close& close) {
    return std::string_view(out, write_close_frame(close, out));
  };
  EXPECT_EQ(written({.code = kPolicyViolation, .reason = {}}), "\x88\x02\x03\xF0"sv);
  EXPECT_EQ(written({.code = kGoingAway, .reason = "bye"}),
            "\x88\x05\x03\xE9"
            "bye"sv);
}

TEST(CloseFrame, ToABackendIsMasked) {
  char out[kCloseFrameBytesMax];
  CountingRandom random;
  const size_t size = write_masked_close_frame({.code = kPolicyViolation, .reason = "no"}, out, random);
  EXPECT_EQ(std::string_view(out, size), "\x88\x84\xA1\xA2\xA3\xA4\xA2\x52\xCD\xCB"sv);
  write_masked_close_frame({.code = kPolicyViolation, .reason = "no"}, out, random);
  EXPECT_EQ(std::string_view(out + 2, 4), "\xA5\xA6\xA7\xA8"sv) << "a fresh key each time";
}

TEST(CloseFrame, ReasonIsCutAtAWholeCharacter) {
  const std::string a122(122, 'a');
  const std::pair<std::string, size_t> cases[] = {
      {std::string(123, 'a'), 123},
      {std::string(124, 'a'), 123},
      {std::string(1000, 'a'), 123},
      {a122 + "\xC3\xA9", 122},
      {a122.substr(1) + "\xC3\xA9", 123},
      {"good\xFF"
       "bad",
       4},
      {"cut \xE2\x82", 4},
  };
  for (const auto& [reason, kept] : cases) {
    char out[kCloseFrameBytesMax + 1];
    CountingRandom random;
    out[kCloseFrameBytesMax] = '!';
    EXPECT_EQ(write_close_frame({.reason = reason}, out), 4 + kept);
    EXPECT_EQ(std::string_view(out + 4, kept), reason.substr(0, kept));
    EXPECT_EQ(write_masked_close_frame({.reason = reason}, out, random), 8 + kept);
    EXPECT_EQ(out[kCloseFrameBytesMax], '!');
    FrameTracker tracker(base::Side::client);
    tracker.follow({out, 8 + kept});
    EXPECT_TRUE(tracker.close_seen() && !tracker.broken());
    EXPECT_EQ(tracker.close_code(), kPolicyViolation);
    tracker.follow("x");
    EXPECT_TRUE(tracker.broken()) << "the frame had ended";
  }
}

}  // namespace
}  // namespace websocket
