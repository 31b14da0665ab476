// Each known way to make an HTTP/2 server work or hold for nothing, and the limit it runs into (limits.h).
#include "http2/raw_peer.h"

namespace http2 {
namespace {

using Heard = std::vector<std::string>;

std::string times(size_t count, const std::string& bytes) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += bytes;
  return all;
}

// kConcurrentStreamsMax: nghttp2 enforces what our SETTINGS said.
TEST(Flood, ConcurrentStreams) {
  RawWorld world;
  std::string all = hello() + bytes_of({kSettings, kAck, 0, ""});
  for (uint32_t i = 0; i <= kConcurrentStreamsMax; ++i) all += request(2 * i + 1, get("/waits"));
  world.say(all, base::seconds(5));
  EXPECT_LE(world.site.served, static_cast<int>(kConcurrentStreamsMax));
  world.heard();
  EXPECT_EQ(world.goaway(), "PROTOCOL_ERROR");
}

// kResetBurst, kResetsPerSecond.
TEST(Flood, RapidReset) {
  RawWorld world;
  world.say(hello());
  std::string all;
  for (uint32_t i = 0; i < 2 * kResetBurst; ++i) {
    all += request(2 * i + 1, get("/waits")) + bytes_of({kRstStream, 0, 2 * i + 1, number(8)});
  }
  world.say(all, base::seconds(5));
  world.heard();
  EXPECT_EQ(world.goaway(), "ENHANCE_YOUR_CALM");
  EXPECT_TRUE(world.ended());
  // Those that came and went between two looks at the connection reached nobody.
  EXPECT_EQ(world.site.served, world.site.gone);
  EXPECT_LT(world.site.served, static_cast<int>(kResetBurst));

  RawWorld patient;
  patient.say(hello());
  for (uint32_t i = 0; i < 2 * kResetBurst; ++i) {
    patient.say(request(2 * i + 1, get("/waits")) + bytes_of({kRstStream, 0, 2 * i + 1, number(8)}),
                base::milliseconds(1000 / kResetsPerSecond));
  }
  patient.heard();
  EXPECT_EQ(patient.goaway(), "none");
}

// What the client makes us reset counts alike (CVE-2025-8671).
TEST(Flood, ResetsProvoked) {
  RawWorld world;
  world.say(hello());
  std::string all;
  for (uint32_t i = 0; i < 2 * kResetBurst; ++i) {
    all += request(2 * i + 1, get("/waits")) + bytes_of({kWindowUpdate, 0, 2 * i + 1, number(0x7FFFFFFF)});
  }
  world.say(all, base::seconds(5));
  world.heard();
  EXPECT_EQ(world.goaway(), "ENHANCE_YOUR_CALM");
  EXPECT_TRUE(world.ended());
}

TEST(Flood, FramesThatCarryNothing) {
  struct {
    const char* name;
    std::string frame;
  } cases[] = {
      {"PING", bytes_of({kPing, 0, 0, "12345678"})},
      {"SETTINGS", bytes_of({kSettings, 0, 0, ""})},
      {"PRIORITY", bytes_of({kPriority, 0, 3, number(0) + "a"})},
      {"PRIORITY_UPDATE", bytes_of({kPriorityUpdate, 0, 0, number(1) + "u=1"})},
      {"WINDOW_UPDATE", bytes_of({kWindowUpdate, 0, 0, number(1)})},
      {"empty DATA", bytes_of({kData, 0, 1, ""})},
      {"padded empty DATA", bytes_of({kData, kPadded, 1, std::string(10, 9)})},
  };
  for (const auto& c : cases) {
    RawWorld world;
    FieldList post = get("/waits");
    post[0].second = "POST";
    world.say(hello() + request(1, post, kEndHeaders));
    // In pieces, so that what they provoke leaves in between.
    for (int i = 0; i < 60 && !world.ended(); ++i) world.say(times(50, c.frame), base::milliseconds(1));
    world.sim.run_for(base::seconds(5));
    world.heard();
    EXPECT_EQ(world.goaway(), "ENHANCE_YOUR_CALM") << c.name;
    EXPECT_TRUE(world.ended()) << c.name;
  }
}

// One who does not read what it provokes: it is cut off although nothing can tell it so.
TEST(Flood, AnswersNobodyReads) {
  for (const std::string& frame : {bytes_of({kPing, 0, 0, "12345678"}), bytes_of({kSettings, 0, 0, ""})}) {
    RawWorld world(1000);
    world.say(hello());
    world.stop_reading();
    world.say(times(2 * kIdleFrameBurst, frame), base::seconds(20));
    EXPECT_TRUE(world.ended());
  }
}

// kContinuationsMax, and that the fields they carry are not kept.
TEST(Flood, Continuations) {
  for (const std::string& payload : {std::string(), packed({{"x", "y"}}), std::string(1, '\x82')}) {
    RawWorld world;
    world.say(hello() + bytes_of({kHeaders, 0, 1, packed(get())}) +
                  times(100, bytes_of({kContinuation, 0, 1, payload})),
              base::seconds(5));
    world.heard();
    EXPECT_EQ(world.site.served, 0);
    EXPECT_TRUE(world.ended());
  }
}

// kHeadFloodBytes: one large field put into the table and named again and again.
TEST(Flood, FieldsOutOfTheTable) {
  RawWorld world;
  std::string block = packed(get());
  block += char{0x40};  // literal with indexing
  block += std::string("\x01x", 2);
  block += std::string("\x7F\xA1\x1E", 3) + std::string(4000, 'v');
  block += std::string(9000, '\xBE');  // the newest entry
  world.say(hello() + bytes_of({kHeaders, kEndHeaders | kEndStream, 1, block}), base::seconds(5));
  world.heard();
  EXPECT_EQ(world.goaway(), "ENHANCE_YOUR_CALM");
  EXPECT_EQ(world.site.served, 0);
}

// A client that opens no window holds what one stream may have pending, and nobody else.
TEST(Flood, ZeroWindows) {
  RawWorld world;
  std::string settings = std::string("\0\4", 2) + number(0);  // INITIAL_WINDOW_SIZE
  world.say(std::string(kPreface) + bytes_of({kSettings, 0, 0, settings}));
  for (uint32_t i = 0; i < 50; ++i) world.say(request(2 * i + 1, get("/big/1000000")), {});
  world.sim.run_for(base::seconds(1));
  for (const std::string& told : world.heard()) EXPECT_FALSE(told.starts_with("DATA")) << told;
  EXPECT_EQ(world.server->exchanges(), 50u);
  world.say(bytes_of({kWindowUpdate, 0, 1, number(10)}));
  EXPECT_EQ(world.heard(), Heard{"DATA 1 10"});
}

TEST(Flood, SlowBeginnings) {
  struct {
    const char* name;
    std::string bytes;
  } cases[] = {{"nothing", ""},
               {"half a preface", std::string(kPreface.substr(0, 10))},
               {"no SETTINGS", std::string(kPreface)},
               {"half a header block", hello() + bytes_of({kHeaders, 0, 1, packed(get())})}};
  for (const auto& c : cases) {
    RawWorld world;
    world.say(c.bytes, base::seconds(9));
    EXPECT_FALSE(world.ended()) << c.name;
    world.sim.run_for(base::seconds(5));
    EXPECT_TRUE(world.ended()) << c.name;
    EXPECT_EQ(world.site.served, 0) << c.name;
  }
}

// PINGs do not keep a connection that asks for nothing.
TEST(Flood, IdlePings) {
  RawWorld world;
  world.say(hello());
  for (int i = 0; i < 90; ++i) world.say(bytes_of({kPing, 0, 0, "12345678"}), base::seconds(1));
  EXPECT_TRUE(world.ended());
  world.heard();
  EXPECT_EQ(world.goaway(), "NO_ERROR");
}

}  // namespace
}  // namespace http2
