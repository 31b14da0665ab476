// An exchange and its backends belong together: what was decided by one generation's rules never reaches the
// backends of another's, whatever is loaded while it waits.
#include "access/test_tokens.h"
#include "gate/test_world.h"

namespace gate::test {
namespace {

std::string get(std::string_view more = "") {
  return "GET /a/open HTTP/1.1\r\nHost: api.example.com\r\n" + std::string(more) + "\r\n";
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

struct Replaced {
  GateWorld world;
  std::shared_ptr<const auth::Providers> providers = auth::testing::compile_one(auth::testing::jwt_provider(
      "partners", {.file = "", .url = "https://id.partner.example/jwks", .inline_json = ""},
      {crypto::Algorithm::es256}));

  void serve(ServiceSetup setup) {
    world.serve({std::move(setup)}, [this](Snapshot& s) { s.providers = providers; });
  }
  // A request that waits for keys until they are let in.
  void begin_waiting(Client& client) {
    client.send(get("Authorization: Bearer " + auth::testing::sign_token(crypto::Algorithm::es256) + "\r\n"));
    world.sim.run_for(base::milliseconds(100));
    ASSERT_EQ(client.received, "");
  }
  void let_keys_in() {
    uint32_t slot = (*providers)[0].key_slot;
    auto keys = auth::parse_key_set(
        auth::testing::key_set_json({auth::testing::signing_key(crypto::Algorithm::es256).public_jwk()}));
    world.worker->put_keys(slot, *keys);
    world.worker->keys_checked(slot);
  }
  size_t seen_by(uint8_t backend) {
    size_t count = 0;
    for (const Seen& seen : world.seen) count += seen.backend == backend;
    return count;
  }
};

void lose_names(Service& service) { service.endpoints = nullptr; }

TEST(Replaced, AWaitingExchangeGoesToTheBackendsItsRulesWereWrittenFor) {
  for (bool used_before : {false, true}) {
    for (bool used_meanwhile : {false, true}) {
      SCOPED_TRACE(used_before * 2 + used_meanwhile);
      Replaced r;
      r.serve({.path = "/a", .backends = {10}});
      if (used_before) r.world.ask(get());
      Client waiting(r.world.sim);
      r.begin_waiting(waiting);
      r.serve({.path = "/a", .backends = {11}});
      if (used_meanwhile) EXPECT_TRUE(has(r.world.ask(get()), "hello from 11"));
      r.let_keys_in();
      ASSERT_TRUE(r.world.sim.run_until([&] { return has(waiting.received, "hello from"); }));
      EXPECT_TRUE(has(waiting.received, "hello from 10")) << waiting.received;
      // Nor does anybody after it find its backends.
      EXPECT_TRUE(has(r.world.ask(get()), "hello from 11"));
      EXPECT_EQ(r.seen_by(10), 1u + used_before);
      r.world.sim.run_for(base::seconds(100));
      EXPECT_EQ(r.world.worker->metrics().connections_open(0), 0);
    }
  }
}

TEST(Replaced, NamesThatNobodyLooksUpAnyMoreAreNotWaitedFor) {
  Replaced r;
  r.serve({.path = "/a", .adjust = lose_names});
  Client waiting(r.world.sim);
  r.begin_waiting(waiting);
  r.serve({.path = "/a", .backends = {11}});
  EXPECT_TRUE(has(r.world.ask(get()), "hello from 11"));
  r.let_keys_in();
  ASSERT_TRUE(r.world.sim.run_until([&] { return has(waiting.received, "\r\n\r\n"); }));
  EXPECT_TRUE(has(waiting.received, "503 ") && has(waiting.received, "no_healthy_endpoint"))
      << waiting.received;
  EXPECT_EQ(r.seen_by(11), 1u);
}

TEST(Replaced, AnExchangeThatWaitsForNamesTakesNoOthers) {
  Replaced r;
  r.serve({.path = "/a", .adjust = lose_names});
  Client waiting(r.world.sim);
  waiting.send(get());
  r.world.sim.run_for(base::milliseconds(100));
  r.serve({.path = "/a", .adjust = lose_names});
  io::Address at = io::sim_address(11, 9000);
  r.world.worker->set_endpoints(
      {.slot = 0,
       .generation = r.world.generation,
       .endpoints = std::make_shared<const backends::EndpointList>(
           1, backends::Endpoint{.address = at, .text = io::format_address(at), .authority = "named"})});
  ASSERT_TRUE(r.world.sim.run_until([&] { return has(waiting.received, "\r\n\r\n"); }));
  EXPECT_TRUE(has(waiting.received, "no_healthy_endpoint")) << waiting.received;
  EXPECT_EQ(r.seen_by(11), 0u);
  EXPECT_TRUE(has(r.world.ask(get()), "hello from 11"));
}

class DeafAtTen final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    bool ten = to.port == 9000 && to.ip.bytes[3] == 10;
    return {.connect = ten ? io::SimLinkPlan::Connect::ignored : io::SimLinkPlan::Connect::accepted};
  }
};

TEST(Replaced, ASecondAttemptStaysWithTheBackendsOfTheFirst) {
  size_t by_twelve = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    DeafAtTen weather;
    GateWorld world(seed, &weather);
    world.serve({{.path = "/a", .backends = {10, 12}}});
    Client client(world.sim);
    client.send(get());
    world.sim.run_for(base::seconds(1));
    world.serve({{.path = "/a", .backends = {11}}});
    EXPECT_TRUE(has(world.ask(get()), "hello from 11"));
    ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "\r\n\r\n"); }));
    EXPECT_FALSE(has(client.received, "hello from 11")) << client.received;
    auto records = world.records();
    by_twelve +=
        records.size() == 2 && has(records[1], "10.0.0.10:9000") && has(records[1], "10.0.0.12:9000");
  }
  EXPECT_GT(by_twelve, 0u);
}

}  // namespace
}  // namespace gate::test
