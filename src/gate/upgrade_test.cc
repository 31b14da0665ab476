// WebSocket handshakes through the gate, over either HTTP on either side.
#include "gate/test_websocket.h"

namespace gate::test {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(Upgrade, WebSocketsAreRelayedOverEitherHttpToEither) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    Meeting m(pairing);
    m.backend.protocol = "chat.v2";
    WebSocketClient& client = m.come({.headers = {{"Sec-WebSocket-Protocol", "chat.v1, chat.v2"},
                                                  {"Sec-WebSocket-Extensions", "permessage-deflate"}}});
    ASSERT_EQ(client.status, 101);
    // The half that is missing is made, and none that does not belong there is passed on.
    bool client_has_proof = has(client.head, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n");
    EXPECT_EQ(client_has_proof, pairing.client == Http::one) << client.head;
    EXPECT_EQ(has(client.head, "sec-websocket-accept"), client_has_proof) << client.head;
    EXPECT_TRUE(has(client.head, "sec-websocket-protocol: chat.v2\n")) << client.head;
    EXPECT_EQ(has(m.backend.head, "sec-websocket-key"), pairing.backend == Http::one) << m.backend.head;
    if (pairing.backend == Http::one) {
      EXPECT_EQ(has(m.backend.head, kClientKey), pairing.client == Http::one) << m.backend.head;
    }
    EXPECT_TRUE(has(m.backend.head, "sec-websocket-version: 13\n")) << m.backend.head;
    EXPECT_TRUE(has(m.backend.head, "sec-websocket-protocol: chat.v1, chat.v2\n")) << m.backend.head;
    EXPECT_TRUE(has(m.backend.head, "sec-websocket-extensions: permessage-deflate\n")) << m.backend.head;

    client.say(frame("hello", base::Side::client));
    m.backend.say(frame(std::string(3000, 'x'), base::Side::backend));
    m.world.sim.run_for(base::seconds(60));
    EXPECT_EQ(told(m.backend.heard, base::Side::client), "1 messages");
    EXPECT_EQ(client.heard, frame(std::string(3000, 'x'), base::Side::backend));
    client.leave();
    ASSERT_TRUE(m.world.sim.run_until([&] { return client.over(); }));
    EXPECT_EQ(client.ending, "end");
    EXPECT_EQ(m.backend.ending, "end");
    std::string record = m.only_record();
    EXPECT_EQ(field(record, "status"), "101");
    EXPECT_EQ(field(record, "reason"), "");
    EXPECT_EQ(field(record, "verdict"), "allow");
    EXPECT_EQ(field(record, "method"), "GET");
    EXPECT_GT(std::stoul(field(record, "bytes_sent")), 3000u);
  }
}

TEST(Upgrade, HandshakesThatAreNoneReachNoBackend) {
  struct Case {
    const char* name;
    std::string request;
    const char* answer;
    const char* reason;
  };
  auto asking = [](std::string_view more) {
    return "GET /a/open HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" +
           std::string(more) + "\r\n";
  };
  std::string key = "Sec-WebSocket-Key: " + std::string(kClientKey) + "\r\n";
  const Case cases[] = {
      {"no key", asking("Sec-WebSocket-Version: 13\r\n"), "400 ", "http_request_error"},
      {"half a key", asking("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhl\r\n"), "400 ",
       "http_request_error"},
      {"two keys", asking("Sec-WebSocket-Version: 13\r\n" + key + key), "400 ", "http_request_error"},
      {"no version", asking(key), "426 ", "websocket_version_refused"},
      {"an old version", asking(key + "Sec-WebSocket-Version: 8\r\n"), "426 ", "websocket_version_refused"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    GateWorld world;
    std::string received = world.ask(c.request);
    EXPECT_TRUE(received.starts_with("HTTP/1.1 " + std::string(c.answer))) << received;
    bool named =
        has(received, "\r\nSec-WebSocket-Version: 13\r\n") && has(received, "\r\nUpgrade: websocket\r\n");
    EXPECT_EQ(named, std::string_view(c.answer) == "426 ") << received;
    EXPECT_EQ(world.seen.size(), 0u);
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "reason"), c.reason);
  }
  for (std::string version : {"", "8"}) {
    Meeting m({Http::two, Http::one});
    WebSocketClient& client = m.come({.version = version});
    EXPECT_EQ(client.status, 426);
    EXPECT_TRUE(has(client.head, "sec-websocket-version: 13\n")) << client.head;
    EXPECT_EQ(m.backend.head, "");
  }
}

TEST(Upgrade, ABackendThatDoesNotAgreeFails) {
  for (const Pairing& pairing : kPairings) {
    SCOPED_TRACE(name_of(pairing));
    if (pairing.backend == Http::one) {
      Meeting m(pairing);
      m.backend.accept = "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
      EXPECT_EQ(m.come().status, 502);
      EXPECT_EQ(field(m.only_record(), "reason"), "http_upgrade_failed");
    }
    Meeting refusing(pairing);
    refusing.backend.status = 403;
    WebSocketClient& refused = refusing.come();
    refusing.world.sim.run_until([&] { return refused.over(); });
    EXPECT_EQ(refused.status, 403);
    EXPECT_TRUE(has(refused.heard, "no"));
    EXPECT_EQ(field(refusing.only_record(), "reason"), "");
  }
}

// 200 in answer to an extended CONNECT would be the WebSocket itself.
TEST(Upgrade, SuccessWithoutASwitchIsNoWebSocketOverHttp2) {
  Meeting m({Http::two, Http::one});
  m.backend.status = 200;
  EXPECT_EQ(m.come().status, 502);
  EXPECT_EQ(field(m.only_record(), "reason"), "http_upgrade_failed");
  Meeting plain({Http::one, Http::one});
  plain.backend.status = 200;
  EXPECT_EQ(plain.come().status, 200);
}

TEST(Upgrade, ABackendThatLeavesWhileItsSettingsAreAwaitedIsNamed) {
  class Silent final : public io::SimWeather {
   public:
    io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
      return to.port == 9000 ? io::SimLinkPlan{.reset_after = 1} : io::SimLinkPlan{};
    }
  } weather;
  Meeting m({Http::one, Http::two}, 1, &weather);
  EXPECT_EQ(m.come().status, 502);
  EXPECT_EQ(field(m.only_record(), "reason"), "connection_terminated");
}

TEST(Upgrade, OnlyPagesOfTheServicesOriginsGetAWebSocket) {
  auto only = [](Service& service) {
    service.websocket.origins.push_back(*websocket::OriginPattern::parse("https://app.example.com"));
    service.websocket.origins.push_back(*websocket::OriginPattern::parse("https://*.team.example.com"));
  };
  struct Case {
    std::vector<std::pair<std::string, std::string>> headers;
    bool let_in;
  } const cases[] = {
      {{{"Origin", "https://app.example.com"}}, true},
      {{{"Origin", "https://x.team.example.com"}}, true},
      {{{"Origin", "http://app.example.com"}}, false},
      {{{"Origin", "https://app.example.com.evil.example"}}, false},
      {{{"Origin", "null"}}, false},
      {{{"Origin", "https://app.example.com"}, {"Origin", "https://evil.example"}}, false},
      {{}, false},
  };
  for (const Pairing& pairing : kPairings) {
    for (const Case& c : cases) {
      SCOPED_TRACE(name_of(pairing) + (c.headers.empty() ? "" : c.headers[0].second));
      Meeting m(pairing);
      m.world.serve({websocket_service(pairing.backend, only)});
      WebSocketClient& client = m.come({.headers = c.headers});
      EXPECT_EQ(client.status, c.let_in ? 101 : 403);
      EXPECT_EQ(m.backend.head.empty(), !c.let_in);
      if (c.let_in) continue;
      std::string record = m.only_record();
      EXPECT_EQ(field(record, "reason"), "origin_refused");
      EXPECT_EQ(field(record, "verdict"), "deny");
      EXPECT_EQ(field(record, "phase"), "authorise");
    }
  }
}

TEST(Upgrade, AnOriginMattersToWebSocketsAlone) {
  GateWorld world;
  world.serve({{.path = "/a", .adjust = [](Service& service) {
                  service.websocket.origins.push_back(
                      *websocket::OriginPattern::parse("https://app.example.com"));
                }}});
  EXPECT_TRUE(has(world.ask("GET /a/open HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n"),
                  "hello from"));
}

// Nothing of a WebSocket's key or proof passes where no handshake is under way.
TEST(Upgrade, KeysWithoutAHandshakeGoNowhere) {
  GateWorld world;
  world.ask("GET /a/open HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: " + std::string(kClientKey) + "\r\n\r\n");
  ASSERT_EQ(world.seen.size(), 1u);
  EXPECT_FALSE(has(world.seen[0].head, "Sec-WebSocket-Key")) << world.seen[0].head;
}

class Rough final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address&, io::SimRandom& random) override {
    io::SimLinkPlan plan{
        .delay_max = base::milliseconds(5), .piece_max = 1 + random.below(2000), .window = 4096};
    if (random.one_in(4)) plan.reset_after = random.below(30'000);
    return plan;
  }
};

TEST(Upgrade, WhateverTheWireDoesOneRecordAndWholePieces) {
  size_t whole = 0;
  for (const Pairing& pairing : kPairings) {
    for (uint64_t seed = 0; seed < 60; ++seed) {
      SCOPED_TRACE(name_of(pairing) + " seed " + std::to_string(seed));
      Rough weather;
      Meeting m(pairing, seed, &weather);
      WebSocketClient& client = m.come();
      std::string up, down;
      for (int i = 0; i < 8; ++i) {
        up += frame(std::string(1000 + i, 'u'), base::Side::client);
        down += frame(std::string(1500 + i, 'd'), base::Side::backend);
      }
      if (client.status == 101) {
        client.say(up);
        m.backend.say(down);
        m.world.sim.run_for(base::seconds(20));
        EXPECT_TRUE(std::string_view(down).starts_with(client.heard));
        EXPECT_TRUE(std::string_view(up).starts_with(m.backend.heard));
        whole += client.heard == down && m.backend.heard == up;
        client.leave();
      }
      m.world.sim.run_until([&] { return client.over(); }, base::seconds(2000));
      m.clients.clear();
      m.world.sim.run_for(base::seconds(100));
      EXPECT_EQ(m.world.records().size(), m.world.accepted());
      EXPECT_EQ(m.world.worker->metrics().connections_open(0), 0);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(whole, 100u);
}

}  // namespace
}  // namespace gate::test
