// Which tokens are shown to an introspection endpoint, which never are, and how long what was learnt holds.
#include <gtest/gtest.h>

#include "access/providers.h"
#include "access/test_tokens.h"

namespace auth {
namespace {

using testing::kIssuer;
using testing::kNow;
using testing::signing_key;
using Outcome = Authentication::Outcome;

constexpr std::string_view kOpaque = "2YotnFZFEjr1zCsicMWpAA";

ProviderSpec jwt() {
  return testing::jwt_provider(
      "partners", {.inline_json = testing::key_set_json({signing_key(Algorithm::es256).public_jwk()})},
      {Algorithm::es256});
}

ProviderSpec introspection(std::string issuer = "") {
  ProviderSpec spec;
  spec.name = "legacy";
  spec.introspection = IntrospectionSpec{};
  spec.introspection->url = "https://id.example/introspect";
  spec.introspection->issuer = std::move(issuer);
  spec.introspection->audience = {"orders"};
  return spec;
}

std::shared_ptr<const Providers> compile(std::vector<ProviderSpec> specs,
                                         const Providers* previous = nullptr) {
  auto out = compile_providers(specs, previous);
  EXPECT_TRUE(out);
  return out ? *out : nullptr;
}

struct Worker {
  std::shared_ptr<const Providers> providers;
  KeySets key_sets = {};
  TokenCache cache = {};
  base::WallTime now = kNow;

  Authentication take(std::string_view token) {
    Credential credential{CredentialKind::bearer, token};
    return authenticate({credential, *providers, key_sets, cache, now});
  }
  void keep(std::string_view token, uint32_t provider, base::Duration life) {
    Credential credential{CredentialKind::bearer, token};
    Identity identity;
    identity.provider = "legacy";
    identity.subject = "alice";
    keep_introspected({credential, *providers, key_sets, cache, now}, provider,
                      {.identity = make_identity(std::move(identity)), .valid_until = {now.ns + life.ns}});
  }
};

std::string jwt_of(std::string_view issuer, std::string_view header = R"({"alg":"ES256","kid":"unknown"})") {
  return testing::sign_raw(
      signing_key(Algorithm::es256), header,
      R"({"iss":")" + std::string(issuer) + R"(","aud":"orders","sub":"a","exp":1800000300})");
}

TEST(OpaqueTokens, AreShownToTheOneWhoMayBeAsked) {
  const struct {
    std::string_view own_issuer;  // of the introspection provider
    std::string token;
    bool shown;
  } cases[] = {
      {"", std::string(kOpaque), true},
      {"https://id.example", std::string(kOpaque), true},
      {"", "a.b", true},
      {"", "a.b.c", true},      // of three parts, but no JWT
      {"", "a.b.c.d.e", true},  // encrypted, perhaps
      // Of an issuer that can be read: that issuer's alone.
      {"", jwt_of("https://id.example"), true},
      {"https://id.example", jwt_of("https://id.example"), true},
      {"https://id.example", jwt_of("https://id.example", R"({"alg":"HS256"})"), true},
      {"https://id.example", jwt_of("https://id.example", "not json"), true},
      {"https://id.example", jwt_of("https://other.example"), false},
      {"https://id.example", jwt_of("https://id.example/"), false},
      // Of a jwt provider's issuer: never, whatever is wrong with it.
      {"", jwt_of(kIssuer, R"({"alg":"none"})"), false},
      {"", jwt_of(kIssuer, R"({"alg":"HS256"})"), false},
      {"", jwt_of(kIssuer, R"({"alg":"ES256","crit":["x"]})"), false},
      {"", jwt_of(kIssuer, R"({"alg":"ES256","typ":"logout+jwt"})"), false},
      {"", jwt_of(kIssuer, "not json"), false},
      {"", jwt_of(kIssuer), false},
      {"",
       testing::sign_raw(
           signing_key(Algorithm::es256), testing::header_for(signing_key(Algorithm::es256)),
           R"({"iss":")" + std::string(kIssuer) + R"(","aud":"other","sub":"a","exp":1800000300})"),
       false},
      {kIssuer, jwt_of(kIssuer), false},
  };
  for (const auto& c : cases) {
    Worker worker{.providers = compile({jwt(), introspection(std::string(c.own_issuer))})};
    Authentication outcome = worker.take(c.token);
    EXPECT_EQ(outcome.outcome, c.shown ? Outcome::needs_introspection : Outcome::refused) << c.token;
    EXPECT_EQ(outcome.identity, nullptr);
    if (c.shown) EXPECT_EQ((*worker.providers)[outcome.provider].name, "legacy");
    // Where nobody asks, nobody gets in.
    EXPECT_EQ(outcome.error.reason,
              c.shown ? base::Reason::introspection_unavailable : base::Reason::credential_invalid);
  }
  Worker good{.providers = compile({introspection(), jwt()})};
  EXPECT_EQ(good.take(testing::sign_token(Algorithm::es256)).outcome, Outcome::caller);
}

TEST(OpaqueTokens, AreShownToNobodyWithoutAProviderForThem) {
  Worker worker{.providers = compile({jwt()})};
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::refused);
  EXPECT_EQ(worker.take(jwt_of("https://id.example")).outcome, Outcome::refused);
}

TEST(OpaqueTokens, TooLongToBelieveAreNotShown) {
  Worker worker{.providers = compile({introspection()})};
  EXPECT_EQ(worker.take(std::string(kTokenBytesMax, 'x')).outcome, Outcome::needs_introspection);
  EXPECT_EQ(worker.take(std::string(kTokenBytesMax + 1, 'x')).outcome, Outcome::refused);
}

TEST(OpaqueTokens, AreKeptAsLongAsTheAnswerHolds) {
  Worker worker{.providers = compile({introspection()})};
  worker.keep(kOpaque, 0, base::seconds(30));
  Authentication found = worker.take(kOpaque);
  ASSERT_EQ(found.outcome, Outcome::caller);
  EXPECT_EQ(found.cache, Authentication::Cache::hit);
  EXPECT_EQ(found.identity->subject, "alice");
  EXPECT_EQ(worker.take("another").outcome, Outcome::needs_introspection);
  worker.now.ns += base::seconds(30).ns;
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::needs_introspection);
}

TEST(OpaqueTokens, AreAskedAboutEveryTimeWithoutACache) {
  Worker worker{.providers = compile({introspection()})};
  worker.keep(kOpaque, 0, base::seconds(0));
  EXPECT_EQ(worker.cache.entries(), 0u);
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::needs_introspection);
}

// Every input of the decision counts: also who else vouches for tokens.
TEST(OpaqueTokens, AreAskedAboutAgainWhenWhatDecidedChanges) {
  std::string of_partner = jwt_of(kIssuer);
  Worker worker{.providers = compile({introspection()})};
  worker.keep(of_partner, 0, base::seconds(30));
  worker.keep(kOpaque, 0, base::seconds(30));
  EXPECT_EQ(worker.take(of_partner).outcome, Outcome::caller);

  // Another place in the files changes nothing.
  auto before = worker.providers;
  ProviderSpec robots = testing::key_provider("robots", {});
  worker.providers = compile({std::move(robots), introspection()}, before.get());
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::caller);

  // A jwt provider for the issuer of one: its word alone counts now.
  worker.providers = compile({introspection(), jwt()}, before.get());
  EXPECT_EQ(worker.take(of_partner).outcome, Outcome::refused);
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::needs_introspection);

  ProviderSpec narrower = introspection();
  narrower.introspection->audience = {"billing"};
  worker.providers = compile({std::move(narrower)}, before.get());
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::needs_introspection);
}

TEST(CompileProviders, OneIntrospectionProviderAndWhatItNeeds) {
  std::vector<ProviderSpec> specs;
  specs.push_back(introspection());
  specs.push_back(introspection("https://other.example"));
  specs.back().name = "second";
  specs.push_back(ProviderSpec{});
  specs.back().name = "bare";
  specs.back().introspection = IntrospectionSpec{};
  for (size_t i = 0; i < specs.size(); ++i) specs[i].source.line = static_cast<int>(i) + 1;
  auto compiled = compile_providers(specs, nullptr);
  ASSERT_FALSE(compiled);
  std::vector<int> lines;
  for (const CompileError& error : compiled.error()) lines.push_back(error.source.line);
  EXPECT_EQ(lines, (std::vector<int>{2, 3, 3, 3}));  // the third: a third one, without url and audience
}

ProviderSpec oidc(std::string name = "staff") {
  ProviderSpec spec;
  spec.name = std::move(name);
  spec.oidc = OidcSpec{};
  spec.oidc->issuer = "https://id.example";
  spec.oidc->client = {.id = "gatehouse", .secret = "s"};
  spec.oidc->algorithms = {Algorithm::rs256};
  return spec;
}

TEST(CompileProviders, OidcProvidersReadNoCredentialsAndMayShareAnIssuer) {
  auto compiled = compile({oidc(), oidc("support")});
  EXPECT_FALSE(compiled->accepts_tokens());
  EXPECT_FALSE(compiled->reads_credentials());
  EXPECT_EQ((*compiled)[0].key_source, KeySource::discovery);
  EXPECT_NE((*compiled)[0].key_slot, 0u);
  Worker worker{.providers = compiled};
  EXPECT_EQ(worker.take(kOpaque).outcome, Outcome::refused);
  EXPECT_EQ(worker.take(jwt_of("https://id.example")).outcome, Outcome::refused);
}

TEST(CompileProviders, EveryFieldOfOidcAndIntrospectionIsPartOfTheVersion) {
  using Change = void (*)(ProviderSpec&);
  const Change of_oidc[] = {
      [](ProviderSpec& s) { s.oidc->issuer += "/"; },
      [](ProviderSpec& s) { s.oidc->client.id = "other"; },
      [](ProviderSpec& s) { s.oidc->client.secret = "t"; },
      [](ProviderSpec& s) { s.oidc->client.auth = ClientAuth::post; },
      [](ProviderSpec& s) { s.oidc->scopes = {"openid"}; },
      [](ProviderSpec& s) { s.oidc->algorithms = {Algorithm::es256}; },
      [](ProviderSpec& s) { s.oidc->clock_skew = base::seconds(1); },
      [](ProviderSpec& s) { s.oidc->userinfo = Userinfo::on; },
      [](ProviderSpec& s) { s.oidc->resource = "r"; },
      [](ProviderSpec& s) { s.oidc->label = "r"; },
      [](ProviderSpec& s) { s.oidc->prompt = "r"; },
      [](ProviderSpec& s) { s.oidc->claims.subject = "r"; },
      [](ProviderSpec& s) { s.oidc->claims.groups_separator = ","; },
  };
  const Change of_introspection[] = {
      [](ProviderSpec& s) { s.introspection->url += "/"; },
      [](ProviderSpec& s) { s.introspection->client.id = "x"; },
      [](ProviderSpec& s) { s.introspection->client.secret = "x"; },
      [](ProviderSpec& s) { s.introspection->client.auth = ClientAuth::post; },
      [](ProviderSpec& s) { s.introspection->issuer = "x"; },
      [](ProviderSpec& s) { s.introspection->audience = {"x"}; },
      [](ProviderSpec& s) { s.introspection->cache = base::seconds(1); },
      [](ProviderSpec& s) { s.introspection->claims.scopes = "x"; },
      [](ProviderSpec& s) { s.introspection->sender_constrained = SenderConstrained::required; },
  };
  auto version_of = [](ProviderSpec spec) {
    std::vector<ProviderSpec> specs;
    specs.push_back(std::move(spec));
    return (*compile(std::move(specs)))[0].version;
  };
  std::vector<uint64_t> seen = {version_of(oidc()), version_of(introspection())};
  auto try_all = [&](std::span<const Change> changes, ProviderSpec (*make)()) {
    for (Change change : changes) {
      ProviderSpec spec = make();
      change(spec);
      uint64_t version = version_of(std::move(spec));
      EXPECT_EQ(std::count(seen.begin(), seen.end(), version), 0) << seen.size();
      seen.push_back(version);
    }
  };
  try_all(of_oidc, [] { return oidc(); });
  try_all(of_introspection, [] { return introspection(); });
}

}  // namespace
}  // namespace auth
