// Discovery documents: fetched ahead, kept while they cannot be, and told to workers and to the key sets.
#include "control/issuers.h"

#include <gtest/gtest.h>

#include <deque>
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

auth::ProviderSpec oidc(std::string name, std::string issuer) {
  auth::ProviderSpec spec;
  spec.name = std::move(name);
  spec.oidc = auth::OidcSpec{};
  spec.oidc->issuer = std::move(issuer);
  spec.oidc->client.id = "gatehouse";
  return spec;
}

std::string document(std::string_view issuer, std::string_view jwks = "/jwks") {
  std::string base(issuer);
  return R"({"issuer":")" + base + R"(","authorization_endpoint":")" + base + R"(/a","token_endpoint":")" +
         base + R"(/t","jwks_uri":")" + base + std::string(jwks) + "\"}";
}

struct World : KeySetKeeper::Publisher, IssuerKeeper::Publisher {
  World() {
    fetcher.answer = [this](const FetchRequest& asked) {
      auto page = pages.find(asked.url);
      return page == pages.end() ? unanswered() : page->second;
    };
    put("https://id.example", document("https://id.example"));
    put_keys("https://id.example/jwks");
    scope.spawn(issuers.run());
    scope.spawn(keys.run());
  }
  void put(const std::string& issuer, std::string json, base::Duration age = base::Duration{-1}) {
    FetchResult page = answered(200, std::move(json));
    page.max_age = age;
    pages[issuer + "/.well-known/openid-configuration"] = page;
  }
  void put_keys(const std::string& url) {
    pages[url] = answered(
        200, auth::testing::key_set_json({auth::testing::signing_key(auth::Algorithm::es256).public_jwk()}));
  }
  void apply(std::vector<auth::ProviderSpec> specs) {
    auto next = *auth::compile_providers(specs, providers.get());
    keys.apply(*next);
    issuers.apply(*next);
    providers = next;
    run();
  }
  void run(base::Duration time = base::milliseconds(10)) { sim.run_for(time); }
  uint32_t slot(std::string_view provider) const { return providers->find(provider)->key_slot; }
  int asked(std::string_view url) const {
    int times = 0;
    for (const FetchRequest& request : fetcher.asked) times += request.url == url;
    return times;
  }
  size_t start(std::string provider) {
    found.emplace_back();
    scope.spawn(ask(found.size() - 1, std::move(provider)));
    return found.size() - 1;
  }
  io::Task<> ask(size_t number, std::string provider) {
    auto outcome = co_await issuers.find(std::move(provider));
    found[number] = std::move(outcome);
  }
  // The issuer's name, or the reason why it is not known.
  std::string find(std::string provider) {
    size_t number = start(std::move(provider));
    run();
    return text_of(number);
  }
  std::string text_of(size_t number) const {
    if (!found[number]) return "waits";
    const auto& outcome = *found[number];
    return outcome ? (*outcome)->issuer : std::string(base::reason_name(outcome.error().reason));
  }

  void publish_keys(uint32_t key_slot, const auth::KeySetPtr&) override {
    keys_published.push_back(key_slot);
  }
  void publish_checked(uint32_t) override {}
  void publish_issuer(const std::string& provider, const gate::IssuerMetadataPtr& metadata) override {
    published[provider] = metadata == nullptr ? "none" : metadata->issuer;
    ++times_published;
  }

  io::SimWorld sim{1};
  testing::ScriptedFetcher fetcher{sim.loop};
  config::MemoryFiles files;
  std::map<std::string, FetchResult> pages;
  std::shared_ptr<const auth::Providers> providers;
  KeySetKeeper keys{{.loop = sim.loop, .fetcher = fetcher, .files = files, .publisher = *this}};
  IssuerKeeper issuers{{.loop = sim.loop, .fetcher = fetcher, .keys = keys, .publisher = *this}};
  std::map<std::string, std::string> published;
  int times_published = 0;
  std::vector<uint32_t> keys_published;
  std::deque<std::optional<base::Result<gate::IssuerMetadataPtr>>> found;
  io::Scope scope;
};

constexpr const char* kDiscovery = "https://id.example/.well-known/openid-configuration";
constexpr const char* kUnavailable = "identity_provider_unavailable";

TEST(Issuers, ANewOneIsLookedUpAndToldWithItsKeys) {
  World world;
  world.apply({oidc("staff", "https://id.example")});
  EXPECT_EQ(world.published["staff"], "https://id.example");
  EXPECT_EQ(world.find("staff"), "https://id.example");
  EXPECT_EQ(world.asked(kDiscovery), 1);
  ASSERT_NE(world.keys.find(world.slot("staff")), nullptr);
  EXPECT_EQ(world.keys_published, std::vector<uint32_t>{world.slot("staff")});
  ASSERT_EQ(world.issuers.status().size(), 1u);
  EXPECT_TRUE(world.issuers.status()[0].known);
  EXPECT_EQ(world.issuers.status()[0].problem, "");
}

TEST(Issuers, IsFetchedAgainAheadOfItsExpiry) {
  World world;
  world.put("https://id.example", document("https://id.example"), base::seconds(1000));
  world.apply({oidc("staff", "https://id.example")});
  world.run(base::seconds(790));
  EXPECT_EQ(world.asked(kDiscovery), 1);
  world.run(base::seconds(20));
  EXPECT_EQ(world.asked(kDiscovery), 2);
}

TEST(Issuers, WhatAnIssuerSaysOfItsAgeIsHeldWithinBounds) {
  World world;
  world.put("https://id.example", document("https://id.example"), base::seconds(0));
  world.apply({oidc("staff", "https://id.example")});
  world.run(base::seconds(200));
  EXPECT_EQ(world.asked(kDiscovery), 1);
  world.put("https://id.example", document("https://id.example"), base::seconds(1'000'000));
  world.run(base::seconds(60));
  EXPECT_EQ(world.asked(kDiscovery), 2);
  world.run(base::seconds(20 * 3600));
  EXPECT_EQ(world.asked(kDiscovery), 3);
}

TEST(Issuers, TheLastGoodDocumentStays) {
  World world;
  world.apply({oidc("staff", "https://id.example")});
  for (const FetchResult& bad : {unanswered(), answered(500, ""), answered(200, "<html>"),
                                 answered(200, document("https://evil.example"))}) {
    world.pages[kDiscovery] = bad;
    world.run(base::seconds(24 * 3600));
    EXPECT_EQ(world.find("staff"), "https://id.example");
    EXPECT_EQ(world.published["staff"], "https://id.example");
    EXPECT_NE(world.issuers.status()[0].problem, "");
  }
  world.put("https://id.example", document("https://id.example"));
  world.run(base::seconds(61));
  EXPECT_EQ(world.issuers.status()[0].problem, "");
}

TEST(Issuers, OneThatFailsIsTriedAgainLessAndLessOften) {
  World world;
  world.pages.clear();
  world.apply({oidc("staff", "https://id.example")});
  EXPECT_EQ(world.find("staff"), kUnavailable);
  EXPECT_EQ(world.asked(kDiscovery), 1);
  world.run(base::seconds(1));
  EXPECT_EQ(world.asked(kDiscovery), 2);
  world.run(base::seconds(600));
  EXPECT_GE(world.asked(kDiscovery), 10);
  EXPECT_LE(world.asked(kDiscovery), 20);
  // Questions do not make it more often.
  int before = world.asked(kDiscovery);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(world.find("staff"), kUnavailable);
  EXPECT_LE(world.asked(kDiscovery), before + 1);
}

TEST(Issuers, ThoseWhoWaitAreToldTogether) {
  World world;
  world.fetcher.hold();
  world.apply({oidc("staff", "https://id.example")});
  for (int i = 0; i < 100; ++i) world.start("staff");
  world.run();
  EXPECT_EQ(world.asked(kDiscovery), 1);
  world.fetcher.release();
  world.run();
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(world.text_of(i), "https://id.example");
  EXPECT_EQ(world.asked(kDiscovery), 1);
}

TEST(Issuers, KeysMoveWhereTheDocumentSays) {
  World world;
  world.apply({oidc("staff", "https://id.example")});
  world.put("https://id.example", document("https://id.example", "/keys2"));
  world.put_keys("https://id.example/keys2");
  world.run(base::seconds(3600));
  EXPECT_GE(world.asked("https://id.example/keys2"), 1);
  int old = world.asked("https://id.example/jwks");
  world.run(base::seconds(3600));
  EXPECT_EQ(world.asked("https://id.example/jwks"), old);
}

TEST(Issuers, AGenerationThatChangesNothingAsksNothing) {
  World world;
  world.apply({oidc("staff", "https://id.example")});
  size_t asked = world.fetcher.asked.size();
  auth::ProviderSpec relabelled = oidc("staff", "https://id.example");
  relabelled.oidc->label = "Staff";
  world.apply({std::move(relabelled)});
  EXPECT_EQ(world.fetcher.asked.size(), asked);
  EXPECT_EQ(world.find("staff"), "https://id.example");
}

// Workers must not send people to an issuer that the provider no longer names.
TEST(Issuers, WhatIsNoLongerNamedIsTakenBack) {
  World world;
  world.apply({oidc("staff", "https://id.example")});
  world.apply({oidc("staff", "https://new.example")});  // which cannot be reached
  EXPECT_EQ(world.published["staff"], "none");
  EXPECT_EQ(world.find("staff"), kUnavailable);
  world.put("https://new.example", document("https://new.example"));
  world.run(base::seconds(70));
  EXPECT_EQ(world.published["staff"], "https://new.example");
  world.apply({});
  EXPECT_EQ(world.published["staff"], "none");
  EXPECT_EQ(world.find("staff"), kUnavailable);
}

// What is under way for an issuer that was replaced meanwhile is not taken for the new one's.
TEST(Issuers, AnAnswerToAnOldQuestionIsDropped) {
  World world;
  world.put("https://new.example", document("https://new.example"));
  world.fetcher.hold();
  world.apply({oidc("staff", "https://id.example")});
  size_t waiting = world.start("staff");
  world.run();
  world.apply({oidc("staff", "https://new.example")});
  world.fetcher.release();
  world.run();
  EXPECT_EQ(world.published["staff"], "https://new.example");
  EXPECT_EQ(world.find("staff"), "https://new.example");
  EXPECT_NE(world.text_of(waiting), "waits");
  EXPECT_NE(world.text_of(waiting), "https://id.example");
  EXPECT_EQ(world.asked("https://id.example/jwks"), 0);
}

TEST(Issuers, TwoProvidersMayShareOne) {
  World world;
  world.apply({oidc("staff", "https://id.example"), oidc("support", "https://id.example")});
  EXPECT_EQ(world.find("staff"), "https://id.example");
  EXPECT_EQ(world.find("support"), "https://id.example");
  EXPECT_NE(world.keys.find(world.slot("support")), nullptr);
  world.apply({oidc("support", "https://id.example")});
  EXPECT_EQ(world.find("support"), "https://id.example");
  EXPECT_EQ(world.published["staff"], "none");
}

TEST(Issuers, AKeyThatIsNotThereIsLookedForOnce) {
  World world;
  world.apply({oidc("staff", "https://id.example")});
  uint32_t slot = world.slot("staff");
  auto fetch_anew = [&]() -> io::Task<> { co_await world.keys.fetch_anew(slot); };
  // There has just been a look.
  for (int i = 0; i < 10; ++i) world.scope.spawn(fetch_anew());
  world.run();
  EXPECT_EQ(world.asked("https://id.example/jwks"), 1);
  world.run(base::seconds(11));
  for (int i = 0; i < 10; ++i) world.scope.spawn(fetch_anew());
  world.run();
  EXPECT_EQ(world.asked("https://id.example/jwks"), 2);
}

TEST(Issuers, GoesWhileItsQuestionsAreUnderWay) {
  World world;
  world.fetcher.hold();
  world.apply({oidc("staff", "https://id.example")});
  world.start("staff");
  world.run();
}

}  // namespace
}  // namespace control
