#include "access/resource_metadata.h"

#include <algorithm>

#include "access/proof.h"
#include "access/rules.h"
#include "base/bytes.h"

namespace auth {
namespace {

// RFC 8414 §2: an issuer is an URL. Others are names between the gate and its tokens, which lead nowhere.
bool is_url(std::string_view issuer) {
  return issuer.starts_with("https://") || issuer.starts_with("http://");
}

void add_once(std::vector<std::string>& list, const std::string& item) {
  if (std::ranges::find(list, item) == list.end()) list.push_back(item);
}

std::string json_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out.append(out.empty() ? "[" : ",").append(base::json_quoted(item));
  return out + "]";
}

std::vector<std::string> proof_algorithms() {
  std::vector<std::string> names;
  std::string_view left = kProofAlgorithms;
  while (!left.empty()) {
    size_t end = std::min(left.find(' '), left.size());
    names.emplace_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return names;
}

}  // namespace

std::vector<TokenProvider> token_providers_of(std::span<const ProviderSpec> specs) {
  std::vector<TokenProvider> out;
  for (const ProviderSpec& spec : specs) {
    if (spec.jwt) out.push_back({spec.name, spec.jwt->issuer, spec.jwt->sender_constrained});
    if (spec.introspection) {
      out.push_back({spec.name, spec.introspection->issuer, spec.introspection->sender_constrained});
    }
  }
  for (TokenProvider& provider : out) {
    if (!is_url(provider.issuer)) provider.issuer.clear();
  }
  return out;
}

std::optional<TokenTerms> compile_token_terms(std::span<const RuleSpec> rules,
                                              std::span<const TokenProvider> providers) {
  TokenTerms terms{.sender_constrained = SenderConstrained::required};
  bool any = false;
  for (const TokenProvider& provider : providers) {
    bool counts = false;
    for (const RuleSpec& rule : rules) {
      if (rule.effect != Effect::allow || rule.observe || rule.who.anyone) continue;
      if (!can_meet(rule.who, provider.name)) continue;
      counts = true;
      for (const std::string& scope : rule.who.scopes) add_once(terms.scopes, scope);
    }
    if (!counts) continue;
    any = true;
    if (!provider.issuer.empty()) add_once(terms.issuers, provider.issuer);
    if (provider.sender_constrained == SenderConstrained::when_bound)
      terms.sender_constrained = SenderConstrained::when_bound;
  }
  if (!any) return std::nullopt;
  return terms;
}

std::string resource_document(const TokenTerms& terms, const ResourceDocument& document) {
  bool certificates = document.certificates == ClientCertificates::asked_for;
  // Where there are no certificates, a token that has to be bound can only be bound by DPoP.
  bool dpop_alone = terms.sender_constrained == SenderConstrained::required && !certificates;
  std::string out = "{\"resource\":" + base::json_quoted(document.resource);
  out += ",\"authorization_servers\":" + json_list(terms.issuers);
  if (!terms.scopes.empty()) out += ",\"scopes_supported\":" + json_list(terms.scopes);
  out += ",\"bearer_methods_supported\":[\"header\"]";
  out += ",\"resource_name\":" + base::json_quoted(document.name);
  out += ",\"tls_client_certificate_bound_access_tokens\":";
  out += certificates ? "true" : "false";
  out += ",\"dpop_signing_alg_values_supported\":" + json_list(proof_algorithms());
  out += ",\"dpop_bound_access_tokens_required\":";
  out += dpop_alone ? "true" : "false";
  return out + "}";
}

}  // namespace auth
