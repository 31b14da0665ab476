#include "access/resource_metadata.h"

#include "access/json.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using Names = std::vector<std::string>;

ProviderSpec jwt(std::string name, std::string issuer,
                 SenderConstrained bound = SenderConstrained::when_bound) {
  ProviderSpec spec;
  spec.name = std::move(name);
  spec.jwt.emplace();
  spec.jwt->issuer = std::move(issuer);
  spec.jwt->sender_constrained = bound;
  return spec;
}

std::vector<ProviderSpec> all_kinds() {
  std::vector<ProviderSpec> specs;
  specs.push_back(jwt("partners", "https://partners.example"));
  specs.push_back(jwt("bound", "https://bound.example", SenderConstrained::required));
  specs.push_back(jwt("named", "our-own-issuer"));
  ProviderSpec legacy;
  legacy.name = "legacy";
  legacy.introspection.emplace();
  legacy.introspection->issuer = "https://legacy.example";
  specs.push_back(legacy);
  ProviderSpec staff;
  staff.name = "staff";
  staff.oidc.emplace();
  staff.oidc->issuer = "https://staff.example";
  specs.push_back(staff);
  ProviderSpec robots;
  robots.name = "robots";
  robots.api_keys.emplace();
  specs.push_back(robots);
  return specs;
}

RuleSpec allow(WhoSpec who) {
  RuleSpec rule;
  rule.who = std::move(who);
  return rule;
}

std::optional<TokenTerms> terms_of(std::vector<RuleSpec> rules) {
  auto specs = all_kinds();
  return compile_token_terms(rules, token_providers_of(specs));
}
template <class... Rules>
std::optional<TokenTerms> terms_with(Rules... rules) {
  std::vector<RuleSpec> list;
  (list.push_back(std::move(rules)), ...);
  return terms_of(std::move(list));
}

TEST(TokenTerms, AreThoseOfTheProvidersThatRulesLetIn) {
  auto partners = terms_with(allow({.providers = {"partners"}, .scopes = {"read", "write"}}),
                             allow({.providers = {"partners"}, .scopes = {"read", "admin"}}));
  ASSERT_TRUE(partners);
  EXPECT_EQ(partners->issuers, (Names{"https://partners.example"}));
  EXPECT_EQ(partners->scopes, (Names{"read", "write", "admin"}));
  EXPECT_EQ(partners->sender_constrained, SenderConstrained::when_bound);

  auto any = terms_with(allow({.authenticated = true}));
  ASSERT_TRUE(any);
  EXPECT_EQ(any->issuers,
            (Names{"https://partners.example", "https://bound.example", "https://legacy.example"}));

  auto bound = terms_with(allow({.providers = {"bound"}}));
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->sender_constrained, SenderConstrained::required);

  auto named = terms_with(allow({.providers = {"named"}}));
  ASSERT_TRUE(named);
  EXPECT_EQ(named->issuers, Names{});
}

TEST(TokenTerms, AreNoneWhereNoTokenLetsAnybodyIn) {
  EXPECT_FALSE(terms_with());
  EXPECT_FALSE(terms_with(allow({.anyone = true})));
  EXPECT_FALSE(terms_with(allow({.providers = {"robots"}}), allow({.providers = {"staff"}})));
  RuleSpec observed = allow({.providers = {"partners"}});
  observed.observe = true;
  RuleSpec deny = allow({.providers = {"partners"}});
  deny.effect = Effect::deny;
  EXPECT_FALSE(terms_with(std::move(observed), std::move(deny)));
}

TEST(ResourceDocument, SaysWhatRfc9728Asks) {
  TokenTerms terms{.issuers = {"https://a.example", "https://b.example"}, .scopes = {"read"}};
  EXPECT_EQ(
      resource_document(terms, {.resource = "https://api.example/orders", .name = "orders"}),
      R"({"resource":"https://api.example/orders",)"
      R"("authorization_servers":["https://a.example","https://b.example"],"scopes_supported":["read"],)"
      R"("bearer_methods_supported":["header"],"resource_name":"orders",)"
      R"("tls_client_certificate_bound_access_tokens":false,)"
      R"("dpop_signing_alg_values_supported":["ES256","ES384","ES512","EdDSA","PS256","PS384","PS512",)"
      R"("RS256","RS384","RS512"],"dpop_bound_access_tokens_required":false})");
}

TEST(ResourceDocument, TokensThatHaveToBeBoundAreBoundAsTheListenerAllows) {
  struct Case {
    SenderConstrained bound;
    ClientCertificates certificates;
    std::string_view tls, dpop;
  } const cases[] = {
      {SenderConstrained::when_bound, ClientCertificates::not_asked_for, "false", "false"},
      {SenderConstrained::when_bound, ClientCertificates::asked_for, "true", "false"},
      {SenderConstrained::required, ClientCertificates::not_asked_for, "false", "true"},
      {SenderConstrained::required, ClientCertificates::asked_for, "true", "false"},
  };
  for (const Case& c : cases) {
    TokenTerms terms{.issuers = {"https://a.example"}, .sender_constrained = c.bound};
    auto tree =
        parse_json(resource_document(
                       terms, {.resource = "https://a/\"b", .name = "a\"b", .certificates = c.certificates}),
                   {});
    ASSERT_TRUE(tree);
    JsonValue root = tree->root();
    EXPECT_EQ(root.member("resource").text(), "https://a/\"b");
    EXPECT_EQ(root.member("tls_client_certificate_bound_access_tokens").text(), c.tls);
    EXPECT_EQ(root.member("dpop_bound_access_tokens_required").text(), c.dpop);
    EXPECT_FALSE(root.member("scopes_supported"));
  }
}

}  // namespace
}  // namespace auth
