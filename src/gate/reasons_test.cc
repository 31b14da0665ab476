// Each reason of the closed list, produced by an exchange in the simulated world: no name stands in
// base/reason.h that no exchange can end with, and a new one fails here until something provokes it.
#include <map>

#include "access/test_tokens.h"
#include "gate/test_world.h"

namespace gate::test {
namespace {

using base::Reason;
using Connect = io::SimLinkPlan::Connect;

class Links final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    return to.port == 9000 ? to_backends : to_gate;
  }
  io::SimLinkPlan to_backends;
  io::SimLinkPlan to_gate;
};

struct Scene {
  Links links;
  GateWorld world{1, &links};
};

std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n";
}

using Provoke = std::function<void(Scene&)>;

Provoke asking(std::string request) {
  return [request](Scene& scene) { scene.world.ask(request); };
}
Provoke when_backend_does(std::string_view what) {
  return asking(get("/a/open", "X-Do: " + std::string(what) + "\r\n"));
}
Provoke when_connecting_is(Connect how) {
  return [how](Scene& scene) {
    scene.links.to_backends.connect = how;
    scene.world.ask(get("/a/open"));
  };
}
Provoke with_service(std::function<void(Service&)> adjust, std::string request) {
  return [adjust, request](Scene& scene) {
    scene.world.serve({{.path = "/a", .adjust = adjust}});
    scene.world.ask(request);
  };
}
Provoke with_key(std::string_view path, std::string_view more = "") {
  return [path = std::string(path), more = std::string(more)](Scene& scene) {
    scene.world.ask(get(path, "X-Api-Key: " + scene.world.key + "\r\n" + more));
  };
}

void lose_the_name(Scene& scene) {
  scene.world.serve({{.path = "/a", .adjust = [](Service& s) { s.endpoints = nullptr; }}});
  scene.world.worker->set_endpoints({.slot = 0, .generation = scene.world.generation, .endpoints = nullptr});
  scene.world.ask(get("/a/open"));
}

// Connections are made and nobody reads from them.
void turn_backend_deaf(Scene& scene) {
  scene.links.to_backends.window = 64;
  scene.world.backends.at(10)->stop();
  auto deaf = scene.world.sim.network.listen(io::sim_address(10, 9000));
  scene.world.ask(get("/a/open"));
}

void break_the_signing_key(Scene& scene) {
  // A key that has been moved away signs as little as a libcrypto that fails.
  auto key = *crypto::SigningKey::generate(crypto::Algorithm::es256);
  auto elsewhere = std::move(key);
  scene.world.serve({{.path = "/a"}}, [&](Snapshot& s) {
    s.signer = std::make_shared<auth::AssertionSigner>(
        auth::AssertionSigner::Setup{.key = key, .issuer = "https://gate.example"});
  });
  scene.world.ask(get("/a/secret", "X-Api-Key: " + scene.world.key + "\r\n"));
}

void withhold_the_key_set(Scene& scene) {
  scene.world.serve({{.path = "/a"}}, [](Snapshot& s) {
    s.providers = auth::testing::compile_one(auth::testing::jwt_provider(
        "partners", {.file = "", .url = "https://id.partner.example/jwks", .inline_json = ""},
        {crypto::Algorithm::es256}));
  });
  scene.world.ask(get(
      "/a/open", "Authorization: Bearer " + auth::testing::sign_token(crypto::Algorithm::es256) + "\r\n"));
}

// With a token that is bound to a key and a proof that says what it may.
void prove(Scene& scene, std::string_view id) {
  using auth::testing::signing_key;
  const crypto::SigningKey& key = signing_key(crypto::Algorithm::es256);
  scene.world.serve({{.path = "/a"}}, [&](Snapshot& s) {
    s.providers = auth::testing::compile_one(auth::testing::jwt_provider(
        "partners", {.inline_json = auth::testing::key_set_json({key.public_jwk()})}, {key.algorithm()}));
  });
  std::string token = auth::testing::sign_token(key.algorithm(), R"(,"cnf":{"jkt":")" + key.kid() + "\"}");
  std::string proof = auth::testing::sign_proof(
      key, auth::testing::proof_claims({.token = token, .id = id, .url = "http://a/a/open"}));
  scene.world.ask(get("/a/open", "Authorization: DPoP " + token + "\r\nDPoP: " + proof + "\r\n"));
}

void fill_the_memory_of_proofs(Scene& scene) {
  base::WallTime now = scene.world.sim.clock.wall_now();
  base::WallTime until{now.ns + base::seconds(60).ns};
  for (int i = 0; i < 20'000; ++i) {
    scene.world.replays.claim({.key = {}, .id = std::to_string(i), .until = until}, now);
  }
  prove(scene, "1");
}

void demand_a_stronger_login(Service& service) {
  std::vector<auth::RuleSpec> rules(1);
  rules[0].name = "strong";
  rules[0].who.acr = {"urn:mfa"};
  service.rules = *auth::compile_rules({.rules = rules});
}

void withhold_the_body(Scene& scene) {
  Client client(scene.world.sim);
  client.send("POST /a/open HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
  scene.world.sim.run_until([&] { return client.ended(); });
}

void leave_early(Scene& scene) {
  Client client(scene.world.sim);
  client.send(get("/a/open", "X-Do: silent\r\n"));
  scene.world.sim.run_for(base::seconds(1));
  client.leave_by_reset();
  scene.world.sim.run_for(base::seconds(1));
}

void stop_reading(Scene& scene) {
  scene.links.to_gate.window = 64;
  int error = 0;
  auto client =
      scene.world.sim.network.connect_from(io::sim_address(2, 40'000), io::sim_address(1, 80), error);
  scene.world.sim.run_for(base::milliseconds(1));
  std::string request = get("/a/open");
  iovec piece{request.data(), request.size()};
  ASSERT_EQ(client->write({&piece, 1}).count, request.size());
  scene.world.sim.run_for(base::seconds(100));
}

void drain_away(Scene& scene) {
  Client client(scene.world.sim);
  client.send(get("/a/open", "X-Do: silent\r\n"));
  scene.world.sim.run_for(base::seconds(1));
  scene.world.worker->drain(base::seconds(1));
  scene.world.sim.run_until([&] { return client.ended(); });
}

std::string websocket(std::string_view more, std::string_view version = "13") {
  return get("/a/open",
             "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: " + std::string(version) +
                 "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + std::string(more));
}

void demand_another_origin(Service& service) {
  service.websocket.origins.push_back(*websocket::OriginPattern::parse("https://app.example"));
}

void take_the_route_away(Scene& scene) {
  Client client(scene.world.sim);
  client.send(get("/a/open", "X-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n"));
  scene.world.sim.run_for(base::seconds(1));
  scene.world.serve({{.path = "/b"}});
  scene.world.sim.run_until([&] { return client.ended(); });
}

// A service that people log in to, and a sealer to make its cookies with.
void open_to_people(Scene& scene, std::function<void(Service&)> adjust = {}) {
  scene.world.sealer =
      std::make_shared<const auth::Sealer>(std::vector{crypto::derive_aead_key("a secret", "sessions")});
  scene.world.worker->sessions().set_revoked(Sessions::Revoked::known);
  scene.world.serve({{.path = "/a", .adjust = [&](Service& service) {
                        service.login_providers = {"staff"};
                        if (adjust) adjust(service);
                      }}});
}
void let_control_answer(Scene& scene, Reason reason) {
  scene.world.control.on_question = [&scene, reason](SilentControl::Asked& asked) {
    Answer answer;
    answer.outcome = base::gate_error(reason, "as the test says");
    scene.world.worker->answer(asked.number, std::move(answer));
  };
}
std::string registration_of(Scene& scene) {
  return scene.world.worker->snapshot()->providers->find("staff")->oidc->registration;
}
auth::Session session_of(Scene& scene) {
  int64_t now = scene.world.worker->wall_at(scene.world.sim.loop.now()).ns;
  return {.id = auth::make_session_id(scene.world.random),
          .provider = "staff",
          .host = "a",
          .registration = registration_of(scene),
          .signed_in = {now},
          .seen = {now},
          .tokens_from = {now},
          .tokens_until = {now + base::seconds(600).ns},
          .ends = {now + base::seconds(6000).ns},
          .claims = R"({"sub":"alice"})"};
}
std::string cookie_of(Scene& scene, const auth::Session& session) {
  return "Cookie: __Host-gatehouse.session.staff=" +
         auth::seal_session(session, *scene.world.sealer, scene.world.random) + "\r\n";
}
Provoke with_session(std::function<void(auth::Session&)> change, Reason answered = Reason::none) {
  return [=](Scene& scene) {
    open_to_people(scene);
    if (answered != Reason::none) let_control_answer(scene, answered);
    auth::Session session = session_of(scene);
    change(session);
    scene.world.ask(get("/a/people", cookie_of(scene, session)));
  };
}
void end_tokens(auth::Session& session) {
  session.renewal = auth::Renewal::possible;
  session.tokens_until = session.signed_in;
}
Provoke coming_back_with(std::string_view query, Reason answered) {
  return [query = std::string(query), answered](Scene& scene) {
    open_to_people(scene);
    let_control_answer(scene, answered);
    auth::LoginState login = auth::make_login_state(scene.world.random);
    login.provider = "staff";
    login.host = "a";
    login.registration = registration_of(scene);
    login.return_to = "/";
    login.began = scene.world.worker->wall_at(scene.world.sim.loop.now());
    scene.world.ask(get("/.well-known/gatehouse/callback/staff?state=" + login.state + query,
                        "Cookie: " + auth::login_cookie_name(login.state) + "=" +
                            auth::seal_login(login, *scene.world.sealer, scene.world.random) + "\r\n"));
  };
}
void forge_a_request(Scene& scene) {
  open_to_people(scene);
  scene.world.ask(
      "POST /a/people HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nSec-Fetch-Site: cross-site\r\n" +
      cookie_of(scene, session_of(scene)) + "\r\n");
}
void send_a_bad_logout_token(Scene& scene) {
  open_to_people(scene);
  const auth::Provider* staff = scene.world.worker->snapshot()->providers->find("staff");
  scene.world.worker->put_keys(staff->key_slot,
                               *auth::parse_key_set(auth::testing::key_set_json(
                                   {auth::testing::signing_key(crypto::Algorithm::es256).public_jwk()})));
  scene.world.ask(
      "POST /.well-known/gatehouse/backchannel-logout/staff HTTP/1.1\r\nHost: a\r\nContent-Type: "
      "application/x-www-form-urlencoded\r\nContent-Length: 14\r\n\r\nlogout_token=x");
}
void want_a_token_that_cannot_be_had(Scene& scene) {
  open_to_people(scene, [](Service& service) { service.token.kind = BackendToken::client_credentials; });
  let_control_answer(scene, Reason::backend_token_unavailable);
  scene.world.ask(get("/a/open"));
}
void show_a_token_nobody_can_check(Scene& scene) {
  auth::ProviderSpec opaque;
  opaque.name = "opaque";
  opaque.introspection.emplace();
  opaque.introspection->url = "https://id.example/introspect";
  opaque.introspection->audience = {"orders"};
  let_control_answer(scene, Reason::introspection_unavailable);
  scene.world.serve({{.path = "/a"}},
                    [&](Snapshot& s) { s.providers = auth::testing::compile_one(std::move(opaque)); });
  scene.world.ask(get("/a/open", "Authorization: Bearer opaque-token\r\n"));
}
void return_elsewhere(Scene& scene) {
  open_to_people(scene);
  scene.world.ask(get("/.well-known/gatehouse/login?to=//evil.example"));
}

const std::map<Reason, Provoke>& provocations() {
  static const std::map<Reason, Provoke> all = {
      {Reason::dns_timeout, with_service([](Service& s) { s.endpoints = nullptr; }, get("/a/open"))},
      {Reason::dns_error, lose_the_name},
      {Reason::connection_refused, when_connecting_is(Connect::refused)},
      {Reason::connection_terminated, when_backend_does("close")},
      {Reason::connection_timeout, when_connecting_is(Connect::ignored)},
      {Reason::connection_read_timeout, when_backend_does("stall")},
      {Reason::connection_write_timeout, turn_backend_deaf},
      {Reason::connection_limit_reached, when_connecting_is(Connect::exhausted)},
      {Reason::http_request_error, asking("GET /a/open HTTP/1.1\r\n\r\n")},
      {Reason::http_response_timeout, when_backend_does("silent")},
      {Reason::http_response_incomplete, when_backend_does("incomplete")},
      {Reason::http_response_header_section_size, when_backend_does("huge-head")},
      {Reason::http_protocol_error, when_backend_does("garbage")},
      {Reason::http_upgrade_failed, when_backend_does("switch")},
      {Reason::proxy_internal_error, break_the_signing_key},
      {Reason::request_head_too_large, asking(get("/a/open", "X: " + std::string(70'000, 'x') + "\r\n"))},
      {Reason::request_body_too_large,
       with_service([](Service& s) { s.body_bytes_max = 1; },
                    "POST /a/open HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx")},
      {Reason::request_timeout, withhold_the_body},
      {Reason::websocket_version_refused, asking(websocket("", "8"))},
      {Reason::path_refused, asking(get("/a%2Fopen"))},
      {Reason::expectation_failed, asking(get("/a/open", "Expect: tea\r\n"))},
      {Reason::no_route, asking(get("/nowhere"))},
      {Reason::credential_missing, asking(get("/a/secret"))},
      {Reason::credential_malformed, asking(get("/a/open", "X-Api-Key: \r\n"))},
      {Reason::credential_invalid, asking(get("/a/open", "X-Api-Key: wrong\r\n"))},
      {Reason::credential_conflict, with_key("/a/open", "Authorization: Bearer e30.e30.e30\r\n")},
      {Reason::key_set_unavailable, withhold_the_key_set},
      {Reason::proof_invalid, [](Scene& scene) { prove(scene, ""); }},
      {Reason::proof_memory_full, fill_the_memory_of_proofs},
      {Reason::session_invalid, with_session([](auth::Session& s) { s.host = "b"; })},
      {Reason::session_ended, with_session([](auth::Session& s) { s.ends = s.signed_in; })},
      {Reason::identity_provider_unavailable, with_session(end_tokens)},
      {Reason::session_store_unavailable, with_session(end_tokens, Reason::session_store_unavailable)},
      {Reason::cross_site_refused, forge_a_request},
      {Reason::login_state_invalid, coming_back_with("&code=", Reason::none)},
      {Reason::login_refused, coming_back_with("&code=c0de", Reason::login_refused)},
      {Reason::return_refused, return_elsewhere},
      {Reason::logout_token_invalid, send_a_bad_logout_token},
      {Reason::introspection_unavailable, show_a_token_nobody_can_check},
      {Reason::backend_token_unavailable, want_a_token_that_cannot_be_had},
      {Reason::step_up_required,
       [](Scene& scene) {
         scene.world.serve({{.path = "/a", .adjust = demand_a_stronger_login}});
         scene.world.ask(get("/a/open", "X-Api-Key: " + scene.world.key + "\r\n"));
       }},
      {Reason::scope_insufficient, with_key("/a/write")},
      {Reason::rule_denied, asking(get("/a/other"))},
      {Reason::origin_refused,
       with_service(demand_another_origin, websocket("Origin: https://evil.example\r\n"))},
      {Reason::access_withdrawn, take_the_route_away},
      {Reason::no_healthy_endpoint,
       with_service([](Service& s) { s.endpoints = std::make_shared<backends::EndpointList>(); },
                    get("/a/open"))},
      {Reason::client_disconnected, leave_early},
      {Reason::client_stalled, stop_reading},
      {Reason::draining, drain_away},
  };
  return all;
}

TEST(Reasons, EachIsProducedByAnExchange) {
  for (int number = 1; number < base::kReasonCount; ++number) {
    auto reason = static_cast<Reason>(number);
    SCOPED_TRACE(base::reason_name(reason));
    // A handshake's failures, which tls/stream_test.cc produces: exchanges do not make any yet.
    if (base::reason_name(reason).starts_with("tls_")) continue;
    if (reason == Reason::misdirected_request) continue;  // client_test.cc, over TLS
    auto provoke = provocations().find(reason);
    if (provoke == provocations().end()) {
      ADD_FAILURE() << "nothing provokes it";
      continue;
    }
    Scene scene;
    provoke->second(scene);
    std::vector<std::string> records = scene.world.records();
    EXPECT_EQ(scene.world.accepted(), 1u);
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "reason"), base::reason_name(reason)) << records[0];
  }
}

}  // namespace
}  // namespace gate::test
