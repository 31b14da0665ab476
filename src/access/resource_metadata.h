// What a service takes for tokens, and the document that tells OAuth clients so (RFC 9728): whose tokens,
// with which scopes, bound or not. Compiled for each service by control/ from its rules and the gate's
// providers; the gate puts the document together for whoever asks, since it names the URL that was asked for.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/spec.h"

namespace auth {

// RFC 9728 §3.1: the path of the resource follows.
inline constexpr std::string_view kResourceMetadataPath = "/.well-known/oauth-protected-resource";

// A provider that takes tokens, as far as clients are told of it.
struct TokenProvider {
  std::string name;
  std::string issuer;  // empty: not known, or no URL
  SenderConstrained sender_constrained = SenderConstrained::when_bound;
  bool operator==(const TokenProvider&) const = default;
};
// Of people who log in (oidc) the gate takes sessions, and no tokens.
std::vector<TokenProvider> token_providers_of(std::span<const ProviderSpec> specs);

struct TokenTerms {
  std::vector<std::string> issuers;                                      // empty: there is no document
  std::vector<std::string> scopes;                                       // that rules ask for
  SenderConstrained sender_constrained = SenderConstrained::when_bound;  // required: by every provider
  bool operator==(const TokenTerms&) const = default;
};
// Of a service with these rules. nullopt: none of them lets in anybody for a token.
std::optional<TokenTerms> compile_token_terms(std::span<const RuleSpec> rules,
                                              std::span<const TokenProvider> providers);

// Whether connections of the listener that was asked can show a certificate that tokens may be bound to.
enum class ClientCertificates : uint8_t { not_asked_for, asked_for };

struct ResourceDocument {
  std::string_view resource;  // the URL that the client used
  std::string_view name;      // the service's
  ClientCertificates certificates = ClientCertificates::not_asked_for;
};
// JSON (RFC 9728 §2).
std::string resource_document(const TokenTerms& terms, const ResourceDocument& document);

}  // namespace auth
