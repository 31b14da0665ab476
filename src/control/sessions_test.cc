// People's sessions where issuers and the store are asked: whom tokens are shown to, and what becomes of what
// is under way when a generation comes.
#include "control/sessions.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "access/test_tokens.h"
#include "config/files.h"
#include "control/test_fetcher.h"
#include "io/sim.h"

namespace control {
namespace {

using testing::answered;
using testing::unanswered;

// Keeps everything, and answers at once.
class MapStore final : public SessionStore {
 public:
  io::Task<Result<>> put(std::string key, std::string value, base::WallTime) override {
    entries[key] = std::move(value);
    co_return Result<>{};
  }
  io::Task<Result<std::optional<std::string>>> get(std::string key) override {
    auto found = entries.find(key);
    co_return found == entries.end() ? std::nullopt : std::optional(found->second);
  }
  io::Task<Result<>> erase(std::string key) override {
    entries.erase(key);
    co_return Result<>{};
  }
  io::Task<Result<bool>> claim(std::string key, base::WallTime) override {
    co_return entries.emplace(key, "").second;
  }
  io::Task<Result<>> revoke(auth::Revocation revocation) override {
    revoked.push_back(revocation.name);
    co_return Result<>{};
  }
  Status status() const override { return {}; }

  std::map<std::string, std::string> entries;
  std::vector<std::string> revoked;
};

auth::ProviderSpec oidc(std::string issuer) {
  auth::ProviderSpec spec;
  spec.name = "staff";
  spec.oidc = auth::OidcSpec{};
  spec.oidc->issuer = std::move(issuer);
  spec.oidc->client.id = "gatehouse";
  spec.oidc->algorithms = {auth::Algorithm::es256};
  return spec;
}

struct World : KeySetKeeper::Publisher, IssuerKeeper::Publisher, SessionKeeper::Publisher {
  World() {
    fetcher.answer = [this](const FetchRequest& asked) { return answer(asked); };
    sessions.use_store(store);
    apply({oidc("https://id.example")});
  }
  void apply(std::vector<auth::ProviderSpec> specs) {
    auto next = *auth::compile_providers(specs, providers.get());
    keys.apply(*next);
    issuers.apply(*next);
    sessions.apply(next, specs.empty() ? nullptr : sealer, {});
    providers = next;
    sim.run_for(base::milliseconds(10));
  }
  // Both issuers are one server with one key: only their names tell them apart.
  FetchResult answer(const FetchRequest& asked) {
    std::string issuer = asked.url.substr(0, asked.url.find('/', 8));
    const crypto::SigningKey& key = auth::testing::signing_key(auth::Algorithm::es256);
    if (asked.url.ends_with("/openid-configuration")) {
      return answered(200, R"({"issuer":")" + issuer + R"(","authorization_endpoint":")" + issuer +
                               R"(/a","token_endpoint":")" + issuer + R"(/t","jwks_uri":")" + issuer +
                               R"(/jwks"})");
    }
    if (asked.url.ends_with("/jwks")) return answered(200, auth::testing::key_set_json({key.public_jwk()}));
    std::string now = std::to_string(sim.loop.clock().wall_now().unix_seconds());
    std::string id_token = auth::testing::sign_raw(
        key, R"({"alg":"ES256","kid":")" + key.kid() + R"("})",
        R"({"iss":")" + issuer + R"(","aud":"gatehouse","sub":"alice","nonce":"n","iat":)" + now +
            R"(,"exp":)" + now + "0}");
    return answered(200, R"({"token_type":"Bearer","access_token":"at","refresh_token":"rt","expires_in":60,)"
                         R"("id_token":")" +
                             id_token + "\"}");
  }
  template <class Call>
  std::optional<gate::Answer> wait(Call call) {
    std::optional<gate::Answer> got;
    auto run = [](Call asked, std::optional<gate::Answer>& into) -> io::Task<> { into = co_await asked(); };
    io::Task<> task = run(std::move(call), got);
    task.start();
    sim.run_for(base::seconds(1));
    return got;
  }
  auth::SessionPtr log_in() {
    auto got = wait([this] {
      auth::LoginState login;
      login.state = "s";
      login.nonce = "n";
      login.provider = "staff";
      login.host = "a.example";
      login.registration = providers->find("staff")->oidc->registration;
      login.began = sim.loop.clock().wall_now();
      return sessions.complete_login({.login = login,
                                      .answer = {.state = "s", .code = "c", .error = {}, .iss = {}},
                                      .redirect_uri = "r",
                                      .max_age = {}});
    });
    EXPECT_TRUE(got && got->outcome) << (got ? got->outcome.error().detail : "no answer");
    return got ? got->session : nullptr;
  }
  int tokens_asked_of(std::string_view issuer) const {
    int times = 0;
    for (const FetchRequest& request : fetcher.asked) times += request.url == std::string(issuer) + "/t";
    return times;
  }

  void publish_keys(uint32_t, const auth::KeySetPtr&) override {}
  void publish_checked(uint32_t) override {}
  void publish_issuer(const std::string&, const gate::IssuerMetadataPtr&) override {}
  void publish_renewed(const gate::RenewedSession&) override {}
  void publish_revocation(const auth::Revocation&) override {}
  void publish_revoked(gate::Sessions::Revoked) override {}

  io::SimWorld sim{1};
  crypto::SystemRandom random;
  testing::ScriptedFetcher fetcher{sim.loop};
  config::MemoryFiles files;
  MapStore store;
  std::shared_ptr<const auth::Sealer> sealer = std::make_shared<const auth::Sealer>(
      std::vector{crypto::derive_aead_key("a secret of the test's own", "sessions")});
  std::shared_ptr<const auth::Providers> providers;
  TokenEndpoint tokens{fetcher};
  KeySetKeeper keys{{.loop = sim.loop, .fetcher = fetcher, .files = files, .publisher = *this}};
  IssuerKeeper issuers{{.loop = sim.loop, .fetcher = fetcher, .keys = keys, .publisher = *this}};
  SessionKeeper sessions{{.loop = sim.loop,
                          .random = random,
                          .tokens = tokens,
                          .issuers = issuers,
                          .keys = keys,
                          .publisher = *this}};
};

TEST(Sessions, AreRenewed) {
  World world;
  auth::SessionPtr session = world.log_in();
  ASSERT_NE(session, nullptr);
  auto renewed = world.wait([&] { return world.sessions.renew({session}); });
  ASSERT_TRUE(renewed && renewed->outcome);
  EXPECT_EQ(renewed->session->version, session->version + 1);
  EXPECT_EQ(world.tokens_asked_of("https://id.example"), 2);
}

TEST(Sessions, OfAnotherIssuersProviderEndAndItsTokensAreShownToNobody) {
  World world;
  auth::SessionPtr session = world.log_in();
  ASSERT_NE(session, nullptr);
  world.apply({oidc("https://other.example")});
  auto renewed = world.wait([&] { return world.sessions.renew({session}); });
  ASSERT_TRUE(renewed);
  ASSERT_FALSE(renewed->outcome);
  EXPECT_EQ(renewed->outcome.error().reason, base::Reason::session_ended);
  EXPECT_EQ(world.tokens_asked_of("https://other.example"), 0);
}

TEST(Sessions, WhatIsUnderWayEndsWellWhenNobodyLogsInAnyMore) {
  World world;
  auth::SessionPtr session = world.log_in();
  ASSERT_NE(session, nullptr);
  world.fetcher.hold();
  std::optional<gate::Answer> got;
  auto renew = [&]() -> io::Task<> { got = co_await world.sessions.renew({session}); };
  io::Task<> task = renew();
  task.start();
  world.sim.run_for(base::milliseconds(10));
  world.apply({});
  world.fetcher.release();
  world.sim.run_for(base::seconds(1));
  EXPECT_TRUE(got && got->outcome);
  // And who asks only then.
  auto loaded = world.wait([&] { return world.sessions.load({session}); });
  EXPECT_TRUE(loaded && loaded->outcome);
}

}  // namespace
}  // namespace control
