// Everyone who can vouch for a caller, compiled from the gate's file, and the stage "authenticate": one
// credential in, an identity or a refusal out. Immutable; part of a Snapshot. A provider whose definition did
// not change is the same object in the next generation, and so cached tokens, key sets and last-use times
// survive reloads.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/api_key.h"
#include "access/client_cert.h"
#include "access/credential.h"
#include "access/introspection.h"
#include "access/jwks.h"
#include "access/jwt.h"
#include "access/oidc.h"
#include "access/spec.h"
#include "access/token_cache.h"
#include "base/result.h"

namespace auth {

// What is wrong with a definition, for the diagnostics.
struct CompileError {
  base::Source source;
  std::string message;
};

// How a provider's key set is come by; what control/ has to do for it.
// discovery: the issuer's metadata says where.
enum class KeySource : uint8_t { none, inline_json, file, url, discovery };

struct Provider {
  std::string name;
  uint64_t version = 0;      // follows from the definition's content, not from its place in a file
  std::vector<ApiKey> keys;  // of an api_keys provider, in the order of its file
  std::optional<JwtPolicy> jwt;
  std::optional<ClientCertPolicy> client_cert;
  std::optional<OidcPolicy> oidc;
  std::optional<IntrospectionPolicy> introspection;
  KeySource key_source = KeySource::none;
  std::string key_location;  // the file or URL as written; of discovery, the issuer
  KeySetPtr inline_keys;
  // Names the key set in a worker's KeySets. Stays the same while name and source of the set do, also across
  // changes of audience, algorithms and the like; never given to another set.
  uint32_t key_slot = 0;
};

class Providers {
 public:
  uint32_t size() const { return static_cast<uint32_t>(list_.size()); }
  const Provider& operator[](uint32_t i) const { return *list_[i]; }
  const Provider* find(std::string_view name) const;

  const ApiKeyTable& api_keys() const { return api_keys_; }
  // Of jwt and introspection providers.
  bool accepts_tokens() const { return accepts_tokens_; }
  // Of the issuers of jwt providers: their tokens are never shown to an introspection endpoint.
  uint64_t jwt_issuers_version() const { return jwt_issuers_version_; }
  // Whether anybody vouches for keys or tokens, which a request carries itself.
  bool reads_credentials() const { return reads_credentials_; }
  // Of the client_cert providers, in their order: equal where the same certificates make the same callers.
  // 0: there are none.
  uint64_t certificates_version() const { return certificates_version_; }

 private:
  friend class ProvidersCompiler;
  std::vector<std::shared_ptr<const Provider>> list_;  // in the order of the definitions
  ApiKeyTable api_keys_;
  bool accepts_tokens_ = false;
  bool reads_credentials_ = false;
  uint64_t jwt_issuers_version_ = 0;
  uint64_t certificates_version_ = 0;
};

// previous: the generation before, or null. All errors are reported.
std::expected<std::shared_ptr<const Providers>, std::vector<CompileError>> compile_providers(
    std::span<const ProviderSpec> specs, const Providers* previous);

// What to do when the key a token names is not in the set at hand. ask: say so, once, so that the caller can
// wait for a refetch and call again with refuse.
enum class OnMissingKey : uint8_t { ask, refuse };

struct Authentication {
  // needs_introspection: only the provider's issuer can read the token. Ask, and keep_introspected().
  enum class Outcome : uint8_t {
    nobody,
    caller,
    refused,
    needs_keys,
    needs_introspection
  } outcome = Outcome::nobody;
  IdentityPtr identity;  // caller
  // refused: credential_invalid or key_set_unavailable. needs_introspection: where nobody can be asked.
  base::Error error;
  // Whether the token was found verified; not_asked for what is never kept, such as an API key.
  enum class Cache : uint8_t { not_asked, hit, miss } cache = Cache::not_asked;
  // needs_keys: index; its key_slot names the set to fetch. needs_introspection: index.
  uint32_t provider = 0;
};

struct AuthenticateInput {
  const Credential& credential;
  const Providers& providers;
  const KeySets& key_sets;  // the worker's
  TokenCache& cache;        // the worker's
  base::WallTime now;
  OnMissingKey on_missing_key = OnMissingKey::ask;
};

// Never allocates for an API key or a cached token.
Authentication authenticate(const AuthenticateInput& input);

// Keeps what the issuer said of the token, for authenticate() to find. provider: as needs_introspection gave
// it, for the same providers.
void keep_introspected(const AuthenticateInput& input, uint32_t provider, const Introspected& introspected);

}  // namespace auth
