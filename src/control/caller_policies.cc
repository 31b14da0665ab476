#include "control/caller_policies.h"

#include <algorithm>

namespace control {
namespace {

gate::BackendToken kind_of(config::BackendToken kind) {
  switch (kind) {
    case config::BackendToken::none:
      break;
    case config::BackendToken::caller:
      return gate::BackendToken::caller;
    case config::BackendToken::exchange:
      return gate::BackendToken::exchange;
    case config::BackendToken::client_credentials:
      return gate::BackendToken::client_credentials;
  }
  return gate::BackendToken::none;
}

}  // namespace

std::vector<std::string> login_providers_of(std::span<const auth::RuleSpec> rules,
                                            std::span<const std::string> oidc_providers) {
  std::vector<std::string> providers;
  for (const std::string& name : oidc_providers) {
    auto asks_for_one = [&](const auth::RuleSpec& rule) {
      return rule.effect == auth::Effect::allow && !rule.observe && !rule.who.anyone &&
             auth::can_meet(rule.who, name);
    };
    if (std::ranges::any_of(rules, asks_for_one)) providers.push_back(name);
  }
  return providers;
}

std::optional<auth::TokenTerms> token_terms_of(const config::ServiceSettings& settings,
                                               std::span<const auth::TokenProvider> providers) {
  auto terms = auth::compile_token_terms(settings.access, providers);
  if (terms && settings.resource_metadata == config::ResourceMetadata::off) terms->issuers.clear();
  return terms;
}

gate::BackendTokenPolicy token_policy_of(const config::TokenSettings& token) {
  return {.kind = kind_of(token.kind),
          .provider = token.provider,
          .audience = token.audience,
          .resource = token.resource,
          .scopes = token.scopes};
}

gate::CsrfPolicy csrf_policy_of(const config::CsrfSettings& csrf) {
  gate::CsrfPolicy policy;
  if (csrf.cross_site == config::CrossSite::allowed) policy.cross_site = gate::CrossSite::allowed;
  for (const std::string& text : csrf.origins) {
    // The loader has parsed each before; one that is none adds nobody.
    if (auto origin = websocket::OriginPattern::parse(text)) policy.origins.push_back(std::move(*origin));
  }
  return policy;
}

}  // namespace control
