// Tokens for backends: had once, kept, renewed ahead, and what an issuer that fails changes.
#include "control/backend_tokens.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "access/test_tokens.h"
#include "config/files.h"
#include "control/test_fetcher.h"
#include "io/sim.h"

namespace control {
namespace {

using gate::BackendToken;
using testing::answered;
using testing::unanswered;

std::shared_ptr<const auth::Providers> providers(std::string secret = "s", std::string resource = "") {
  std::vector<auth::ProviderSpec> specs(1);
  specs[0].name = "staff";
  specs[0].oidc = auth::OidcSpec{};
  specs[0].oidc->issuer = "https://id.example";
  specs[0].oidc->client = {.id = "gatehouse", .secret = std::move(secret)};
  specs[0].oidc->resource = std::move(resource);
  return *auth::compile_providers(specs, nullptr);
}

std::shared_ptr<const gate::Service> service(gate::BackendTokenPolicy policy) {
  auto out = std::make_shared<gate::Service>();
  out->name = "orders";
  out->token = std::move(policy);
  if (out->token.provider.empty()) out->token.provider = "staff";
  return out;
}
const auto kOwn = service({.kind = BackendToken::client_credentials, .audience = "orders"});
const auto kExchanged = service({.kind = BackendToken::exchange, .audience = "orders"});

struct World : KeySetKeeper::Publisher, IssuerKeeper::Publisher {
  World() {
    fetcher.answer = [this](const FetchRequest& asked) {
      if (asked.url == "https://id.example/.well-known/openid-configuration") {
        return answered(
            200, R"({"issuer":"https://id.example","authorization_endpoint":"https://id.example/a",)"
                 R"("token_endpoint":"https://id.example/token","jwks_uri":"https://id.example/jwks"})");
      }
      if (asked.url != "https://id.example/token") return answered(404, "");
      ++tokens_asked;
      if (!works) return failure;
      std::string token = "t" + std::to_string(tokens_asked);
      return answered(200, R"({"access_token":")" + token + R"(","token_type":"Bearer")" + life + "}");
    };
    apply(providers());
  }
  void apply(std::shared_ptr<const auth::Providers> all) {
    issuers.apply(*all);
    keeper.apply(std::move(all));
    sim.run_for(base::milliseconds(10));
  }
  void publish_keys(uint32_t, const auth::KeySetPtr&) override {}
  void publish_checked(uint32_t) override {}
  void publish_issuer(const std::string&, const gate::IssuerMetadataPtr&) override {}

  size_t start(gate::FetchBackendToken question) {
    answers.emplace_back();
    scope.spawn(ask(answers.size() - 1, std::move(question)));
    return answers.size() - 1;
  }
  size_t start(std::shared_ptr<const gate::Service> whose, std::string subject_token = "") {
    return start({.service = std::move(whose), .subject_token = std::move(subject_token)});
  }
  io::Task<> ask(size_t number, gate::FetchBackendToken question) {
    gate::Answer answer = co_await keeper.find(std::move(question));
    answers[number] = std::move(answer);
  }
  gate::Answer find(std::shared_ptr<const gate::Service> whose, std::string subject_token = "") {
    size_t number = start(std::move(whose), std::move(subject_token));
    run();
    EXPECT_TRUE(answers[number]);
    return answers[number].value_or(gate::Answer{});
  }
  // The token, or the reason why there is none.
  std::string text_of(const gate::Answer& answer) const {
    return answer.outcome ? answer.text : std::string(base::reason_name(answer.outcome.error().reason));
  }
  std::string token(std::shared_ptr<const gate::Service> whose, std::string subject_token = "") {
    return text_of(find(std::move(whose), std::move(subject_token)));
  }
  void run(base::Duration time = base::milliseconds(1)) { sim.run_for(time); }

  io::SimWorld sim{1};
  testing::ScriptedFetcher fetcher{sim.loop};
  config::MemoryFiles files;
  KeySetKeeper keys{{.loop = sim.loop, .fetcher = fetcher, .files = files, .publisher = *this}};
  IssuerKeeper issuers{{.loop = sim.loop, .fetcher = fetcher, .keys = keys, .publisher = *this}};
  TokenEndpoint endpoint{fetcher};
  BackendTokenKeeper keeper{{.loop = sim.loop, .tokens = endpoint, .issuers = issuers}};
  std::string life = R"(,"expires_in":100)";
  bool works = true;
  FetchResult failure = unanswered();
  int tokens_asked = 0;
  std::deque<std::optional<gate::Answer>> answers;
  io::Scope scope;
};

constexpr const char* kUnavailable = "backend_token_unavailable";

TEST(BackendTokens, OneOfItsOwnIsHadOnceForAll) {
  World world;
  world.fetcher.hold();
  for (int i = 0; i < 1000; ++i) world.start(kOwn);
  world.run();
  world.fetcher.release();
  world.run();
  for (const auto& answer : world.answers) {
    ASSERT_TRUE(answer);
    EXPECT_EQ(world.text_of(*answer), "t1");
  }
  EXPECT_EQ(world.token(kOwn), "t1");
  EXPECT_EQ(world.tokens_asked, 1);
  EXPECT_NE(world.fetcher.asked.back().body.find("grant_type=client_credentials&audience=orders"),
            std::string::npos);
}

TEST(BackendTokens, WhatATokenIsForTellsThemApart) {
  World world;
  const gate::BackendTokenPolicy policies[] = {
      {.kind = BackendToken::client_credentials, .audience = "orders"},
      {.kind = BackendToken::client_credentials, .audience = "billing"},
      {.kind = BackendToken::client_credentials, .resource = "orders"},
      {.kind = BackendToken::client_credentials, .audience = "orders", .scopes = {"a", "b"}},
      {.kind = BackendToken::client_credentials, .audience = "orders", .scopes = {"a b"}},
      {.kind = BackendToken::client_credentials, .audience = "orders", .scopes = {"ab"}},
      {.kind = BackendToken::exchange, .audience = "orders"},
      // However a scope is spelt, it stands for nobody's token.
      {.kind = BackendToken::client_credentials,
       .audience = "orders",
       .scopes = {std::string(crypto::as_text(crypto::sha256("caller")))}},
  };
  int expected = 0;
  for (const auto& policy : policies) {
    EXPECT_EQ(world.token(service(policy), "caller"), "t" + std::to_string(++expected));
    EXPECT_EQ(world.token(service(policy), "caller"), "t" + std::to_string(expected));
  }
  // The same target under another service is the same token.
  auto other = std::make_shared<gate::Service>(*kOwn);
  other->name = "other";
  EXPECT_EQ(world.token(other), "t1");
  // Another client secret is another definition.
  world.apply(providers("rotated"));
  EXPECT_EQ(world.token(kOwn), "t" + std::to_string(++expected));
}

TEST(BackendTokens, ExchangedOnesAreTheCallersAlone) {
  World world;
  EXPECT_EQ(world.token(kExchanged, "alice"), "t1");
  EXPECT_EQ(world.token(kExchanged, "bob"), "t2");
  EXPECT_EQ(world.token(kExchanged, "alice"), "t1");
  EXPECT_EQ(world.tokens_asked, 2);
  EXPECT_NE(world.fetcher.asked.back().body.find("subject_token=bob&"), std::string::npos);
  EXPECT_EQ(world.token(kOwn, "alice"), "t3");
}

TEST(BackendTokens, AreRenewedAheadWhileTheOldOneServes) {
  World world;
  EXPECT_EQ(world.token(kOwn), "t1");
  world.run(base::seconds(79));
  EXPECT_EQ(world.token(kOwn), "t1");
  EXPECT_EQ(world.tokens_asked, 1);
  world.run(base::seconds(2));
  world.fetcher.hold();
  // Nobody waits for the new one.
  EXPECT_EQ(world.token(kOwn), "t1");
  EXPECT_EQ(world.token(kOwn), "t1");
  world.fetcher.release();
  world.run();
  EXPECT_EQ(world.tokens_asked, 2);
  EXPECT_EQ(world.token(kOwn), "t2");
}

TEST(BackendTokens, AnIssuerThatFailsChangesNothingUntilTheTokenEnds) {
  World world;
  EXPECT_EQ(world.token(kOwn), "t1");
  world.works = false;
  world.run(base::seconds(85));
  EXPECT_EQ(world.token(kOwn), "t1");
  EXPECT_EQ(world.token(kOwn), "t1");
  EXPECT_EQ(world.tokens_asked, 2);  // and is not asked again at once
  world.run(base::seconds(20));
  EXPECT_EQ(world.token(kOwn), kUnavailable);
  world.works = true;
  EXPECT_EQ(world.token(kOwn), kUnavailable);  // just failed
  world.run(base::seconds(2));
  EXPECT_EQ(world.token(kOwn), "t4");
}

TEST(BackendTokens, AreUsedNoLongerThanTheyLast) {
  World world;
  for (int64_t age : {0, 50, 79, 81, 94}) {
    World aged;
    aged.token(kOwn);
    base::WallTime ends{aged.sim.loop.clock().wall_now().ns + base::seconds(100).ns};
    aged.works = false;
    aged.run(base::seconds(age));
    gate::Answer answer = aged.find(kOwn);
    ASSERT_TRUE(answer.outcome) << age;
    EXPECT_LE(answer.until, ends) << age;
    EXPECT_GT(answer.until, aged.sim.loop.clock().wall_now()) << age;
  }
}

TEST(BackendTokens, WhatAnIssuerRefusesIsUnavailable) {
  for (const FetchResult& failure : {unanswered(), answered(500, ""),
                                     answered(400, R"({"error":"invalid_target"})"), answered(200, "{}")}) {
    World world;
    world.works = false;
    world.failure = failure;
    EXPECT_EQ(world.token(kOwn), kUnavailable);
    EXPECT_EQ(world.token(kExchanged, "alice"), kUnavailable);
  }
  World gone;
  gone.apply(*auth::compile_providers({}, nullptr));
  EXPECT_EQ(gone.token(kOwn), kUnavailable);
}

// Refused as any other, however odd the issuer.
TEST(BackendTokens, ATokenThatHasEndedWhenItComesIsNone) {
  World world;
  world.life = R"(,"expires_in":0)";
  for (int i = 0; i < 10; ++i) EXPECT_EQ(world.token(kOwn), kUnavailable);
  EXPECT_EQ(world.tokens_asked, 1);  // and not asked for again with every request
}

TEST(BackendTokens, WithoutALifeTheyAreTakenForShort) {
  World world;
  world.life = "";
  EXPECT_EQ(world.token(kOwn), "t1");
  world.run(base::seconds(301));
  EXPECT_EQ(world.token(kOwn), "t2");
}

TEST(BackendTokens, AreBounded) {
  World world;
  for (size_t i = 0; i < BackendTokenKeeper::kTokensMax + 10; ++i) {
    world.start(kExchanged, "caller " + std::to_string(i));
    if (i % 1000 == 0) world.run();
  }
  world.run();
  int asked = world.tokens_asked;
  EXPECT_EQ(world.token(kExchanged, "caller " + std::to_string(BackendTokenKeeper::kTokensMax)),
            "t" + std::to_string(BackendTokenKeeper::kTokensMax + 1));
  EXPECT_EQ(world.tokens_asked, asked);  // the newest are there
  world.token(kExchanged, "caller 0");
  EXPECT_EQ(world.tokens_asked, asked + 1);  // the oldest went
}

// A token goes only where it was made for.
TEST(BackendTokens, TheCallersOwnIsPassedOnWhereItIsForTheService) {
  World world;
  auto own = service({.kind = BackendToken::caller, .audience = "orders"});
  auto other = service({.kind = BackendToken::caller, .audience = "billing"});
  std::string token = auth::testing::sign_token(auth::Algorithm::es256);  // its `aud` is orders
  EXPECT_EQ(world.token(own, token), token);
  EXPECT_EQ(world.token(other, token), kUnavailable);
  EXPECT_EQ(world.token(own, "opaque"), kUnavailable);
  EXPECT_EQ(world.tokens_asked, 0);
}

// Of a person's token that only its issuer can read, what the login asked for says what it is for.
TEST(BackendTokens, AnOpaqueOneOfASessionIsForWhatTheLoginAskedFor) {
  const struct {
    std::string resource;  // of the provider
    std::string audience;  // of the service
    bool passed_on;
  } cases[] = {
      {"https://orders.example", "https://orders.example", true},
      {"https://orders.example", "https://billing.example", false},
      {"https://orders.example", "", false},
      {"", "https://orders.example", false},
      {"", "", false},  // for nothing in particular, and so for anything
  };
  for (const auto& c : cases) {
    World world;
    auto all = providers("s", c.resource);
    world.apply(all);
    auto session = std::make_shared<auth::Session>();
    session->provider = "staff";
    session->registration = (*all)[0].oidc->registration;
    size_t number = world.start({.service = service({.kind = BackendToken::caller, .audience = c.audience}),
                                 .subject_token = "opaque",
                                 .session = session});
    world.run();
    ASSERT_TRUE(world.answers[number]);
    EXPECT_EQ(world.text_of(*world.answers[number]), c.passed_on ? "opaque" : kUnavailable)
        << c.resource << " " << c.audience;
  }
}

TEST(BackendTokens, GoesWhileTokensAreUnderWay) {
  World world;
  world.fetcher.hold();
  world.start(kOwn);
  world.start(kExchanged, "alice");
  world.run();
}

}  // namespace
}  // namespace control
