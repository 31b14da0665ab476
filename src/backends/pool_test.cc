#include "backends/pool.h"

#include <array>

#include "io/sim.h"

namespace backends {
namespace {

Endpoint endpoint(uint8_t number, std::string authority = "") {
  io::Address at = io::sim_address(number, 9000);
  return {.address = at, .text = io::format_address(at), .authority = std::move(authority)};
}

EndpointListPtr list(std::vector<Endpoint> endpoints) {
  return std::make_shared<const EndpointList>(std::move(endpoints));
}

struct PoolTest : testing::Test {
  io::SimWorld world{1};
  telemetry::WorkerMetrics metrics;
  PoolLimits limits;
  std::vector<std::unique_ptr<io::Listener>> listeners;
  std::vector<std::unique_ptr<io::Stream>> accepted;
  std::unique_ptr<Pool> pool =
      std::make_unique<Pool>(limits, PoolParts{.loop = world.loop, .metrics = metrics, .service = 0});

  void SetUp() override {
    for (uint8_t number : {1, 2, 3}) listeners.push_back(world.network.listen(io::sim_address(number, 9000)));
  }
  Lease open(const std::shared_ptr<EndpointState>& state) {
    int error = 0;
    auto stream = world.network.connect(state->endpoint.address, error);
    world.run_for(base::milliseconds(1));
    for (auto& listener : listeners) {
      io::Address peer;
      while (auto server = listener->accept(peer, error)) accepted.push_back(std::move(server));
    }
    Lease lease = pool->claim(state);
    lease.adopt(std::move(stream), world.loop.now());
    return lease;
  }
  // A whole exchange, as far as the connection can tell.
  void exchange(Lease& lease) {
    http::Headers none;
    auto& http = lease.http();
    ASSERT_TRUE(http.start_request({.method = "GET",
                                    .method_kind = http::Method::get,
                                    .path = "/",
                                    .authority = "a",
                                    .headers = &none}));
    ASSERT_TRUE(http.finish({}));
    ASSERT_TRUE(http.flush());
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    iovec piece{answer.data(), answer.size()};
    accepted.back()->write({&piece, 1});
    http::ResponseHead head;
    ASSERT_TRUE(world.run_until([&] { return *http.receive_head(head); }, base::seconds(1)));
    ASSERT_TRUE(http.peek()->end);
  }
  Lease ready(const std::shared_ptr<EndpointState>& state) {
    Lease lease = open(state);
    exchange(lease);
    return lease;
  }
};

TEST_F(PoolTest, TheFreerOfTwo) {
  pool->set_endpoints(list({endpoint(1), endpoint(2)}));
  auto first = pool->endpoints()[0];
  Lease busy = pool->claim(first);  // counts before it is connected
  for (uint64_t random = 0; random < 200; ++random) {
    EXPECT_EQ(pool->choose(random * 0x9E3779B97F4A7C15u, nullptr), pool->endpoints()[1]);
  }
  for (uint64_t random = 0; random < 200; ++random) {
    EXPECT_EQ(pool->choose(random * 0x9E3779B97F4A7C15u, pool->endpoints()[1].get()), first);
  }
}

TEST_F(PoolTest, EveryEndpointGetsItsShare) {
  pool->set_endpoints(list({endpoint(1), endpoint(2), endpoint(3)}));
  std::array<int, 3> chosen{};
  io::SimRandom random(3);
  for (int i = 0; i < 3000; ++i) {
    auto state = pool->choose(random.next(), nullptr);
    for (size_t at = 0; at < 3; ++at) chosen[at] += pool->endpoints()[at] == state;
  }
  for (int count : chosen) EXPECT_GT(count, 800);
}

TEST_F(PoolTest, NoneAndOnlyOne) {
  EXPECT_EQ(pool->choose(7, nullptr), nullptr);
  pool->set_endpoints(list({endpoint(1)}));
  EXPECT_EQ(pool->choose(7, pool->endpoints()[0].get()), pool->endpoints()[0]);
}

TEST_F(PoolTest, KeepsWhatIsReusable) {
  pool->set_endpoints(list({endpoint(1)}));
  auto state = pool->endpoints()[0];
  Lease lease = ready(state);
  EXPECT_EQ(state->in_flight, 1u);
  EXPECT_FALSE(lease.reused());
  lease.give_back(world.loop.now());
  EXPECT_EQ(state->in_flight, 0u);
  EXPECT_EQ(state->idle_count, 1u);
  Lease again = pool->claim(state);
  ASSERT_TRUE(again.take_open(world.loop.now(), Carrier::any, Lease::Idle::take));
  EXPECT_TRUE(again.reused());
  EXPECT_EQ(state->in_flight, 1u);
  EXPECT_FALSE(pool->claim(state).take_open(world.loop.now(), Carrier::any, Lease::Idle::take));
  // In the middle of an exchange it is closed instead.
  http::Headers none;
  ASSERT_TRUE(again.http().start_request(
      {.method = "GET", .method_kind = http::Method::get, .path = "/", .authority = "a", .headers = &none}));
  again.give_back(world.loop.now());
  EXPECT_EQ(state->idle_count, 0u);
  EXPECT_EQ(state->in_flight, 0u);
}

TEST_F(PoolTest, TheDeadAndTheOldAreNotHandedOut) {
  pool->set_endpoints(list({endpoint(1)}));
  auto state = pool->endpoints()[0];
  ready(state).give_back(world.loop.now());
  accepted.clear();
  world.run_for(base::milliseconds(1));
  EXPECT_FALSE(pool->claim(state).take_open(world.loop.now(), Carrier::any, Lease::Idle::take));
  EXPECT_EQ(state->idle_count, 0u);

  ready(state).give_back(world.loop.now());
  EXPECT_FALSE(
      pool->claim(state).take_open(world.loop.now() + limits.idle_max, Carrier::any, Lease::Idle::take));

  Lease old = ready(state);
  old.give_back(old.opened() + limits.age_max);
  EXPECT_EQ(state->idle_count, 0u);
}

TEST_F(PoolTest, SweepsWhatNobodyAsksFor) {
  pool->set_endpoints(list({endpoint(1), endpoint(2)}));
  auto state = pool->endpoints()[0];
  std::vector<Lease> leases;
  for (int i = 0; i < 3; ++i) leases.push_back(ready(state));
  base::Instant now = world.loop.now();
  for (Lease& lease : leases) lease.give_back(now);
  accepted.erase(accepted.begin() + 1);  // one is closed by the backend
  world.run_for(base::milliseconds(1));
  pool->sweep(now);
  EXPECT_EQ(state->idle_count, 2u);
  pool->sweep(now + limits.idle_max);
  EXPECT_EQ(state->idle_count, 0u);
}

TEST_F(PoolTest, EndpointsThatStayKeepTheirConnections) {
  pool->set_endpoints(list({endpoint(1), endpoint(2)}));
  auto first = pool->endpoints()[0];
  auto second = pool->endpoints()[1];
  ready(first).give_back(world.loop.now());
  ready(second).give_back(world.loop.now());
  Lease in_use = ready(second);
  pool->set_endpoints(list({endpoint(3), endpoint(1)}));
  EXPECT_EQ(pool->endpoints()[1], first);
  EXPECT_EQ(first->idle_count, 1u);
  EXPECT_TRUE(second->removed);
  EXPECT_EQ(second->idle_count, 0u);
  in_use.give_back(world.loop.now());
  EXPECT_EQ(second->idle_count, 0u);
}

TEST_F(PoolTest, AnotherNameForAnAddressIsAnotherEndpoint) {
  pool->set_endpoints(list({endpoint(1, "old.example")}));
  pool->set_endpoints(list({endpoint(1, "new.example")}));
  EXPECT_EQ(pool->endpoints()[0]->endpoint.authority, "new.example");
}

}  // namespace
}  // namespace backends
