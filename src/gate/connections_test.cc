// How many clients' connections a worker takes, in the simulated world: idle ones make room, and who is one
// too many is told so, at the cost of nobody.
#include "gate/test_world.h"

namespace gate::test {
namespace {

std::string get(std::string_view more = "") {
  return "GET /a/open HTTP/1.1\r\nHost: api.example.com\r\n" + std::string(more) + "\r\n";
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

struct Crowd {
  explicit Crowd(uint32_t most) {
    world.serve({{.path = "/a"}}, [most](Snapshot& s) { s.connections_max = most; });
  }
  Client& join(std::string bytes) {
    clients.push_back(std::make_unique<Client>(world.sim));
    clients.back()->send(std::move(bytes));
    world.sim.run_for(base::milliseconds(10));
    return *clients.back();
  }
  uint64_t refused() { return world.worker->metrics().value(telemetry::Counter::connections_refused); }

  GateWorld world;
  std::vector<std::unique_ptr<Client>> clients;
};

TEST(Connections, OneTooManyIsToldSoAndCostsNobody) {
  Crowd crowd(3);
  for (int i = 0; i < 3; ++i) crowd.join(get("X-Do: slow\r\n"));
  Client& refused = crowd.join(get());
  ASSERT_TRUE(crowd.world.sim.run_until([&] { return refused.ended(); }, base::seconds(1)));
  EXPECT_EQ(refused.ending, "end");
  EXPECT_TRUE(refused.received.starts_with("HTTP/1.1 503 ")) << refused.received;
  EXPECT_TRUE(has(refused.received, "Connection: close\r\n"));
  EXPECT_TRUE(has(refused.received, "Proxy-Status: gatehouse; error=connection_limit_reached\r\n"));
  EXPECT_TRUE(has(refused.received, "\"reason\":\"connection_limit_reached\"}"));
  EXPECT_EQ(crowd.refused(), 1u);
  EXPECT_EQ(crowd.world.accepted(), 3u);
  EXPECT_EQ(crowd.world.seen.size(), 3u);
  EXPECT_EQ(crowd.world.worker->metrics().connections_open(0), 3);
  crowd.world.sim.run_for(base::seconds(10));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(has(crowd.clients[static_cast<size_t>(i)]->received, "hello"));
  EXPECT_EQ(crowd.world.records().size(), 3u);
  EXPECT_TRUE(has(crowd.join(get()).received, "hello from 10"));
}

TEST(Connections, TheLongestIdleMakesRoom) {
  Crowd crowd(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(has(crowd.join(get()).received, "hello"));
  crowd.clients[0]->send(get());  // now the second is the one that has waited longest
  crowd.world.sim.run_for(base::milliseconds(10));
  EXPECT_TRUE(has(crowd.join(get()).received, "hello"));
  EXPECT_EQ(crowd.clients[1]->ending, "end");
  for (size_t i : {0u, 2u, 3u}) EXPECT_EQ(crowd.clients[i]->ending, "") << i;
  EXPECT_EQ(crowd.refused(), 0u);
  EXPECT_EQ(crowd.world.worker->metrics().connections_open(0), 3);
}

TEST(Connections, WhoHasBegunARequestIsNotCutOff) {
  Crowd crowd(2);
  crowd.join("GET /a/open HTTP/1.1\r\nHo");
  crowd.join("GET /a/open HTTP/1.1\r\nHo");
  EXPECT_TRUE(crowd.join(get()).received.starts_with("HTTP/1.1 503 "));
  for (size_t i : {0u, 1u}) crowd.clients[i]->send("st: a\r\n\r\n");
  crowd.world.sim.run_for(base::seconds(1));
  for (size_t i : {0u, 1u}) EXPECT_TRUE(has(crowd.clients[i]->received, "hello"));
}

TEST(Connections, AFloodOfSilentOnesIsBoundedAndPasses) {
  Crowd crowd(50);
  for (int i = 0; i < 1000; ++i) crowd.clients.push_back(std::make_unique<Client>(crowd.world.sim));
  crowd.world.sim.run_for(base::milliseconds(10));
  EXPECT_LE(crowd.world.worker->metrics().connections_open(0), 50 + 64);
  crowd.world.sim.run_for(base::seconds(3));
  EXPECT_EQ(crowd.world.worker->metrics().connections_open(0), 50);
  EXPECT_TRUE(has(crowd.join(get()).received, "hello"));
  EXPECT_EQ(crowd.world.worker->metrics().value(telemetry::Counter::connections_accepted), 1001u);
}

TEST(Connections, AReloadRaisesTheMaximum) {
  Crowd crowd(1);
  crowd.join(get("X-Do: slow\r\n"));
  EXPECT_TRUE(crowd.join(get()).received.starts_with("HTTP/1.1 503 "));
  crowd.world.serve({{.path = "/a"}}, [](Snapshot& s) { s.connections_max = 2; });
  EXPECT_TRUE(has(crowd.join(get()).received, "hello"));
}

TEST(Connections, ADrainReachesIdleAndBusyOnes) {
  Crowd crowd(10);
  Client& idle = crowd.join(get());
  Client& busy = crowd.join(get("X-Do: slow\r\n"));
  crowd.world.worker->drain(base::seconds(20));
  ASSERT_TRUE(crowd.world.sim.run_until([&] { return crowd.world.control.drained; }));
  crowd.world.sim.run_for(base::seconds(1));
  EXPECT_EQ(idle.ending, "end");
  EXPECT_TRUE(has(busy.received, "hello"));
}

}  // namespace
}  // namespace gate::test
