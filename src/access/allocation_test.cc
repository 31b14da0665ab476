// The promise "no heap allocation in steady state" for what runs on every request, counted: operator new of
// the whole test binary goes through here.

#include <cstdlib>
#include <new>

#include "access/assertion.h"
#include "access/cross_site.h"
#include "access/revocations.h"
#include "access/rules.h"
#include "access/test_tokens.h"
#include "gtest/gtest.h"

namespace {
thread_local size_t allocations = 0;
}

#if !__has_feature(thread_sanitizer)  // which brings its own, not to be replaced: it counts nothing
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  std::abort();
}
// Also the form that sorting uses, since AddressSanitizer brings its own and both end in the same delete.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace auth {
namespace {

using testing::kNow;

template <class Work>
size_t allocations_of(const Work& work) {
  work();  // warms what is made once a thread
  size_t before = allocations;
  for (int i = 0; i < 10; ++i) work();
  return allocations - before;
}

TEST(Allocations, TheCounterCounts) {
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "it cannot count under ThreadSanitizer";
#endif
  EXPECT_GE(allocations_of([] { std::string text(100, 'x'); }), 10u);
}

TEST(Allocations, FindingACredential) {
  http::Headers headers;
  headers.add({.name = "authorization", .value = "Bearer abc.def.ghi", .id = http::HeaderId::authorization});
  EXPECT_EQ(allocations_of([&] { EXPECT_TRUE(find_credential(headers)); }), 0u);
}

TEST(Allocations, AuthenticatingByKeyAndByCachedToken) {
  ApiKeySpec key{.id = "k",
                 .digest = api_key_digest("a"),
                 .owner = "nightly",
                 .scopes = {},
                 .groups = {},
                 .created = {},
                 .expires = {},
                 .source = {}};
  std::vector<ProviderSpec> specs;
  specs.push_back(testing::key_provider("robots", {key}));
  specs.push_back(testing::jwt_provider(
      "partners",
      {.inline_json = testing::key_set_json({testing::signing_key(Algorithm::es256).public_jwk()})},
      {Algorithm::es256}));
  auto providers = *compile_providers(specs, nullptr);
  KeySets key_sets;
  TokenCache cache;
  std::string token = testing::sign_token(Algorithm::es256);
  for (Credential credential :
       {Credential{CredentialKind::api_key, "a"}, Credential{CredentialKind::bearer, token}}) {
    EXPECT_EQ(allocations_of([&] {
                auto result = authenticate({credential, *providers, key_sets, cache, kNow});
                EXPECT_EQ(result.outcome, Authentication::Outcome::caller);
              }),
              0u);
  }
}

TEST(Allocations, DecidingAndFindingAnAssertion) {
  RuleSpec rule;
  rule.name = "r";
  rule.who.claims.push_back({.path = "realm.roles", .values = {"x", "y"}, .source = {}});
  rule.who.groups = {"a group with a name longer than any small string", "b"};
  rule.on.push_back({.methods = {"GET", "PURGE"}, .path = "/orders/{id}/items/**", .source = {}});
  std::vector<RuleSpec> list;
  list.push_back(std::move(rule));
  auto rules = *compile_rules({.rules = list});
  Identity fields;
  fields.groups = {"a group with a name longer than any small string"};
  fields.claims = *parse_json(R"({"realm":{"roles":["z","y"]}})", {});
  IdentityPtr caller = make_identity(std::move(fields));
  RuleSet none;
  Call call{.method = "PURGE", .path = "/orders/7/items/8", .client = {}, .caller = caller.get()};
  EXPECT_EQ(allocations_of([&] { EXPECT_TRUE(check_access(none, *rules, call).allowed); }), 0u);
  call.path = "/orders/7";
  EXPECT_EQ(allocations_of([&] { EXPECT_FALSE(check_access(none, *rules, call).allowed); }), 0u);

  AssertionSigner signer(
      {.key = testing::signing_key(Algorithm::es256), .earlier_jwks = {}, .issuer = "https://g"});
  AssertionCache assertions;
  crypto::SystemRandom random;
  EXPECT_EQ(allocations_of(
                [&] { EXPECT_TRUE(assertions.find_or_make({signer, *caller, 1, "orders", kNow, random})); }),
            0u);
}

TEST(Allocations, LookingAtASession) {
  Session session;
  session.id = "0123456789abcdefghijkl";
  session.provider = "a provider with a name longer than any small string";
  session.provider_session = "a session of the issuer's with a name longer than any small string";
  session.signed_in = session.seen = kNow;
  session.tokens_until = session.ends = kNow + base::seconds(3600);
  Revocations revocations;
  for (RevokedBy by : {RevokedBy::session, RevokedBy::provider_session, RevokedBy::subject}) {
    for (int i = 0; i < 100; ++i) {
      revocations.add({by, session.provider, session.provider_session + std::to_string(i), kNow, kNow});
    }
  }
  http::Headers headers;
  headers.add({.name = "origin", .value = "https://shop.example", .id = http::HeaderId::origin});
  const CrossSiteCheck check{.method = http::Method::post,
                             .asked = Asked::request,
                             .headers = headers,
                             .own = {.scheme = "https", .host = "shop.example"},
                             .allowed = {}};
  EXPECT_EQ(allocations_of([&] {
              EXPECT_TRUE(check_session(session, {}, kNow));
              EXPECT_FALSE(revocations.covers(session, session.provider_session));
              EXPECT_TRUE(check_cross_site(check));
            }),
            0u);
}

}  // namespace
}  // namespace auth
