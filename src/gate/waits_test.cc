// How long a client may keep the gate waiting and an upgraded connection may stand still, in the simulated
// world: progress counts, not the last byte, and only time in which something waits.
#include "gate/test_world.h"

namespace gate::test {
namespace {

std::string get(std::string_view more) {
  return "GET /a/open HTTP/1.1\r\nHost: api.example.com\r\n" + std::string(more) + "\r\n";
}
std::string upgrade_to(std::string_view what) {
  return get("X-Do: " + std::string(what) + "\r\nConnection: upgrade\r\nUpgrade: shout\r\n");
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

class NarrowToGate final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    return to.port == 9000 ? io::SimLinkPlan{} : io::SimLinkPlan{.window = 64};
  }
};

// A client whose every read is the test's own.
class ByHand {
 public:
  explicit ByHand(GateWorld& world) : world_(world) {
    int error = 0;
    stream_ = world.sim.network.connect_from(io::sim_address(2, 40'000), io::sim_address(1, 80), error);
    world.sim.run_for(base::milliseconds(1));
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      bytes.remove_prefix(stream_->write({&piece, 1}).count);
      world_.sim.run_for(base::milliseconds(1));
    }
  }
  void half_close() { stream_->shutdown_write(); }
  // Takes `bytes` in each `interval` until the end or, counted from now, `until`.
  void take(size_t bytes, base::Duration interval, base::Duration until = base::seconds(100'000)) {
    base::Instant end = world_.sim.clock.now() + until;
    std::array<char, 4096> room;
    while (world_.sim.clock.now() < end) {
      io::IoResult got = stream_->read(std::span(room).first(bytes));
      received.append(room.data(), got.count);
      if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) return;
      world_.sim.run_for(interval);
    }
  }
  std::string received;

 private:
  GateWorld& world_;
  std::unique_ptr<io::Stream> stream_;
};

TEST(Waits, AClientThatTakesAnAnswerByteByByteIsCutOff) {
  struct {
    const char* name;
    std::string request;
  } cases[] = {{"a backend's answer", get("")},
               {"the gate's own answer", "GET /a/other HTTP/1.1\r\nHost: a\r\n\r\n"},
               {"an upgraded connection", upgrade_to("switch-half")}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    NarrowToGate narrow;
    GateWorld world(1, &narrow);
    ByHand client(world);
    client.send(c.request);
    client.take(1, base::seconds(9));
    EXPECT_LT(client.received.size(), 64u + 10u);
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "reason"), c.name[0] == 't' ? "rule_denied" : "client_stalled") << records[0];
  }
}

TEST(Waits, ASlowClientThatGoesOnTakingIsServed) {
  NarrowToGate narrow;
  GateWorld world(1, &narrow);
  ByHand client(world);
  client.send(upgrade_to("switch"));
  client.send(std::string(8000, 'z'));
  client.half_close();
  client.take(64, base::seconds(1));  // 34 bytes a second are the least
  EXPECT_TRUE(has(client.received, "heard " + std::string(8000, 'z')));
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "reason"), "") << records[0];
}

TEST(Waits, AnUpgradedConnectionLivesWhileEitherSideSpeaks) {
  GateWorld world;
  Client client(world.sim);
  client.send(upgrade_to("switch-tick"));
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "tick tick tick tick tick "); },
                                  base::seconds(20'000)));
  client.send("words");
  client.half_close();
  ASSERT_TRUE(world.sim.run_until([&] { return client.ended(); }));
  EXPECT_TRUE(has(client.received, "heard words")) << client.received;
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "reason"), "") << records[0];
}

TEST(Waits, AnUpgradedConnectionOnWhichNobodySpeaksEnds) {
  GateWorld world;
  Client client(world.sim);
  client.send(upgrade_to("switch"));
  world.sim.run_for(base::seconds(3000));
  client.send("words");
  world.sim.run_for(WebSocketPolicy{}.idle_patience - base::seconds(1));
  EXPECT_FALSE(client.ended());
  world.sim.run_for(base::seconds(3));
  EXPECT_TRUE(client.ended());
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "reason"), "connection_read_timeout") << records[0];
}

}  // namespace
}  // namespace gate::test
