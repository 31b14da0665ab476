#include "websocket/frame_tracker.h"

#include <gtest/gtest.h>

namespace websocket {
namespace {

using base::Side;
using std::string_view_literals::operator""sv;

struct Frame {
  uint8_t first;  // FIN, RSV, opcode
  std::string payload;
};

std::string be(uint64_t number, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
  return out;
}

std::string wire(Side sender, const Frame& frame) {
  const size_t size = frame.payload.size();
  const int masked = sender == Side::client ? 0x80 : 0;
  std::string out(1, static_cast<char>(frame.first));
  out += static_cast<char>(masked | static_cast<int>(size < 126 ? size : size < 65536 ? 126 : 127));
  if (size >= 126) out += size < 65536 ? be(size, 2) : be(size, 8);
  if (!masked) return out + frame.payload;
  const std::string mask = "\x5A\x01\xFE\x80";
  out += mask;
  for (size_t i = 0; i < size; ++i) out += static_cast<char>(frame.payload[i] ^ mask[i % 4]);
  return out;
}

std::string tell(const FrameTracker& tracker) {
  std::string out = "messages " + std::to_string(tracker.messages()) + " pings " +
                    std::to_string(tracker.pings()) + " pongs " + std::to_string(tracker.pongs());
  if (tracker.at_boundary()) out += " boundary";
  if (tracker.message_open()) out += " open";
  if (tracker.close_seen()) out += " close " + std::to_string(tracker.close_code());
  if (tracker.broken()) out += " broken";
  return out;
}

// Whole, byte by byte and, where short, split at every place: the same.
std::string follow(Side sender, std::string_view bytes) {
  FrameTracker whole(sender);
  whole.follow(bytes);
  FrameTracker by_byte(sender);
  for (char c : bytes) by_byte.follow({&c, 1});
  EXPECT_EQ(tell(by_byte), tell(whole));
  for (size_t at = 0; at < bytes.size() && bytes.size() < 2000; ++at) {
    FrameTracker split(sender);
    split.follow(bytes.substr(0, at));
    const size_t rest = split.until_boundary(bytes.substr(at));
    if (split.at_boundary() || split.broken()) EXPECT_EQ(rest, 0u);
    split.follow(bytes.substr(at, rest));
    EXPECT_TRUE(rest == bytes.size() - at || split.at_boundary() || split.broken() || split.close_seen())
        << at;
    split.follow(bytes.substr(at + rest));
    EXPECT_EQ(tell(split), tell(whole)) << at;
  }
  return tell(whole);
}

TEST(FrameTracker, KnowsWhereItStands) {
  struct Case {
    std::vector<Frame> frames;
    std::string_view told;
  } const cases[] = {
      {{}, "messages 0 pings 0 pongs 0 boundary"},
      {{{0x81, "hello"}}, "messages 1 pings 0 pongs 0 boundary"},
      {{{0x82, ""}, {0x81, ""}}, "messages 2 pings 0 pongs 0 boundary"},
      {{{0x01, "he"}}, "messages 1 pings 0 pongs 0 boundary open"},
      {{{0x01, "he"}, {0x89, "?"}, {0x00, ""}, {0x8A, ""}}, "messages 1 pings 1 pongs 1 boundary open"},
      {{{0x01, "he"}, {0x00, "l"}, {0x80, "lo"}, {0x82, "x"}}, "messages 2 pings 0 pongs 0 boundary"},
      {{{0xC1, "deflated"}, {0x89, std::string(125, 'p')}}, "messages 1 pings 1 pongs 0 boundary"},
      {{{0x82, std::string(125, 'x')}, {0x82, std::string(126, 'x')}}, "messages 2 pings 0 pongs 0 boundary"},
      {{{0x82, std::string(65535, 'x')}, {0x82, std::string(65536, 'x')}},
       "messages 2 pings 0 pongs 0 boundary"},
      {{{0x88, ""}}, "messages 0 pings 0 pongs 0 close 0"},
      {{{0x88, "\x03\xE8"}}, "messages 0 pings 0 pongs 0 close 1000"},
      {{{0x88, "\x03"}}, "messages 0 pings 0 pongs 0 close 0"},
      {{{0x01, "a"}, {0x88, "\x03\xF0no more"}}, "messages 1 pings 0 pongs 0 open close 1008"},
  };
  for (Side sender : {Side::client, Side::backend}) {
    for (const Case& c : cases) {
      std::string bytes;
      for (const Frame& frame : c.frames) bytes += wire(sender, frame);
      EXPECT_EQ(follow(sender, bytes), c.told);
    }
  }
}

TEST(FrameTracker, IsAtNoBoundaryWithinAFrame) {
  for (Side sender : {Side::client, Side::backend}) {
    for (const Frame& frame : {Frame{0x81, "hello"}, Frame{0x82, std::string(300, 'x')}, Frame{0x89, ""},
                               Frame{0x82, std::string(70000, 'x')}}) {
      const std::string bytes = wire(sender, frame);
      FrameTracker tracker(sender);
      for (size_t at = 0; at < bytes.size(); ++at) {
        EXPECT_EQ(tracker.at_boundary(), at == 0);
        EXPECT_EQ(tracker.within_frame(), at != 0);
        if (at > 0 && at < 300)
          EXPECT_EQ(tracker.until_boundary(bytes.substr(at) + "more"), bytes.size() - at);
        tracker.follow(bytes.substr(at, 1));
      }
      EXPECT_TRUE(tracker.at_boundary());
    }
  }
}

TEST(FrameTracker, SaysWhenItIsNoWebSocket) {
  const Frame hello{0x81, "hello"};
  struct Case {
    Side sender;
    std::string bytes;
  } const cases[] = {
      {Side::client, wire(Side::backend, hello)},
      {Side::backend, wire(Side::client, hello)},
      {Side::backend, wire(Side::backend, {0x83, "reserved"})},
      {Side::backend, wire(Side::backend, {0x8B, "reserved"})},
      {Side::backend, wire(Side::backend, {0x80, "continues nothing"})},
      {Side::backend, wire(Side::backend, {0x01, "a"}) + wire(Side::backend, {0x81, "b"})},
      {Side::backend, wire(Side::backend, {0x09, "fragmented ping"})},
      {Side::backend, wire(Side::backend, {0x88, std::string(126, 'x')})},
      {Side::backend, std::string("\x81\x7E\x00\x05hello"sv)},
      {Side::backend, "\x81\x7F" + be(65535, 8)},
      {Side::backend, "\x81\x7F" + be(uint64_t{1} << 63, 8)},
      {Side::backend, wire(Side::backend, {0x88, ""}) + "x"},
      {Side::client, "GET / HTTP/1.1\r\n"},
  };
  for (const Case& c : cases) {
    const std::string told = follow(c.sender, c.bytes);
    EXPECT_TRUE(told.ends_with("broken") && told.find("boundary") == told.npos) << told;
    EXPECT_EQ(follow(c.sender, c.bytes + wire(c.sender, hello)), told) << "it stays broken";
  }
}

TEST(FrameTracker, TakesTheLongestFrame) {
  FrameTracker tracker(Side::backend);
  tracker.follow("\x82\x7F" + be(~uint64_t{0} >> 1, 8));
  EXPECT_FALSE(tracker.broken());
  EXPECT_EQ(tracker.until_boundary("abc"), 3u);
  tracker.follow("abc");
  EXPECT_FALSE(tracker.at_boundary());
}

}  // namespace
}  // namespace websocket
