#include "access/providers.h"

#include <algorithm>

#include "base/bytes.h"

namespace auth {
namespace {

std::unexpected<base::Error> refuse(const char* why) {
  return base::client_error(base::Reason::credential_invalid, why);
}

Authentication refused(base::Error error) {
  Authentication out;
  out.outcome = Authentication::Outcome::refused;
  out.error = error;
  return out;
}
Authentication refused(const char* why) { return refused(refuse(why).error()); }

Authentication caller(IdentityPtr identity) {
  Authentication out;
  out.outcome = Authentication::Outcome::caller;
  out.identity = std::move(identity);
  return out;
}

const KeySet* key_set_of(const Provider& provider, const KeySets& key_sets) {
  return provider.inline_keys ? provider.inline_keys.get() : key_sets.find(provider.key_slot);
}

Authentication authenticate_key(const AuthenticateInput& input) {
  std::string_view text = input.credential.text;
  const ApiKey* key = input.providers.api_keys().find(crypto::sha256(text));
  if (key == nullptr) {
    return refused(is_well_formed_api_key(text) ? "the API key is not known"
                                                : "the API key is misspelt or cut short");
  }
  if (input.now >= key->identity->expires) return refused("the API key has expired");
  // Written at most once a second, so that workers that share a key do not fight over its cache line.
  int64_t now_seconds = input.now.unix_seconds();
  auto& last = key->use->last_unix_seconds;
  if (last.load(std::memory_order_relaxed) < now_seconds) last.store(now_seconds, std::memory_order_relaxed);
  return caller(key->identity);
}

// Whether what the entry was decided by is what would decide today.
bool still_holds(const CachedToken& cached, const AuthenticateInput& input) {
  const Providers& providers = input.providers;
  uint32_t index = cached.provider;
  if (index >= providers.size() || providers[index].version != cached.provider_version) {
    for (index = 0; index < providers.size(); ++index) {
      if (providers[index].version == cached.provider_version) break;
    }
    if (index == providers.size()) return false;
  }
  if (providers[index].introspection) return providers.jwt_issuers_version() == cached.basis_version;
  const KeySet* keys = key_set_of(providers[index], input.key_sets);
  return keys != nullptr && keys->version() == cached.basis_version;
}

// By issuer, and among several of one issuer by audience; compile_providers made sure that at most one is
// meant.
base::Result<uint32_t> find_issuer(const Providers& providers, const UnverifiedJwt& token) {
  bool issuer_known = false;
  for (uint32_t i = 0; i < providers.size(); ++i) {
    const auto& policy = providers[i].jwt;
    if (!policy || policy->issuer != token.issuer) continue;
    issuer_known = true;
    if (has_audience(token.claims, policy->audience)) return i;
  }
  return refuse(issuer_known ? "the token is for another audience" : "the token's issuer is not accepted");
}

Authentication needs_keys(const AuthenticateInput& input, uint32_t index, base::Error otherwise) {
  bool may_be_fetched = input.providers[index].key_source == KeySource::url;
  if (!may_be_fetched || input.on_missing_key == OnMissingKey::refuse) return refused(otherwise);
  Authentication out;
  out.outcome = Authentication::Outcome::needs_keys;
  out.provider = index;
  return out;
}

// Whose the token says it is, whatever its header holds; nullopt: it cannot be read here.
std::optional<std::string> peek_issuer(std::string_view token) {
  size_t first = token.find('.');
  size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) return std::nullopt;
  auto payload = base::base64url_decode(token.substr(first + 1, second - first - 1));
  if (!payload) return std::nullopt;
  auto claims = parse_json(*payload, {});
  JsonValue issuer = claims ? claims->root().member("iss") : JsonValue();
  if (!issuer.is(JsonKind::string)) return std::nullopt;
  return std::string(issuer.text());
}

// Whom a token is shown to that no jwt provider vouches for. There is one introspection provider at most. One
// that says whose it is goes to nobody else: who is shown a token could use it.
std::optional<uint32_t> find_introspection(const Providers& providers, std::string_view token) {
  std::optional<uint32_t> index;
  for (uint32_t i = 0; i < providers.size() && !index; ++i) {
    if (providers[i].introspection) index = i;
  }
  if (!index) return std::nullopt;
  auto issuer = peek_issuer(token);
  if (!issuer) return index;
  for (uint32_t i = 0; i < providers.size(); ++i) {
    if (providers[i].jwt && providers[i].jwt->issuer == *issuer) return std::nullopt;
  }
  const std::string& own = providers[*index].introspection->spec.issuer;
  return own.empty() || own == *issuer ? index : std::nullopt;
}

// otherwise: what is wrong with the token where nobody can be asked about it.
Authentication ask_issuer(const AuthenticateInput& input, base::Error otherwise) {
  auto index = find_introspection(input.providers, input.credential.text);
  if (!index) return refused(otherwise);
  Authentication out;
  out.outcome = Authentication::Outcome::needs_introspection;
  out.error =
      base::gate_error(base::Reason::introspection_unavailable, "the token's issuer was not asked").error();
  out.provider = *index;
  return out;
}

Authentication verify_token(const AuthenticateInput& input, const crypto::Sha256& digest) {
  auto token = parse_jwt(input.credential.text);
  if (!token) return ask_issuer(input, token.error());
  auto index = find_issuer(input.providers, *token);
  if (!index) return ask_issuer(input, index.error());
  const Provider& provider = input.providers[*index];
  // Before any key is asked for, so that a token that can never pass causes no fetch.
  if (!provider.jwt->algorithms.has(token->algorithm))
    return refused("the token's algorithm is not accepted");
  const KeySet* keys = key_set_of(provider, input.key_sets);
  if (keys == nullptr) {
    return needs_keys(
        input, *index,
        base::gate_error(base::Reason::key_set_unavailable, "the issuer's keys have not been loaded yet")
            .error());
  }
  auto choice = keys->choose(token->kid, token->algorithm);
  switch (choice.match) {
    case KeySet::Match::unknown:
      return needs_keys(input, *index, refuse("the token's key is not one of the issuer's").error());
    case KeySet::Match::unfit:
      return refused("the token's algorithm does not fit its key");
    case KeySet::Match::ambiguous:
      return refused("the token does not say which key it was signed with");
    case KeySet::Match::found:
      break;
  }
  auto verified = verify_jwt(*token, *choice.key, *provider.jwt, input.now);
  if (!verified) return refused(verified.error());
  input.cache.insert({.digest = digest,
                      .provider_version = provider.version,
                      .basis_version = keys->version(),
                      .valid_from = verified->valid_from,
                      .valid_until = verified->valid_until,
                      .provider = *index,
                      .identity = verified->identity});
  return caller(std::move(verified->identity));
}

Authentication authenticate_token(const AuthenticateInput& input) {
  if (!input.providers.accepts_tokens()) return refused("no provider accepts bearer tokens");
  // Longer ones were never accepted, so they are not in the cache and not worth a digest.
  if (input.credential.text.size() > kTokenBytesMax) return refused("the token is too large");
  crypto::Sha256 digest = crypto::sha256(input.credential.text);
  if (const CachedToken* cached = input.cache.find(digest, input.now)) {
    if (still_holds(*cached, input)) {
      Authentication found = caller(cached->identity);
      found.cache = Authentication::Cache::hit;
      return found;
    }
  }
  Authentication verified = verify_token(input, digest);
  verified.cache = Authentication::Cache::miss;
  return verified;
}

}  // namespace

const Provider* Providers::find(std::string_view name) const {
  for (const auto& provider : list_) {
    if (provider->name == name) return provider.get();
  }
  return nullptr;
}

void keep_introspected(const AuthenticateInput& input, uint32_t provider, const Introspected& introspected) {
  if (introspected.valid_until <= input.now) return;  // `cache: 0s`: asked every time
  input.cache.insert({.digest = crypto::sha256(input.credential.text),
                      .provider_version = input.providers[provider].version,
                      .basis_version = input.providers.jwt_issuers_version(),
                      .valid_from = {},
                      .valid_until = introspected.valid_until,
                      .provider = provider,
                      .identity = introspected.identity});
}

Authentication authenticate(const AuthenticateInput& input) {
  switch (input.credential.kind) {
    case CredentialKind::none:
      return {};
    case CredentialKind::api_key:
      return authenticate_key(input);
    case CredentialKind::bearer:
    case CredentialKind::dpop:
      return authenticate_token(input);
  }
  return refused("the credential is of an unknown kind");
}

}  // namespace auth
