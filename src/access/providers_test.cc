#include "access/providers.h"

#include "access/test_tokens.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;
using testing::key_set_json;
using testing::kNow;
using testing::sign_token;
using testing::signing_key;
using Outcome = Authentication::Outcome;

ApiKeySpec key_spec(std::string id, std::string_view key) {
  ApiKeySpec spec;
  spec.id = std::move(id);
  spec.digest = api_key_digest(key);
  spec.owner = "nightly";
  spec.scopes = {"orders:read"};
  spec.groups = {"batch"};
  spec.expires = base::WallTime{kNow.ns + 1'000'000'000};
  return spec;
}

std::string own_keys(Algorithm algorithm) { return key_set_json({signing_key(algorithm).public_jwk()}); }

ProviderSpec inline_provider(std::string name, Algorithm algorithm = Algorithm::es256) {
  return testing::jwt_provider(std::move(name), {.inline_json = own_keys(algorithm)}, {algorithm});
}
ProviderSpec url_provider(std::string name) {
  return testing::jwt_provider(std::move(name), {.url = "https://id.partner.example/jwks"},
                               {Algorithm::es256});
}

std::shared_ptr<const Providers> compile(std::initializer_list<ProviderSpec (*)()> makers,
                                         const Providers* previous = nullptr) {
  std::vector<ProviderSpec> specs;
  for (auto make : makers) specs.push_back(make());
  auto out = compile_providers(specs, previous);
  EXPECT_TRUE(out);
  return out ? *out : nullptr;
}

std::shared_ptr<const Providers> compile_with(ProviderSpec spec, const Providers* previous = nullptr) {
  std::vector<ProviderSpec> specs;
  specs.push_back(std::move(spec));
  auto out = compile_providers(specs, previous);
  EXPECT_TRUE(out);
  return out ? *out : nullptr;
}

// One worker's view.
struct Worker {
  std::shared_ptr<const Providers> providers;
  KeySets key_sets;
  TokenCache cache;

  Authentication take(CredentialKind kind, std::string_view text, base::WallTime now = kNow,
                      OnMissingKey on_missing = OnMissingKey::ask) {
    Credential credential{kind, text};
    return authenticate({credential, *providers, key_sets, cache, now, on_missing});
  }
  Authentication bearer(std::string_view text, base::WallTime now = kNow) {
    return take(CredentialKind::bearer, text, now);
  }
};

TEST(Authenticate, NobodyIsNobody) {
  Worker worker{.providers = compile_with(inline_provider("p"))};
  EXPECT_EQ(worker.take(CredentialKind::none, "").outcome, Outcome::nobody);
}

TEST(Authenticate, ApiKeys) {
  crypto::SystemRandom random;
  const std::string key = make_api_key(random);
  Worker worker{.providers = compile_with(testing::key_provider("robots", {key_spec("k1", key)}))};
  auto known = worker.take(CredentialKind::api_key, key);
  ASSERT_EQ(known.outcome, Outcome::caller);
  EXPECT_EQ(known.identity->provider, "robots");
  EXPECT_EQ(known.identity->subject, "nightly");
  EXPECT_EQ(known.identity->credential_id, "k1");
  EXPECT_EQ(known.identity->scopes, (std::vector<std::string>{"orders:read"}));
  EXPECT_EQ(known.identity->groups, (std::vector<std::string>{"batch"}));

  const std::string other = make_api_key(random);
  struct Case {
    std::string text;
    base::WallTime now;
    std::string_view why;
  } const cases[] = {
      {key, {kNow.ns + 1'000'000'000}, "the API key has expired"},
      {other, kNow, "the API key is not known"},
      {key.substr(0, 51), kNow, "the API key is misspelt or cut short"},
      {"gh_", kNow, "the API key is misspelt or cut short"},
      {"anything", kNow, "the API key is misspelt or cut short"},
      {api_key_digest(key), kNow, "the API key is misspelt or cut short"},
  };
  for (const Case& c : cases) {
    auto result = worker.take(CredentialKind::api_key, c.text, c.now);
    EXPECT_EQ(result.outcome, Outcome::refused);
    EXPECT_EQ(result.error.reason, Reason::credential_invalid);
    EXPECT_EQ(result.error.detail, c.why);
    EXPECT_EQ(result.identity, nullptr);
  }
}

TEST(Authenticate, LastUseOutlivesAReloadOfTheKeyFile) {
  Worker worker{.providers = compile_with(testing::key_provider("robots", {key_spec("k1", "a")}))};
  EXPECT_EQ((*worker.providers)[0].keys[0].use->last_unix_seconds, 0);
  worker.take(CredentialKind::api_key, "a");
  EXPECT_EQ((*worker.providers)[0].keys[0].use->last_unix_seconds, kNow.unix_seconds());
  worker.take(CredentialKind::api_key, "a", {kNow.ns - 5'000'000'000});
  EXPECT_EQ((*worker.providers)[0].keys[0].use->last_unix_seconds, kNow.unix_seconds()) << "never goes back";
  auto next = compile_with(testing::key_provider("robots", {key_spec("k2", "b"), key_spec("k1", "a")}),
                           worker.providers.get());
  EXPECT_EQ(next->find("robots")->keys[0].use->last_unix_seconds, 0);
  EXPECT_EQ(next->find("robots")->keys[1].use->last_unix_seconds, kNow.unix_seconds());
}

TEST(Authenticate, ATokenIsVerifiedOnceAndThenCached) {
  Worker worker{.providers = compile_with(inline_provider("partners"))};
  std::string token = sign_token(Algorithm::es256);
  auto first = worker.bearer(token);
  ASSERT_EQ(first.outcome, Outcome::caller) << first.error.detail;
  EXPECT_EQ(worker.cache.entries(), 1u);
  EXPECT_EQ(worker.bearer(token).identity, first.identity)
      << "the very same, so that assertions are found again";
  EXPECT_EQ(worker.bearer(token, {kNow.ns + 330'000'000'000}).outcome, Outcome::refused)
      << "expired in the cache";
  EXPECT_EQ(worker.bearer(token + "x").outcome, Outcome::refused);
  EXPECT_EQ(worker.cache.entries(), 1u) << "refusals are not kept";
}

TEST(Authenticate, ANewKeySetInvalidatesTheCache) {
  Worker worker{.providers = compile_with(url_provider("partners"))};
  uint32_t slot = (*worker.providers)[0].key_slot;
  std::string token = sign_token(Algorithm::es256);
  worker.key_sets.put(slot, *parse_key_set(own_keys(Algorithm::es256)));
  auto first = worker.bearer(token);
  ASSERT_EQ(first.outcome, Outcome::caller);
  worker.key_sets.put(slot, *parse_key_set(own_keys(Algorithm::es256)));  // refetched, the same
  EXPECT_EQ(worker.bearer(token).identity, first.identity);
  worker.key_sets.put(slot, *parse_key_set(own_keys(Algorithm::eddsa)));  // the key was withdrawn
  EXPECT_EQ(worker.take(CredentialKind::bearer, token, kNow, OnMissingKey::refuse).outcome, Outcome::refused);
  worker.key_sets.drop(slot);
  EXPECT_EQ(worker.bearer(token).outcome, Outcome::needs_keys);
}

TEST(Authenticate, AChangedProviderInvalidatesTheCache) {
  Worker worker{.providers = compile_with(inline_provider("partners"))};
  std::string token = sign_token(Algorithm::es256);
  auto first = worker.bearer(token);
  ASSERT_EQ(first.outcome, Outcome::caller);

  // The same definition elsewhere in the file, behind another: nothing is verified again.
  auto moved = compile({+[] { return testing::key_provider("robots", {key_spec("k", "a")}); },
                        +[] {
                          auto spec = inline_provider("partners");
                          spec.source.line = 99;
                          return spec;
                        }},
                       worker.providers.get());
  EXPECT_EQ(moved->find("partners"), worker.providers->find("partners")) << "the same object";
  worker.providers = moved;
  EXPECT_EQ(worker.bearer(token).identity, first.identity);

  ProviderSpec narrower = inline_provider("partners");
  narrower.jwt->audience = {"billing"};
  worker.providers = compile_with(std::move(narrower), moved.get());
  auto refused = worker.bearer(token);
  EXPECT_EQ(refused.outcome, Outcome::refused);
  EXPECT_STREQ(refused.error.detail, "the token is for another audience");
}

TEST(Authenticate, AsksForKeysOnlyWhereThatMayHelp) {
  const std::string token = sign_token(Algorithm::es256);
  const std::string wrong_audience =
      testing::sign_raw(signing_key(Algorithm::es256), testing::header_for(signing_key(Algorithm::es256)),
                        R"({"iss":"https://id.partner.example","aud":"x","sub":"a","exp":1800000300})");
  const std::string other_algorithm = sign_token(Algorithm::es384);
  struct Case {
    const char* what;
    ProviderSpec spec;
    std::string loaded;  // empty: nothing
    std::string token;
    OnMissingKey on_missing;
    Outcome outcome;
    Reason reason = Reason::none;
  };
  std::vector<Case> cases;
  auto add = [&](Case c) { cases.push_back(std::move(c)); };
  add({"never loaded", url_provider("u"), "", token, OnMissingKey::ask, Outcome::needs_keys});
  add({"never loaded, asked before", url_provider("u"), "", token, OnMissingKey::refuse, Outcome::refused,
       Reason::key_set_unavailable});
  add({"kid unknown", url_provider("u"), own_keys(Algorithm::es384), token, OnMissingKey::ask,
       Outcome::needs_keys});
  add({"kid unknown, asked before", url_provider("u"), own_keys(Algorithm::es384), token,
       OnMissingKey::refuse, Outcome::refused, Reason::credential_invalid});
  add({"loaded", url_provider("u"), own_keys(Algorithm::es256), token, OnMissingKey::ask, Outcome::caller});
  add({"a token for others causes no fetch", url_provider("u"), "", wrong_audience, OnMissingKey::ask,
       Outcome::refused, Reason::credential_invalid});
  add({"an algorithm not allowed causes no fetch", url_provider("u"), "", other_algorithm, OnMissingKey::ask,
       Outcome::refused, Reason::credential_invalid});
  add({"garbage causes no fetch", url_provider("u"), "", "a.b.c", OnMissingKey::ask, Outcome::refused,
       Reason::credential_invalid});
  add({"a file is not fetched", testing::jwt_provider("f", {.file = "jwks.json"}, {Algorithm::es256}), "",
       token, OnMissingKey::ask, Outcome::refused, Reason::key_set_unavailable});
  add({"inline is not fetched",
       testing::jwt_provider("i", {.inline_json = own_keys(Algorithm::eddsa)}, {Algorithm::es256}), "", token,
       OnMissingKey::ask, Outcome::refused, Reason::credential_invalid});
  add({"no provider for tokens", testing::key_provider("k", {}), "", token, OnMissingKey::ask,
       Outcome::refused, Reason::credential_invalid});
  for (Case& c : cases) {
    Worker worker{.providers = compile_with(std::move(c.spec))};
    if (!c.loaded.empty()) worker.key_sets.put((*worker.providers)[0].key_slot, *parse_key_set(c.loaded));
    auto result = worker.take(CredentialKind::bearer, c.token, kNow, c.on_missing);
    EXPECT_EQ(result.outcome, c.outcome) << c.what;
    if (c.outcome == Outcome::refused) EXPECT_EQ(result.error.reason, c.reason) << c.what;
    if (c.outcome == Outcome::needs_keys) EXPECT_EQ(result.provider, 0u) << c.what;
  }
}

TEST(Authenticate, OneIssuerMayServeTwoProvidersOfDifferentAudience) {
  std::vector<ProviderSpec> specs;
  specs.push_back(inline_provider("a"));
  specs.push_back(inline_provider("b"));
  specs[0].jwt->audience = {"payments"};
  auto compiled = compile_providers(specs, nullptr);
  ASSERT_TRUE(compiled);
  Worker worker{.providers = *compiled};
  EXPECT_EQ(worker.bearer(sign_token(Algorithm::es256)).identity->provider, "b");
}

TEST(CompileProviders, KeySlotsFollowNameAndSource) {
  auto first = compile_with(url_provider("partners"));
  uint32_t slot = (*first)[0].key_slot;
  EXPECT_NE(slot, 0u);
  ProviderSpec wider = url_provider("partners");
  wider.jwt->audience.push_back("billing");
  auto second = compile_with(std::move(wider), first.get());
  EXPECT_EQ((*second)[0].key_slot, slot);
  EXPECT_NE((*second)[0].version, (*first)[0].version);
  ProviderSpec elsewhere = url_provider("partners");
  elsewhere.jwt->jwks.url = "https://other.example/jwks";
  auto third = compile_with(std::move(elsewhere), second.get());
  EXPECT_NE((*third)[0].key_slot, slot);
  EXPECT_EQ((*third)[0].key_location, "https://other.example/jwks");
  EXPECT_EQ((*third)[0].key_source, KeySource::url);
  auto renamed = compile_with(url_provider("others"), third.get());
  EXPECT_NE((*renamed)[0].key_slot, (*third)[0].key_slot);
}

TEST(CompileProviders, EveryFieldIsPartOfTheVersion) {
  const uint64_t before = (*compile_with(inline_provider("p")))[0].version;
  using Change = void (*)(ProviderSpec&);
  const Change changes[] = {
      [](ProviderSpec& s) { s.name = "q"; },
      [](ProviderSpec& s) { s.jwt->issuer += "/"; },
      [](ProviderSpec& s) { s.jwt->audience = {"a", "b"}; },
      [](ProviderSpec& s) { s.jwt->audience = {"ab"}; },
      [](ProviderSpec& s) { s.jwt->jwks.inline_json += " "; },
      [](ProviderSpec& s) { s.jwt->algorithms.push_back(Algorithm::rs256); },
      [](ProviderSpec& s) { s.jwt->clock_skew = base::seconds(0); },
      [](ProviderSpec& s) { s.jwt->claims.scopes = "scp"; },
      [](ProviderSpec& s) { s.jwt->claims.groups = "roles"; },
      [](ProviderSpec& s) { s.jwt->claims.subject = "uid"; },
  };
  std::vector<uint64_t> seen = {before};
  for (Change change : changes) {
    ProviderSpec spec = inline_provider("p");
    change(spec);
    uint64_t version = (*compile_with(std::move(spec)))[0].version;
    for (uint64_t other : seen) EXPECT_NE(version, other);
    seen.push_back(version);
  }
}

TEST(CompileProviders, ReportsEverythingThatIsWrong) {
  std::vector<ProviderSpec> specs;
  auto add = [&](ProviderSpec spec) {
    spec.source.line = static_cast<int>(specs.size()) + 1;
    specs.push_back(std::move(spec));
  };
  add(inline_provider("good"));
  add(inline_provider("same issuer"));
  add(testing::key_provider("good", {}));
  add(ProviderSpec{.name = "nothing", .jwt = {}, .api_keys = {}, .source = {}});
  ProviderSpec bare = testing::jwt_provider("bare", {}, {});
  bare.jwt->issuer.clear();
  bare.jwt->audience.clear();
  add(std::move(bare));
  add(testing::jwt_provider("broken keys", {.inline_json = "{}"}, {Algorithm::es256}));
  specs.back().jwt->issuer = "https://other.example";
  add(testing::jwt_provider("two sources", {.file = "a", .url = "b"}, {Algorithm::es256}));
  specs.back().jwt->issuer = "https://third.example";
  ApiKeySpec bad = key_spec("bad", "x");
  bad.digest = "sha256:zz";
  bad.source.line = 50;
  ApiKeySpec twice = key_spec("twice", "a");
  twice.source.line = 51;
  ApiKeySpec nobody = key_spec("nobody", "n");
  nobody.owner.clear();
  nobody.source.line = 52;
  add(testing::key_provider("keys", {key_spec("k", "a"), bad, twice, nobody}));
  auto compiled = compile_providers(specs, nullptr);
  ASSERT_FALSE(compiled);
  std::vector<int> lines;
  for (const CompileError& error : compiled.error()) lines.push_back(error.source.line);
  EXPECT_EQ(lines, (std::vector<int>{2, 3, 4, 5, 5, 5, 5, 6, 7, 50, 52, 51}));
  EXPECT_EQ(compiled.error()[0].message, "the provider \"good\" at  accepts the same issuer and audience");
}

}  // namespace
}  // namespace auth
