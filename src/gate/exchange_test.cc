// The request path in a simulated world: what each kind of request and each way a backend fails comes to, in
// the answer, in the record, and at the backend.
#include "gate/exchange.h"

#include "access/test_tokens.h"
#include "gate/test_world.h"

namespace gate::test {
namespace {

std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: api.example.com\r\n" + std::string(more) + "\r\n";
}
std::string post(std::string_view path, std::string_view body, std::string_view more = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}
int status_of(const std::string& answer) { return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3)); }
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

struct Case {
  const char* name;
  std::string request;
  int status;           // 0: none, the connection is cut
  const char* reason;   // "": success
  const char* verdict;  // "": none was reached
  size_t at_backend;    // requests that arrived there
  const char* answer_has = "";
};

void check(GateWorld& world, const Case& c) {
  SCOPED_TRACE(c.name);
  size_t before = world.seen.size();
  uint64_t accepted = world.accepted();
  std::string answer = world.ask(c.request);
  EXPECT_EQ(status_of(answer), c.status) << answer;
  EXPECT_TRUE(has(answer, c.answer_has)) << answer;
  auto records = world.records();
  EXPECT_EQ(world.accepted() - accepted, 1u);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "reason"), c.reason) << records[0];
  EXPECT_EQ(field(records[0], "verdict"), c.verdict) << records[0];
  if (c.status != 0) EXPECT_EQ(field(records[0], "status"), std::to_string(c.status)) << records[0];
  EXPECT_EQ(field(records[0], "phase") == "done", *c.reason == '\0') << records[0];
  EXPECT_EQ(world.seen.size() - before, c.at_backend);
  if (*c.reason != '\0' && c.status != 0) {
    EXPECT_TRUE(has(answer, "Proxy-Status: gatehouse; error=" + std::string(c.reason))) << answer;
    EXPECT_TRUE(has(answer, "\"reason\":\"" + std::string(c.reason) + "\"")) << answer;
  }
}

TEST(Exchange, VerdictsAndRefusals) {
  GateWorld world;
  world.serve({{.path = "/a"}, {.path = "/limited", .adjust = [](Service& s) {
                                  s.body_bytes_max = 10;
                                  s.head_bytes_max = 300;
                                }}});
  std::string with_key = "X-Api-Key: " + world.key + "\r\n";
  std::string wrong_key = with_key;
  wrong_key[15] = wrong_key[15] == 'A' ? 'B' : 'A';
  Case cases[] = {
      {"open", get("/a/open"), 200, "", "allow", 1, "hello from 10"},
      {"open, below", get("/a/open/x?y=z"), 200, "", "allow", 1},
      {"nothing allows", get("/a/other"), 403, "rule_denied", "deny", 0},
      {"no route", get("/b"), 404, "no_route", "", 0},
      {"gate's own denial wins", get("/banned", with_key), 404, "no_route", "", 0},
      {"key missing", get("/a/secret"), 401, "credential_missing", "deny", 0,
       "WWW-Authenticate: Bearer realm=\"a\""},
      {"key right", get("/a/secret", with_key), 200, "", "allow", 1},
      {"key wrong", get("/a/secret", wrong_key), 401, "credential_invalid", "deny", 0},
      {"key wrong where anyone may", get("/a/open", wrong_key), 401, "credential_invalid", "deny", 0},
      {"key twice", get("/a/secret", with_key + with_key), 400, "credential_malformed", "deny", 0},
      {"scope lacking", get("/a/write", with_key), 403, "scope_insufficient", "deny", 0, "scope=\"write\""},
      {"dots end elsewhere", get("/a/open/../secret"), 401, "credential_missing", "deny", 0},
      {"encoded slash", get("/a/open%2F..%2Fsecret"), 400, "path_refused", "", 0},
      {"parameter", get("/a/open;x"), 400, "path_refused", "", 0},
      {"malformed", "GET /a/open HTTP/1.1\r\nHost : x\r\n\r\n", 400, "http_request_error", "", 0},
      {"underscored identity", get("/a/open", "Gatehouse_Identity: x\r\n"), 400, "http_request_error", "", 0},
      {"two lengths", "POST /a/open HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
       400, "http_request_error", "", 0},
      {"unknown expectation", get("/a/open", "Expect: tea\r\n"), 417, "expectation_failed", "", 0},
      {"whole server", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, "no_route", "", 0},
      {"body too large", post("/limited/open", "more than ten"), 413, "request_body_too_large", "allow", 0},
      {"body fits", post("/limited/open", "just ten!!"), 200, "", "allow", 1},
      {"head too large for the service", get("/limited/open", "X: " + std::string(300, 'x') + "\r\n"), 431,
       "request_head_too_large", "", 0},
      {"key set", get("/.well-known/gatehouse/jwks.json"), 200, "", "", 0, "\"kty\":\"EC\""},
      {"own, unknown", get("/.well-known/gatehouse/x"), 404, "no_route", "", 0},
      {"reason's document", get("/.well-known/gatehouse/reasons/rule_denied"), 200, "", "", 0, "## "},
  };
  for (const Case& c : cases) check(world, c);
}

TEST(Exchange, WhatBackendsDo) {
  GateWorld world;
  auto doing = [](const char* what) { return get("/a/open", "X-Do: " + std::string(what) + "\r\n"); };
  Case cases[] = {
      {"chunked", doing("chunked"), 200, "", "allow", 1, "hello"},
      {"until close", doing("bare"), 200, "", "allow", 1, "until the end"},
      {"empty", doing("empty"), 204, "", "allow", 1},
      {"garbage", doing("garbage"), 502, "http_protocol_error", "allow", 1},
      {"huge head", doing("huge-head"), 502, "http_response_header_section_size", "allow", 1},
      {"silent", doing("silent"), 504, "http_response_timeout", "allow", 1},
      {"closes without a word", doing("close"), 502, "connection_terminated", "allow", 1},
      {"resets", doing("reset"), 502, "connection_terminated", "allow", 1},
      {"switches unasked", doing("switch"), 502, "http_upgrade_failed", "allow", 1},
      {"head", "HEAD /a/open HTTP/1.1\r\nHost: a\r\n\r\n", 200, "", "allow", 1, "Content-Length: 13"},
      {"answers late", doing("slow"), 200, "", "allow", 1, "hello"},
  };
  for (const Case& c : cases) {
    GateWorld fresh;
    check(fresh, c);
  }
  // Where the head is out already only a cut tells.
  struct {
    const char* what;
    const char* reason;
  } cut[] = {{"incomplete", "http_response_incomplete"},
             {"cut-chunk", "http_response_incomplete"},
             {"stall", "connection_read_timeout"}};
  for (const auto& c : cut) {
    Client client(world.sim);
    client.send(doing(c.what));
    ASSERT_TRUE(world.sim.run_until([&] { return client.ended(); }));
    EXPECT_TRUE(has(client.received, "200 OK") && !has(client.received, "\r\n0\r\n")) << client.received;
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "reason"), c.reason);
    EXPECT_EQ(field(records[0], "phase"), "relay");
  }
}

TEST(Exchange, InterimAnswersComeThrough) {
  GateWorld world;
  std::string answer = world.ask(get("/a/open", "X-Do: hints\r\n"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"))
      << answer;

  Client client(world.sim);
  client.send(
      "POST /a/open HTTP/1.1\r\nHost: a\r\nX-Do: continue\r\nExpect: 100-continue\r\nContent-Length: "
      "4\r\n\r\n");
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "100 Continue"); }));
  client.send("body");
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "hello"); }));
  EXPECT_EQ(world.seen.back().body, "body");
}

TEST(Exchange, WhatTheBackendIsSent) {
  GateWorld world;
  std::string forged =
      "Gatehouse-Identity: forged\r\nX-Forwarded-User: root\r\nX-Forwarded-Groups: admins\r\nClient-Cert: "
      ":x:\r\n"
      "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\nX-Real-Ip: "
      "1.2.3.4\r\n"
      "X-Request-Id: forged\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
      "X-Original-URL: /forged\r\nX-Rewrite-Url: /forged\r\n"
      "X-HTTP-Method-Override: forged\r\nX-Http-Method: forged\r\nx-method-override: forged\r\nConnection: "
      "X-Hop, close\r\nX-Hop: 1\r\nTE: "
      "trailers\r\nKeep-Alive: 9\r\nX-Mine: kept\r\n";
  std::string answer =
      world.ask(get("/a/secret/../secret?q=%41", forged + "X-Api-Key: " + world.key + "\r\n"));
  EXPECT_EQ(status_of(answer), 200);
  ASSERT_EQ(world.seen.size(), 1u);
  const std::string& head = world.seen[0].head;
  EXPECT_TRUE(head.starts_with("GET /a/secret?q=%41 HTTP/1.1\r\nHost: api.example.com\r\n")) << head;
  for (const char* gone : {"forged", "root", "admins", "Client-Cert", "1.2.3.4", "X-Hop", "X-Real-Ip",
                           "Keep-Alive", "0af7651916cd43dd", "gh_", "X-Api-Key", "https"}) {
    EXPECT_FALSE(has(head, gone)) << gone << " in " << head;
  }
  for (const char* there :
       {"X-Mine: kept\r\n", "X-Forwarded-For: 10.0.0.2\r\n", "X-Forwarded-Proto: http\r\n",
        "X-Forwarded-Host: api.example.com\r\n", "Gatehouse-Identity: ey", "traceparent: 00-",
        "X-Request-Id: ", "Forwarded: for=10.0.0.2;host=\"api.example.com\";proto=http\r\n"}) {
    EXPECT_TRUE(has(head, there)) << there << " in " << head;
  }
  // The backend's own hop-by-hop headers stop here too.
  EXPECT_TRUE(has(answer, "X-Backend: yes"));
  EXPECT_FALSE(has(answer, "X-Internal"));
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "client"), "10.0.0.2");
}

TEST(Exchange, TrustedProxiesAreBelieved) {
  GateWorld world;
  world.serve({{.path = "/a"}},
              [](Snapshot& s) { s.listeners[0].trusted_proxies = {*base::parse_network("10.0.0.0/24")}; });
  world.ask(
      get("/a/open",
          "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-For: 10.0.0.7\r\nX-Forwarded-Proto: https\r\n"
          "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"));
  ASSERT_EQ(world.seen.size(), 1u);
  const std::string& head = world.seen[0].head;
  EXPECT_TRUE(has(head, "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.7, 10.0.0.2\r\n")) << head;
  EXPECT_TRUE(has(head, "X-Forwarded-Proto: https\r\n")) << head;
  EXPECT_TRUE(has(head, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-")) << head;
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "client"), "203.0.113.9");
}

TEST(Exchange, WhatATrustedProxyDoesNotSayIsNotMadeUp) {
  struct {
    const char* header;
    int status;
    const char* client;
  } cases[] = {{"X-Forwarded-For: 203.0.113.9:4711\r\n", 200, "203.0.113.9"},
               {"X-Forwarded-For: [2001:db8::1]:4711, 10.0.0.7\r\n", 200, "2001:db8::1"},
               {"X-Forwarded-For: nonsense, 203.0.113.9\r\n", 200, "203.0.113.9"},
               {"X-Forwarded-For: unknown\r\n", 400, "10.0.0.2"},
               {"X-Forwarded-For: unknown, 10.0.0.7\r\n", 400, "10.0.0.7"},
               {"X-Forwarded-For: \r\n", 200, "10.0.0.2"},
               {"", 200, "10.0.0.2"}};
  for (const auto& c : cases) {
    GateWorld world;
    world.serve({{.path = "/a"}},
                [](Snapshot& s) { s.listeners[0].trusted_proxies = {*base::parse_network("10.0.0.0/24")}; });
    EXPECT_EQ(status_of(world.ask(get("/a/open", c.header))), c.status) << c.header;
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "client"), c.client) << c.header;
    EXPECT_EQ(world.seen.size(), c.status == 200 ? 1u : 0u) << c.header;
  }
}

TEST(Exchange, AllGroupsArePassedOnOrNone) {
  for (size_t many : {3u, 2000u}) {
    GateWorld world;
    auth::ProviderSpec robots;
    robots.name = "robots";
    robots.api_keys.emplace();
    std::vector<std::string> groups{"ops,admins", "line\nend"};
    while (groups.size() < many)
      groups.push_back("group-" + std::string(80, 'g') + std::to_string(groups.size()));
    robots.api_keys->keys.push_back({.id = "k1",
                                     .digest = auth::api_key_digest(world.key),
                                     .owner = "crawler",
                                     .scopes = {"read"},
                                     .groups = groups});
    world.serve({{.path = "/a"}}, [&](Snapshot& s) {
      s.providers = *auth::compile_providers(std::span(&robots, 1), nullptr);
      s.signer = nullptr;
      s.identity_headers = {http::HeaderId::x_forwarded_groups};
    });
    std::string answer = world.ask(get("/a/secret", "X-Api-Key: " + world.key + "\r\n"));
    if (many < 10) {
      ASSERT_EQ(world.seen.size(), 1u) << answer;
      EXPECT_TRUE(has(world.seen[0].head, "X-Forwarded-Groups: ops?admins,line?end,group-"))
          << world.seen[0].head;
    } else {
      EXPECT_EQ(status_of(answer), 431);
      EXPECT_EQ(world.seen.size(), 0u);
    }
  }
}

TEST(Exchange, TokensAreCountedAndMadeUpKeysCostTheControlThreadLittle) {
  GateWorld world;
  using auth::testing::signing_key;
  auto providers = auth::testing::compile_one(auth::testing::jwt_provider(
      "partners", {.file = "", .url = "https://id.partner.example/jwks", .inline_json = ""},
      {crypto::Algorithm::es256, crypto::Algorithm::es384}));
  world.serve({{.path = "/a"}}, [&](Snapshot& s) { s.providers = providers; });
  uint32_t slot = (*providers)[0].key_slot;
  auto with = [](const std::string& token) {
    return get("/a/open", "Authorization: Bearer " + token + "\r\n");
  };
  std::string good = auth::testing::sign_token(crypto::Algorithm::es256);
  std::string unknown = auth::testing::sign_token(crypto::Algorithm::es384);

  Client waiting(world.sim);
  waiting.send(with(good));
  world.sim.run_for(base::milliseconds(100));
  auto keys =
      auth::parse_key_set(auth::testing::key_set_json({signing_key(crypto::Algorithm::es256).public_jwk()}));
  ASSERT_TRUE(keys) << keys.error();
  world.worker->put_keys(slot, *keys);
  world.worker->keys_checked(slot);
  ASSERT_TRUE(world.sim.run_until([&] { return has(waiting.received, "200 OK"); }));
  EXPECT_EQ(world.control.keys_asked, 1);
  EXPECT_EQ(status_of(world.ask(with(good))), 200);
  auto value = [&](telemetry::Counter counter) { return world.worker->metrics().value(counter); };
  EXPECT_EQ(value(telemetry::Counter::token_cache_misses), 1u);
  EXPECT_EQ(value(telemetry::Counter::token_cache_hits), 1u);

  // The answer just given holds for a while.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of(world.ask(with(unknown))), 401);
  EXPECT_EQ(world.control.keys_asked, 1);
  EXPECT_EQ(value(telemetry::Counter::token_cache_misses), 6u);
  // Then one question is enough for all who wait.
  world.sim.run_for(base::seconds(2));
  std::vector<std::unique_ptr<Client>> many;
  for (int i = 0; i < 20; ++i) {
    many.push_back(std::make_unique<Client>(world.sim));
    many.back()->send(with(unknown));
  }
  world.sim.run_for(base::milliseconds(100));
  EXPECT_EQ(world.control.keys_asked, 2);
  world.worker->keys_checked(slot);
  for (auto& client : many) {
    ASSERT_TRUE(world.sim.run_until([&] { return has(client->received, "401 Unauthorized"); }));
  }
  EXPECT_EQ(world.control.keys_asked, 2);
}

TEST(Exchange, ServiceSettings) {
  GateWorld world;
  world.serve({{.path = "/a", .adjust = [](Service& s) {
                  s.strip_prefix = "/a";
                  s.host = HostSent::backend;
                  s.request_headers.remove.push_back({.name = "X-Secret"});
                  s.request_headers.set.push_back({.name = "X-Set", .value = "ours"});
                  s.request_headers.set.push_back({.name = "X-HTTP-Method-Override", .value = "PUT"});
                  s.response_headers.remove.push_back({.name = "X-Backend"});
                  s.response_headers.add.push_back({.name = "X-Added", .value = "1"});
                }}});
  std::string answer = world.ask(get("/a/open", "X-Secret: 1\r\nX-Set: theirs\r\n"));
  ASSERT_EQ(world.seen.size(), 1u);
  const std::string& head = world.seen[0].head;
  EXPECT_TRUE(head.starts_with("GET /open HTTP/1.1\r\nHost: backend10\r\n")) << head;
  EXPECT_FALSE(has(head, "X-Secret") || has(head, "theirs")) << head;
  EXPECT_TRUE(has(head, "X-Set: ours\r\n"));
  EXPECT_TRUE(has(head, "X-HTTP-Method-Override: PUT\r\n"));
  EXPECT_FALSE(has(answer, "X-Backend"));
  EXPECT_TRUE(has(answer, "X-Added: 1\r\n"));
}

TEST(Exchange, TrailersDoNotUndoEdits) {
  GateWorld world;
  world.serve({{.path = "/a"}, {.path = "/b", .adjust = [](Service& s) {
                                  s.request_headers.set.push_back({.name = "X-Tenant", .value = "ours"});
                                }}});
  std::string body =
      "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Tenant: theirs\r\nX-Forwarded-User: root\r\n\r\n";
  world.ask("POST /a/open HTTP/1.1\r\nHost: a\r\n" + body);
  world.ask("POST /b/open HTTP/1.1\r\nHost: a\r\n" + body);
  ASSERT_EQ(world.seen.size(), 2u);
  EXPECT_EQ(world.seen[0].trailers, "X-Tenant: theirs\r\n");
  EXPECT_EQ(world.seen[1].trailers, "");
  EXPECT_TRUE(has(world.seen[1].head, "X-Tenant: ours\r\n"));
}

// The first request leaves a connection behind that the backend closes only as the second arrives on it.
class OneConnectionDies final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    if (to.port != 9000 || ++made > 1) return {};
    return {.reset_after = reset_after};
  }
  uint64_t reset_after = 0;
  int made = 0;
};

TEST(Exchange, AStaleConnectionIsReplacedWhereThatIsSafe) {
  // How many bytes one exchange carries, to break off in the middle of the second.
  uint64_t bytes;
  {
    GateWorld world;
    std::string answer = world.ask(get("/a/open"));
    bytes = world.seen[0].head.size() + answer.size();
  }
  struct {
    const char* name;
    std::string request;
    int status;
    const char* reason;
  } cases[] = {
      {"GET", get("/a/open"), 200, ""},
      {"PUT without a body", "PUT /a/open HTTP/1.1\r\nHost: a\r\n\r\n", 200, ""},
      {"POST", post("/a/open", "pay"), 502, "connection_terminated"},
      {"POST without a body", "POST /a/open HTTP/1.1\r\nHost: a\r\n\r\n", 502, "connection_terminated"}};
  for (const auto& c : cases) {
    OneConnectionDies weather;
    weather.reset_after = bytes + 100;
    GateWorld world(1, &weather);
    EXPECT_EQ(status_of(world.ask(get("/a/open"))), 200);
    EXPECT_EQ(status_of(world.ask(c.request)), c.status) << c.name;
    auto records = world.records();
    ASSERT_EQ(records.size(), 2u);
    EXPECT_EQ(field(records[1], "reason"), c.reason) << records[1];
    EXPECT_TRUE(has(records[1], "\"connection\":\"reused\",\"outcome\":\"connection_terminated\""))
        << records[1];
    EXPECT_EQ(weather.made, c.status == 200 ? 2 : 1) << c.name;
  }
}

TEST(Exchange, KeptConnectionsAreUsedAndDeadOnesAreNoticed) {
  GateWorld world;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of(world.ask(get("/a/open"))), 200);
  EXPECT_EQ(world.sim.network.connections(), 5u + 1u);
  EXPECT_EQ(status_of(world.ask(get("/a/open", "X-Do: leave\r\n"))), 200);
  world.sim.run_for(base::seconds(1));
  EXPECT_EQ(status_of(world.ask(post("/a/open", "x"))), 200);
  EXPECT_EQ(world.sim.network.connections(), 7u + 2u);
  world.sim.run_for(base::seconds(100));
  EXPECT_EQ(world.worker->metrics().connections_open(0), 0);
}

class Refusing final : public io::SimWeather {
 public:
  explicit Refusing(io::SimLinkPlan::Connect how) : how_(how) {}
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    return {.connect = to.port == 9000 && to.ip.bytes[3] == 10 ? how_ : io::SimLinkPlan::Connect::accepted};
  }

 private:
  io::SimLinkPlan::Connect how_;
};

TEST(Exchange, ARefusedConnectionGoesToAnotherEndpoint) {
  for (auto how : {io::SimLinkPlan::Connect::refused, io::SimLinkPlan::Connect::ignored}) {
    bool refused = how == io::SimLinkPlan::Connect::refused;
    Refusing weather(how);
    GateWorld world(7, &weather);
    world.serve({{.path = "/a", .backends = {10, 11}},
                 {.path = "/one", .backends = {10}},
                 {.path = "/none", .backends = {}}});
    bool tried_again = false;
    for (int i = 0; i < 20; ++i) {
      std::string answer = world.ask(i % 2 == 0 ? get("/a/open") : post("/a/open", "once"));
      EXPECT_TRUE(has(answer, "hello from 11")) << answer;
      auto records = world.records();
      ASSERT_EQ(records.size(), 1u);
      tried_again |= has(records[0], "10.0.0.10:9000") && has(records[0], "10.0.0.11:9000");
    }
    EXPECT_TRUE(tried_again);
    EXPECT_EQ(world.seen.size(), 20u);
    check(world, {"only one", get("/one/open"), refused ? 502 : 504,
                  refused ? "connection_refused" : "connection_timeout", "allow", 0});
    check(world, {"none", get("/none/open"), 503, "no_healthy_endpoint", "allow", 0});
  }
}

TEST(Exchange, AnEndpointTriedAndRemovedStillStandsInTheRecord) {
  Refusing weather(io::SimLinkPlan::Connect::ignored);
  bool seen = false;
  for (uint64_t seed = 0; seed < 8 && !seen; ++seed) {
    GateWorld world(seed, &weather);
    world.serve({{.path = "/a", .backends = {10, 11}}});
    Client client(world.sim);
    client.send(get("/a/open", "X-Do: slow\r\n"));
    world.sim.run_for(base::seconds(4));  // connecting to 10 has been given up, 11 is thinking
    world.serve({{.path = "/a", .backends = {12}}});
    Client other(world.sim);
    other.send(get("/a/open"));
    ASSERT_TRUE(
        world.sim.run_until([&] { return has(client.received, "hello") && has(other.received, "hello"); }));
    for (const std::string& record : world.records()) {
      seen |= has(record, "{\"endpoint\":\"10.0.0.10:9000\",\"outcome\":\"connection_timeout\"") &&
              has(record, "10.0.0.11:9000");
    }
  }
  EXPECT_TRUE(seen);
}

TEST(Exchange, UploadsAndEarlyAnswers) {
  GateWorld world;
  std::string megabyte(1 << 20, 'u');
  std::string answer = world.ask(post("/a/open", megabyte));
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(world.seen.back().body, megabyte);
  // While the body is on its way: the answer comes first.
  Client early(world.sim);
  early.send(
      "POST /a/open HTTP/1.1\r\nHost: a\r\nX-Do: early\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
  ASSERT_TRUE(world.sim.run_until([&] { return has(early.received, "hello from 10"); }));
  // Once the rest of it has come the connection goes on.
  early.send("0\r\n\r\n" + get("/a/other"));
  ASSERT_TRUE(world.sim.run_until([&] { return has(early.received, "403 Forbidden"); }));

  Client refused(world.sim);
  refused.send("POST /a/open HTTP/1.1\r\nHost: a\r\nX-Do: early-close\r\nContent-Length: 1000000\r\n\r\n" +
               std::string(500'000, 'x'));
  ASSERT_TRUE(world.sim.run_until([&] { return has(refused.received, "big"); }));
  EXPECT_EQ(status_of(refused.received), 413);
  for (const std::string& record : world.records()) {
    EXPECT_EQ(field(record, "reason"), field(record, "status") == "403" ? "rule_denied" : "") << record;
  }
}

TEST(Exchange, SlowAndUnlimitedBodies) {
  GateWorld world;
  world.serve({{.path = "/a", .adjust = [](Service& s) { s.body_bytes_max = 10; }}, {.path = "/b"}});
  Client large(world.sim);
  large.send(
      "POST /a/open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n");
  ASSERT_TRUE(world.sim.run_until([&] { return large.ended(); }));
  EXPECT_EQ(status_of(large.received), 413) << large.received;

  Client slow(world.sim);
  slow.send("POST /b/open HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
  for (int i = 0; i < 100 && !slow.ended(); ++i) {
    slow.send("x");
    world.sim.run_for(base::seconds(1));
  }
  EXPECT_EQ(status_of(slow.received), 408) << slow.received;
  auto records = world.records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(field(records[0], "reason"), "request_body_too_large");
  EXPECT_EQ(field(records[1], "reason"), "request_timeout");
  for (const Seen& seen : world.seen) EXPECT_FALSE(seen.whole);
}

TEST(Exchange, ClientsThatLeave) {
  for (const char* what : {"silent", "stall"}) {
    GateWorld world;
    Client client(world.sim);
    client.send(get("/a/open", "X-Do: " + std::string(what) + "\r\n"));
    world.sim.run_for(base::seconds(1));
    client.leave_by_reset();
    world.sim.run_for(base::seconds(1));
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u) << what;
    EXPECT_EQ(field(records[0], "reason"), "client_disconnected") << what;
    EXPECT_EQ(world.worker->metrics().connections_open(0), 0);
  }
}

TEST(Exchange, UpgradesAreRelayedBothWays) {
  GateWorld world;
  Client client(world.sim);
  client.send(get("/a/open", "X-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n"));
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "ready "); }));
  EXPECT_TRUE(has(client.received, "HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_TRUE(has(client.received, "Upgrade: shout\r\n"));
  client.send("some ");
  world.sim.run_for(base::seconds(300));
  client.send("words");
  client.half_close();
  ASSERT_TRUE(world.sim.run_until([&] { return client.ended(); }));
  EXPECT_TRUE(client.received.ends_with("ready heard some words")) << client.received;
  EXPECT_EQ(client.ending, "end");
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "status"), "101");
  EXPECT_EQ(field(records[0], "reason"), "");

  GateWorld other;
  check(other, {"another protocol",
                get("/a/open", "X-Do: switch-unasked\r\nConnection: upgrade\r\nUpgrade: shout\r\n"), 502,
                "http_upgrade_failed", "allow", 1});
}

class Narrow final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address&, io::SimRandom&) override {
    return {.delay_max = base::milliseconds(2), .piece_max = 3000, .window = 4096};
  }
};

TEST(Exchange, ATunnelBringsTheClientsLastBytesThoughTheBackendSpokeLast) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Narrow weather;
    GateWorld world(seed, &weather);
    Client client(world.sim);
    client.send(get("/a/open", "X-Do: switch-half\r\nConnection: upgrade\r\nUpgrade: shout\r\n"));
    ASSERT_TRUE(world.sim.run_until([&] { return client.ended(); }));
    client.send(std::string(30'000, 'z'));
    client.half_close();
    ASSERT_TRUE(world.sim.run_until([&] { return !world.seen[0].body.empty(); }));
    EXPECT_EQ(world.seen[0].body.size(), 30'000u);
    world.sim.run_for(base::seconds(1));
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "reason"), "");
  }
}

TEST(Exchange, ReloadsLeaveWhatRunsAlone) {
  GateWorld world;
  Client client(world.sim);
  Client idle(world.sim);
  client.send(get("/a/open", "X-Do: slow\r\n"));
  world.sim.run_for(base::seconds(1));
  world.serve({{.path = "/z", .backends = {11}}});
  idle.send(get("/z/open"));
  ASSERT_TRUE(world.sim.run_until(
      [&] { return has(client.received, "hello from 10") && has(idle.received, "hello from 11"); }));
  client.send(get("/a/open"));
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "404 Not Found"); }));
  auto records = world.records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(field(records[0], "generation"), "2");
  EXPECT_EQ(field(records[1], "generation"), "1");
  EXPECT_EQ(field(records[2], "generation"), "2");
}

TEST(Exchange, AListenerWaitsForTheSnapshotThatNamesIt) {
  GateWorld world;
  world.worker->add_listener(1, world.sim.network.listen(io::sim_address(1, 81)));
  Client early(world.sim, 2, 81);
  early.send(get("/a/open"));
  world.sim.run_for(base::seconds(1));
  EXPECT_EQ(early.received, "");
  EXPECT_EQ(world.accepted(), 0u);
  world.serve({{.path = "/a"}}, [](Snapshot& s) { s.listeners.push_back({.name = ":81"}); });
  ASSERT_TRUE(world.sim.run_until([&] { return has(early.received, "hello from 10"); }));
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_TRUE(has(records[0], "\":81\"")) << records[0];
}

TEST(Exchange, NewBackendsReplaceTheOldBeforeTheirNamesAreKnown) {
  GateWorld world;
  EXPECT_TRUE(has(world.ask(get("/a/open")), "hello from 10"));
  auto endpoint_of = [](uint8_t number) {
    io::Address at = io::sim_address(number, 9000);
    return std::make_shared<const backends::EndpointList>(
        1, backends::Endpoint{.address = at, .text = io::format_address(at), .authority = "named"});
  };
  auto named = [](Service& s) { s.endpoints = nullptr; };
  world.serve({{.path = "/a", .adjust = named}});
  Client waiting(world.sim);
  waiting.send(get("/a/open"));
  world.sim.run_for(base::seconds(1));
  world.worker->set_endpoints({.slot = 0, .generation = 1, .endpoints = endpoint_of(12)});  // came too late
  world.sim.run_for(base::seconds(1));
  EXPECT_EQ(waiting.received, "");
  world.worker->set_endpoints({.slot = 0, .generation = 2, .endpoints = endpoint_of(11)});
  ASSERT_TRUE(world.sim.run_until([&] { return has(waiting.received, "hello from 11"); }));

  world.serve({{.path = "/a", .adjust = named}});
  world.worker->set_endpoints({.slot = 0, .generation = 3, .endpoints = nullptr});
  world.records();
  check(world, {"name unknown", get("/a/open"), 502, "dns_error", "allow", 0});
  // What is known of the same backends stays in use when they cannot be looked up again.
  world.worker->set_endpoints({.slot = 0, .generation = 3, .endpoints = endpoint_of(12)});
  world.worker->set_endpoints({.slot = 0, .generation = 3, .endpoints = nullptr});
  EXPECT_TRUE(has(world.ask(get("/a/open")), "hello from 12"));
}

TEST(Exchange, ARemovedServiceLeavesNothingBehind) {
  GateWorld world;
  Client client(world.sim);
  client.send(get("/a/open", "X-Do: slow\r\n"));
  world.sim.run_for(base::seconds(1));
  world.serve({}, [](Snapshot& s) { s.services.resize(1); });
  world.worker->forget_service(0);
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "hello from 10"); }));
  world.sim.run_for(base::seconds(2));
  int series = 0;
  auto count = [&](const telemetry::SeriesKey& key, const auto&) { series += key.service == 0; };
  world.worker->metrics().backend_connections().for_each(count);
  world.worker->metrics().server_series().for_each(count);
  EXPECT_EQ(series, 0);
}

TEST(Exchange, DrainFinishesAndCutsAtItsDeadline) {
  GateWorld world;
  Client slow(world.sim);
  Client silent(world.sim);
  Client idle(world.sim);
  slow.send(get("/a/open", "X-Do: slow\r\n"));
  silent.send(get("/a/open", "X-Do: silent\r\n"));
  world.sim.run_for(base::milliseconds(100));
  world.worker->drain(base::seconds(7));
  ASSERT_TRUE(world.sim.run_until([&] { return world.control.drained; }));
  world.sim.run_for(base::seconds(1));
  EXPECT_TRUE(has(slow.received, "hello from 10"));
  EXPECT_TRUE(has(slow.received, "Connection: close\r\n"));
  EXPECT_NE(silent.ending, "");
  EXPECT_EQ(idle.ending, "end");
  auto records = world.records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(field(records[1], "reason"), "draining");
}

}  // namespace
}  // namespace gate::test
