// How long an upgraded connection lives: through generations that still allow it, not through one that does
// not, and not in silence. Over either HTTP on either side.
#include "access/test_tokens.h"
#include "gate/test_websocket.h"

namespace gate::test {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

std::string from_client(std::string_view text) { return frame(text, base::Side::client); }
std::string from_backend(std::string_view text) { return frame(text, base::Side::backend); }
std::string heard(const WebSocketClient& client) { return told(client.heard, base::Side::backend); }
std::string heard(const WebSocketBackend& backend) { return told(backend.heard, base::Side::client); }

std::shared_ptr<const auth::RuleSet> deny_everybody(std::string_view from = "") {
  auth::RuleSpec spec;
  spec.name = "closed for good";
  spec.effect = auth::Effect::deny;
  spec.who.anyone = true;
  if (!from.empty()) spec.from.push_back(*base::parse_network(from));
  return *auth::compile_rules({.rules = {&spec, 1}, .provider_names = {}});
}

TEST(Tunnel, LivesThroughGenerationsThatStillAllowIt) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come({.path = "/a/secret", .headers = {{"X-Api-Key", m.world.key}}});
    ASSERT_EQ(client.status, 101);
    for (int i = 0; i < 5; ++i) {
      client.say(from_client("still here"));
      m.backend.say(from_backend("so am I"));
      m.world.sim.run_for(base::seconds(1));
      m.world.serve({websocket_service(pairing.backend)});
    }
    m.world.sim.run_for(base::seconds(1));
    EXPECT_FALSE(client.over());
    EXPECT_EQ(heard(m.backend), "5 messages");
    EXPECT_EQ(heard(client), "5 messages");
    client.leave();
    ASSERT_TRUE(m.world.sim.run_until([&] { return client.over(); }));
    std::string record = m.only_record();
    EXPECT_EQ(field(record, "reason"), "");
    EXPECT_EQ(field(record, "generation"), std::to_string(m.world.generation));
    EXPECT_EQ(field(record, "subject"), "crawler");
    EXPECT_EQ(field(record, "rule_name"), "secret");
    EXPECT_EQ(field(record, "service"), "a");
    EXPECT_EQ(field(record, "phase"), "done");
  }
}

struct Withdrawal {
  const char* name;
  std::function<void(GateWorld&, Http)> reload;
  const char* rule;
  const char* detail;
};

const Withdrawal kWithdrawals[] = {
    {"no rule",
     [](GateWorld& world, Http http) {
       world.serve(
           {websocket_service(http, [](Service& s) { s.rules = std::make_shared<auth::RuleSet>(); })});
     },
     "", "no rule allows this call"},
    {"a deny",
     [](GateWorld& world, Http http) {
       world.serve({websocket_service(http, [](Service& s) { s.rules = deny_everybody(); })});
     },
     "a.yaml:1:1", "a rule denies this call"},
    {"no route", [](GateWorld& world, Http) { world.serve({{.path = "/b"}}); }, "",
     "no service is at this address"},
    {"another service", [](GateWorld& world, Http) { world.serve({{.path = "/b"}, {.path = "/a"}}); }, "",
     "another service is at this address now"},
    {"the key revoked",
     [](GateWorld& world, Http http) {
       world.key = auth::make_api_key(world.random);
       world.serve({websocket_service(http)});
     },
     "", ""},
    {"nobody vouches for keys any more",
     [](GateWorld& world, Http http) {
       world.serve({websocket_service(http)},
                   [](Snapshot& s) { s.providers = std::make_shared<const auth::Providers>(); });
     },
     "", "this call needs a credential"},
    {"a proxy is trusted now, and the client behind it banned",
     [](GateWorld& world, Http http) {
       world.serve(
           {websocket_service(http, [](Service& s) { s.rules = deny_everybody("203.0.113.0/24"); })},
           [](Snapshot& s) { s.listeners[0].trusted_proxies.push_back(*base::parse_network("10.0.0.0/8")); });
     },
     "a.yaml:1:1", "a rule denies this call"},
    {"origins",
     [](GateWorld& world, Http http) {
       world.serve({websocket_service(http, [](Service& s) {
         s.websocket.origins.push_back(*websocket::OriginPattern::parse("https://app.example"));
       })});
     },
     "", "the WebSocket's handshake names no Origin"},
};

TEST(Tunnel, EndsWhereAGenerationTakesItsAccessAway) {
  for (const Pairing& pairing : kPairings) {
    for (const Withdrawal& w : kWithdrawals) {
      SCOPED_TRACE(name_of(pairing) + ": " + w.name);
      Meeting m(pairing);
      WebSocketClient& client = m.come(
          {.path = "/a/secret", .headers = {{"X-Api-Key", m.world.key}, {"X-Forwarded-For", "203.0.113.7"}}});
      ASSERT_EQ(client.status, 101);
      client.say(from_client("hello"));
      m.backend.say(from_backend("welcome"));
      m.world.sim.run_for(base::seconds(1));
      w.reload(m.world, pairing.backend);
      ASSERT_TRUE(m.world.sim.run_until([&] { return client.over(); }, base::seconds(1)));
      EXPECT_EQ(heard(client), "1 messages, closed 1008");
      EXPECT_EQ(client.ending, "end");
      EXPECT_TRUE(m.world.sim.run_until([&] { return !m.backend.ending.empty(); }, base::seconds(10)));
      EXPECT_EQ(heard(m.backend), "1 messages, closed 1001");
      m.world.sim.run_for(base::seconds(10));
      std::string record = m.only_record();
      EXPECT_EQ(field(record, "reason"), "access_withdrawn") << record;
      EXPECT_EQ(field(record, "verdict"), "allow");
      EXPECT_EQ(field(record, "status"), "101");
      EXPECT_EQ(field(record, "service"), "a");
      EXPECT_EQ(field(record, "subject"), "crawler");
      EXPECT_EQ(field(record, "rule"), w.rule);
      EXPECT_EQ(field(record, "generation"), std::to_string(m.world.generation));
      EXPECT_EQ(field(record, "phase"), "relay");
      if (*w.detail != 0) EXPECT_EQ(field(record, "detail"), w.detail);
      EXPECT_EQ(m.world.worker->metrics().connections_open(0), 0);
    }
  }
}

TEST(Tunnel, TheFrameUnderWayIsCompletedFirst) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come();
    std::string message = from_backend(std::string(5000, 'x'));
    m.backend.say(message.substr(0, 2000));
    client.say(from_client("hello").substr(0, 7));
    m.world.sim.run_for(base::seconds(1));
    m.world.serve({{.path = "/b"}});
    m.world.sim.run_for(base::seconds(1));
    // Of a client that is no longer allowed not one byte goes further.
    client.say(from_client("hello").substr(7));
    m.world.sim.run_for(base::seconds(1));
    EXPECT_FALSE(client.over());
    EXPECT_EQ(heard(client), "1 messages, within a frame");
    m.backend.say(message.substr(2000) + from_backend("and this is too much"));
    ASSERT_TRUE(m.world.sim.run_until([&] { return client.over(); }, base::seconds(5)));
    EXPECT_EQ(heard(client), "1 messages, closed 1008");
    EXPECT_EQ(m.backend.heard.size(), 7u);
    m.world.sim.run_for(base::seconds(10));
    EXPECT_NE(m.backend.ending, "");
    EXPECT_EQ(field(m.only_record(), "reason"), "access_withdrawn");
  }
}

TEST(Tunnel, AFrameThatDoesNotEndIsCut) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come();
    m.backend.say(from_backend(std::string(5000, 'x')).substr(0, 2000));
    m.world.sim.run_for(base::seconds(1));
    m.world.serve({{.path = "/b"}});
    m.world.sim.run_for(kTunnelFarewellPatience - base::milliseconds(100));
    EXPECT_FALSE(client.over());
    m.world.sim.run_for(base::seconds(1));
    EXPECT_EQ(client.ending, "broken");
    EXPECT_EQ(heard(client), "1 messages, within a frame");
    EXPECT_EQ(field(m.only_record(), "reason"), "access_withdrawn");
  }
}

TEST(Tunnel, ACloseThatHasBeenSentIsTheLast) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come();
    m.backend.say(std::string("\x88\x02\x03\xe8", 4));
    m.world.sim.run_for(base::seconds(1));
    EXPECT_FALSE(client.over());
    m.world.serve({{.path = "/b"}});
    ASSERT_TRUE(m.world.sim.run_until([&] { return client.over(); }, base::seconds(5)));
    EXPECT_EQ(heard(client), "0 messages, closed 1000");
    EXPECT_EQ(client.ending, "end");
  }
}

TEST(Tunnel, OtherProtocolsAreCut) {
  GateWorld world;
  Client client(world.sim);
  client.send(
      "GET /a/open HTTP/1.1\r\nHost: a\r\nX-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n");
  world.sim.run_for(base::seconds(1));
  world.serve({{.path = "/a"}});
  world.sim.run_for(base::seconds(1));
  EXPECT_FALSE(client.ended());
  world.serve({{.path = "/b"}});
  ASSERT_TRUE(world.sim.run_until([&] { return client.ended(); }, base::seconds(1)));
  EXPECT_EQ(client.ending, "reset");
  EXPECT_TRUE(client.received.ends_with("ready "));
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "reason"), "access_withdrawn");
}

TEST(Tunnel, SilenceEndsItWithACloseFrame) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come();
    client.say(from_client("hello"));
    for (int i = 0; i < 5; ++i) {
      m.world.sim.run_for(base::seconds(590));
      (i % 2 == 0 ? static_cast<WebSocketEnd&>(client) : m.backend)
          .say(i % 2 == 0 ? std::string("\x89\x80zzzz") : std::string("\x8a\0", 2));
    }
    m.world.sim.run_for(base::seconds(598));
    EXPECT_FALSE(client.over());
    m.world.sim.run_for(base::seconds(10));
    EXPECT_EQ(heard(client), "0 messages, closed 1001");
    EXPECT_EQ(client.ending, "end");
    EXPECT_EQ(heard(m.backend), "1 messages, closed 1001");
    EXPECT_EQ(field(m.only_record(), "reason"), "connection_read_timeout");
  }
}

TEST(Tunnel, SilenceWithinAFrameCutsIt) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come();
    m.backend.say(from_backend("hello").substr(0, 4));
    m.world.sim.run_for(base::seconds(620));
    EXPECT_EQ(client.ending, "broken");
    EXPECT_EQ(field(m.only_record(), "reason"), "connection_read_timeout");
  }
}

TEST(Tunnel, ADrainSendsWebSocketsElsewhere) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    WebSocketClient& client = m.come();
    m.world.worker->drain(base::seconds(30));
    m.world.sim.run_for(base::seconds(1));
    EXPECT_EQ(heard(client), "0 messages, closed 1001");
    EXPECT_EQ(client.ending, "end");
    EXPECT_EQ(heard(m.backend), "0 messages, closed 1001");
    EXPECT_TRUE(m.world.control.drained);
    EXPECT_EQ(field(m.only_record(), "reason"), "draining");
  }
}

TEST(Tunnel, ManyAreAskedAFewATurn) {
  constexpr size_t kMany = 300;
  Meeting m({Http::one, Http::one});
  std::vector<std::unique_ptr<Client>> clients;
  m.world.serve({{.path = "/a"}});
  for (size_t i = 0; i < kMany; ++i) {
    clients.push_back(std::make_unique<Client>(m.world.sim, static_cast<uint8_t>(2 + i % 5)));
    clients.back()->send(
        "GET /a/open HTTP/1.1\r\nHost: a\r\nX-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n");
  }
  m.world.sim.run_for(base::seconds(5));
  EXPECT_EQ(m.world.accepted(), kMany);
  uint64_t before = m.world.sim.loop.turns();
  m.world.serve({{.path = "/b"}});
  size_t most_in_a_turn = 0;
  size_t recorded = 0;
  while (recorded < kMany && m.world.sim.loop.turns() < before + 1000) {
    m.world.sim.loop.turn(m.world.sim.clock.now() + base::milliseconds(1));
    size_t now = m.world.worker->metrics().value(telemetry::Counter::exchanges_recorded);
    most_in_a_turn = std::max(most_in_a_turn, now - recorded);
    recorded = now;
  }
  EXPECT_EQ(recorded, kMany);
  EXPECT_LE(most_in_a_turn, 32u);
}

TEST(Tunnel, LetsGoOfTheGenerationItBeganWith) {
  Meeting m({Http::one, Http::one});
  std::weak_ptr<const Service> old;
  m.world.serve({websocket_service(Http::one)}, [&](Snapshot& s) { old = s.services[0]; });
  WebSocketClient& client = m.come();
  ASSERT_EQ(client.status, 101);
  m.world.serve({websocket_service(Http::one)});
  m.world.sim.run_for(base::seconds(1));
  EXPECT_TRUE(old.expired());
  EXPECT_FALSE(client.over());
}

struct Partners {
  explicit Partners(const std::string& audience = "orders") {
    auth::ProviderSpec spec = auth::testing::jwt_provider(
        "partners",
        {.file = "",
         .url = "",
         .inline_json = auth::testing::key_set_json(
             {auth::testing::signing_key(crypto::Algorithm::es256).public_jwk()})},
        {crypto::Algorithm::es256});
    spec.jwt->audience = {audience};
    providers = auth::testing::compile_one(std::move(spec));
  }
  void serve(Meeting& m) {
    m.world.serve({websocket_service(m.pairing.backend)}, [this](Snapshot& s) { s.providers = providers; });
  }
  std::shared_ptr<const auth::Providers> providers;
};

std::pair<std::string, std::string> token() {
  return {"Authorization", "Bearer " + auth::testing::sign_token(crypto::Algorithm::es256)};
}

TEST(Tunnel, ATokenThatHasExpiredIsNoticedAtAReload) {
  Meeting m({Http::one, Http::one});
  Partners partners;
  partners.serve(m);
  WebSocketClient& client = m.come({.headers = {token()}});
  ASSERT_EQ(client.status, 101);
  m.world.sim.run_for(base::seconds(200));
  partners.serve(m);
  m.world.sim.run_for(base::seconds(200));
  EXPECT_FALSE(client.over());
  partners.serve(m);
  m.world.sim.run_for(base::seconds(10));
  EXPECT_EQ(heard(client), "0 messages, closed 1008");
  EXPECT_EQ(field(m.only_record(), "reason"), "access_withdrawn");
}

TEST(Tunnel, AProviderThatNoLongerAcceptsTheTokenEndsIt) {
  Meeting m({Http::two, Http::one});
  Partners(std::string("orders")).serve(m);
  WebSocketClient& client = m.come({.headers = {token()}});
  ASSERT_EQ(client.status, 101);
  Partners(std::string("billing")).serve(m);
  m.world.sim.run_for(base::seconds(10));
  EXPECT_EQ(heard(client), "0 messages, closed 1008");
  EXPECT_EQ(field(m.only_record(), "subject"), "alice");
}

struct AwaitedKeys {
  explicit AwaitedKeys(Http client) : m({client, Http::one}) {
    Partners().serve(m);
    WebSocketClient& arrived = m.come({.headers = {token()}});
    EXPECT_EQ(arrived.status, 101);
    // The keys of the same issuer are somewhere else now, and nobody has fetched them yet.
    providers = auth::testing::compile_one(auth::testing::jwt_provider(
        "partners", {.file = "", .url = "https://id.partner.example/jwks", .inline_json = ""},
        {crypto::Algorithm::es256}));
    m.world.serve({websocket_service(m.pairing.backend)}, [this](Snapshot& s) { s.providers = providers; });
    m.world.sim.run_for(base::seconds(1));
    EXPECT_EQ(m.world.control.keys_asked, 1);
  }
  WebSocketClient& client() { return *m.clients[0]; }
  Meeting m;
  std::shared_ptr<const auth::Providers> providers;
};

TEST(Tunnel, GoesOnWhileKeysAreAwaited) {
  for (Http http : {Http::one, Http::two}) {
    AwaitedKeys a(http);
    a.m.backend.say(from_backend("meanwhile"));
    a.m.world.sim.run_for(base::milliseconds(100));
    EXPECT_EQ(heard(a.client()), "1 messages");
    auto keys = auth::parse_key_set(
        auth::testing::key_set_json({auth::testing::signing_key(crypto::Algorithm::es256).public_jwk()}));
    uint32_t slot = (*a.providers)[0].key_slot;
    a.m.world.worker->put_keys(slot, *keys);
    a.m.world.worker->keys_checked(slot);
    a.m.world.sim.run_for(base::seconds(20));
    EXPECT_FALSE(a.client().over());
    a.client().leave();
    a.m.world.sim.run_until([&] { return a.client().over(); });
    EXPECT_EQ(field(a.m.only_record(), "reason"), "");
  }
}

TEST(Tunnel, WithoutKeysAccessIsWithdrawn) {
  AwaitedKeys a(Http::one);
  a.m.world.sim.run_for(base::seconds(10));
  EXPECT_EQ(heard(a.client()), "0 messages, closed 1008");
  EXPECT_EQ(field(a.m.only_record(), "reason"), "access_withdrawn");
}

// Both who leaves and a drain may come while it is being decided: the record is that of before.
TEST(Tunnel, AnEndWhileKeysAreAwaitedLeavesAWholeRecord) {
  for (bool drained : {false, true}) {
    for (Http http : {Http::one, Http::two}) {
      SCOPED_TRACE(drained);
      AwaitedKeys a(http);
      if (drained) {
        a.m.world.worker->drain(base::milliseconds(10));
      } else {
        a.client().vanish();
      }
      a.m.world.sim.run_for(base::seconds(1));
      std::string record = a.m.only_record();
      // Over HTTP/1.1 who closes a connection has only nothing more to say.
      bool whole = !drained && http == Http::one;
      EXPECT_EQ(field(record, "reason"), whole ? "" : drained ? "draining" : "client_disconnected") << record;
      EXPECT_EQ(field(record, "subject"), "alice");
      EXPECT_EQ(field(record, "rule_name"), "open");
      EXPECT_EQ(field(record, "generation"), std::to_string(a.m.world.generation - 1));
      EXPECT_EQ(field(record, "phase"), whole ? "done" : "relay");
    }
  }
}

class Rough final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address&, io::SimRandom& random) override {
    io::SimLinkPlan plan{
        .delay_max = base::milliseconds(5), .piece_max = 1 + random.below(2000), .window = 4096};
    if (random.one_in(6)) plan.reset_after = random.below(60'000);
    return plan;
  }
};

// Whatever the wire does and wherever the reload falls: whole frames and a close frame, or a cut.
TEST(Tunnel, AWithdrawalIsCleanOnAnyWire) {
  size_t closed = 0;
  size_t cut = 0;
  for (const Pairing& pairing : kPairings) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      SCOPED_TRACE(name_of(pairing) + " seed " + std::to_string(seed));
      Rough weather;
      Meeting m(pairing, seed, &weather);
      WebSocketClient& client = m.come();
      if (client.status != 101) continue;
      std::string down;
      for (int i = 0; i < 20; ++i) down += from_backend(std::string(100 + 400 * (i % 7), 'd'));
      m.backend.say(down);
      client.say(from_client(std::string(5000, 'u')));
      m.world.sim.run_for(base::milliseconds(static_cast<int64_t>(seed)));
      m.world.serve({{.path = "/b"}});
      ASSERT_TRUE(m.world.sim.run_until([&] { return client.over(); }, base::seconds(40)));
      std::string what = heard(client);
      EXPECT_FALSE(has(what, "no frames")) << what;
      if (has(what, "closed 1008")) {
        ++closed;
        size_t frame_at = client.heard.rfind("\x88");
        EXPECT_TRUE(std::string_view(down).starts_with(client.heard.substr(0, frame_at)));
      } else {
        ++cut;
        EXPECT_EQ(client.ending, "broken") << what;
        EXPECT_TRUE(std::string_view(down).starts_with(client.heard));
      }
      EXPECT_EQ(told(m.backend.heard, base::Side::client).find("no frames"), std::string::npos);
      m.clients.clear();
      m.world.sim.run_for(base::seconds(100));
      auto records = m.world.records();
      EXPECT_EQ(records.size(), 1u);
      EXPECT_EQ(m.world.worker->metrics().connections_open(0), 0);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(closed, 200u);
  EXPECT_GT(cut, 0u);
}

}  // namespace
}  // namespace gate::test
