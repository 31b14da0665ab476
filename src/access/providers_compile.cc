// compile_providers: from what the user wrote to what authenticate() uses, reporting everything that is
// wrong.

#include <algorithm>
#include <atomic>
#include <cstring>

#include "access/providers.h"
#include "base/bytes.h"

namespace auth {
namespace {

// The definition as unambiguous text: every field behind its length. Places in files are left out, so that
// moving a definition changes nothing.
class Fingerprint {
 public:
  void add(std::string_view field) { text_.append(std::to_string(field.size())).append(":").append(field); }
  void add(int64_t number) { add(std::string_view(std::to_string(number))); }
  void add(const std::vector<std::string>& list) {
    add(static_cast<int64_t>(list.size()));
    for (const std::string& item : list) add(std::string_view(item));
  }
  uint64_t hash() const {
    crypto::Sha256 digest = crypto::sha256(text_);
    uint64_t hash;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }

 private:
  std::string text_;
};

void add_claim_names(Fingerprint& print, const ClaimNames& names) {
  print.add(names.subject);
  print.add(names.scopes);
  print.add(names.groups);
  print.add(names.groups_separator);
}

void add_jwt(Fingerprint& print, const JwtSpec& spec) {
  print.add(spec.issuer);
  print.add(spec.audience);
  print.add(spec.jwks.file);
  print.add(spec.jwks.url);
  print.add(spec.jwks.inline_json);
  print.add(static_cast<int64_t>(spec.algorithms.size()));
  for (Algorithm algorithm : spec.algorithms) print.add(crypto::algorithm_name(algorithm));
  print.add(spec.clock_skew.ns);
  add_claim_names(print, spec.claims);
  print.add(static_cast<int64_t>(spec.sender_constrained));
}

void add_client(Fingerprint& print, const ClientSpec& client) {
  print.add(client.id);
  print.add(client.secret);
  print.add(static_cast<int64_t>(client.auth));
}

void add_oidc(Fingerprint& print, const OidcSpec& spec) {
  print.add(spec.issuer);
  add_client(print, spec.client);
  print.add(spec.scopes);
  print.add(static_cast<int64_t>(spec.algorithms.size()));
  for (Algorithm algorithm : spec.algorithms) print.add(crypto::algorithm_name(algorithm));
  print.add(spec.clock_skew.ns);
  print.add(static_cast<int64_t>(spec.userinfo));
  print.add(spec.resource);
  print.add(spec.label);
  print.add(spec.prompt);
  add_claim_names(print, spec.claims);
}

void add_introspection(Fingerprint& print, const IntrospectionSpec& spec) {
  print.add(spec.url);
  add_client(print, spec.client);
  print.add(spec.issuer);
  print.add(spec.audience);
  print.add(spec.cache.ns);
  add_claim_names(print, spec.claims);
  print.add(static_cast<int64_t>(spec.sender_constrained));
}

void add_keys(Fingerprint& print, const ApiKeysSpec& spec) {
  print.add(static_cast<int64_t>(spec.keys.size()));
  for (const ApiKeySpec& key : spec.keys) {
    print.add(key.id);
    print.add(key.digest);
    print.add(key.owner);
    print.add(key.scopes);
    print.add(key.groups);
    print.add(key.expires.value_or(base::WallTime{INT64_MAX}).ns);
  }
}

void add_client_cert(Fingerprint& print, const ClientCertSpec& spec) {
  print.add(spec.ca_pem);
  print.add(static_cast<int64_t>(spec.identity.size()));
  for (CertificateName kind : spec.identity) print.add(static_cast<int64_t>(kind));
  print.add(static_cast<int64_t>(spec.groups_from));
}

std::string_view mechanism_of(const ProviderSpec& spec) {
  if (spec.jwt) return "jwt";
  if (spec.api_keys) return "api_keys";
  if (spec.oidc) return "oidc";
  return spec.introspection ? "introspection" : "client_cert";
}

uint64_t version_of(const ProviderSpec& spec) {
  Fingerprint print;
  print.add(spec.name);
  print.add(mechanism_of(spec));
  if (spec.jwt) add_jwt(print, *spec.jwt);
  if (spec.api_keys) add_keys(print, *spec.api_keys);
  if (spec.client_cert) add_client_cert(print, *spec.client_cert);
  if (spec.oidc) add_oidc(print, *spec.oidc);
  if (spec.introspection) add_introspection(print, *spec.introspection);
  return print.hash();
}

uint32_t next_key_slot() {
  static std::atomic<uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

bool share_a_value(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&](const std::string& item) { return std::find(b.begin(), b.end(), item) != b.end(); });
}

}  // namespace

class ProvidersCompiler {
 public:
  explicit ProvidersCompiler(const Providers* previous) : previous_(previous) {}

  void add(const ProviderSpec& spec) {
    if (out_->find(spec.name) != nullptr) {
      report(spec.source, "two providers are called " + base::json_quoted(spec.name));
      return;
    }
    int mechanisms = spec.jwt.has_value() + spec.api_keys.has_value() + spec.client_cert.has_value() +
                     spec.oidc.has_value() + spec.introspection.has_value();
    if (mechanisms != 1) {
      report(spec.source,
             "a provider needs exactly one mechanism: `jwt`, `api_keys`, `client_cert`, `oidc` or "
             "`introspection`");
      return;
    }
    uint64_t version = version_of(spec);
    const Provider* before = previous_ != nullptr ? previous_->find(spec.name) : nullptr;
    if (before != nullptr && before->version == version) {
      take_over(spec.name);
    } else {
      auto provider = std::make_shared<Provider>();
      provider->name = spec.name;
      provider->version = version;
      if (spec.jwt) compile_jwt(spec, before, *provider);
      if (spec.api_keys) compile_keys(*spec.api_keys, *provider);
      if (spec.oidc) compile_oidc(spec, before, *provider);
      if (spec.introspection) compile_introspection(spec, *provider);
      if (spec.client_cert) compile_authorities(*spec.client_cert, *provider);
      out_->list_.push_back(std::move(provider));
    }
    out_->accepts_tokens_ |= spec.jwt || spec.introspection;
    out_->reads_credentials_ |= spec.jwt || spec.introspection || spec.api_keys;
    check_issuer(spec);
    check_opaque(spec);
    note_digests(spec);
  }

  std::expected<std::shared_ptr<const Providers>, std::vector<CompileError>> finish() {
    check_unique_digests();
    if (!errors_.empty()) return std::unexpected(std::move(errors_));
    std::vector<const ApiKey*> keys;
    Fingerprint certificates;
    Fingerprint jwt_issuers;
    for (const auto& provider : out_->list_) {
      if (provider->jwt) jwt_issuers.add(provider->jwt->issuer);
      if (provider->client_cert) {
        certificates.add(static_cast<int64_t>(provider->version));
        out_->certificates_version_ = certificates.hash();
      }
      for (const ApiKey& key : provider->keys) keys.push_back(&key);
    }
    out_->jwt_issuers_version_ = jwt_issuers.hash();
    out_->api_keys_ = ApiKeyTable(std::move(keys));
    return out_;
  }

 private:
  struct Digest {
    crypto::Sha256 digest;
    const ApiKeySpec* key;
    size_t place;  // among all keys, so that the later one is reported
  };

  void report(const base::Source& source, std::string message) {
    errors_.push_back({.source = source, .message = std::move(message)});
  }

  void take_over(std::string_view name) {
    for (const auto& provider : previous_->list_) {
      if (provider->name == name) out_->list_.push_back(provider);
    }
  }

  void compile_jwt(const ProviderSpec& spec, const Provider* before, Provider& provider) {
    const JwtSpec& jwt = *spec.jwt;
    if (jwt.issuer.empty()) report(spec.source, "`issuer` is missing");
    if (jwt.audience.empty()) {
      report(spec.source,
             "`audience` is missing: without it, tokens made for other services would be accepted");
    }
    if (jwt.algorithms.empty()) report(spec.source, "`algorithms` is missing");
    JwtPolicy policy{.provider = spec.name,
                     .issuer = jwt.issuer,
                     .audience = jwt.audience,
                     .algorithms = {},
                     .clock_skew = jwt.clock_skew,
                     .claims = jwt.claims,
                     .sender_constrained = jwt.sender_constrained};
    for (Algorithm algorithm : jwt.algorithms) policy.algorithms.add(algorithm);
    provider.jwt = std::move(policy);
    compile_key_source(spec, before, provider);
  }

  void compile_key_source(const ProviderSpec& spec, const Provider* before, Provider& provider) {
    const KeySetSpec& jwks = spec.jwt->jwks;
    const base::Source& place = jwks.source.file ? jwks.source : spec.source;
    if (!jwks.file.empty() + !jwks.url.empty() + !jwks.inline_json.empty() != 1) {
      report(place, "`jwks` needs exactly one of a file, a URL and an inline key set");
      return;
    }
    if (!jwks.inline_json.empty()) {
      provider.key_source = KeySource::inline_json;
      auto keys = parse_key_set(jwks.inline_json);
      if (keys) {
        provider.inline_keys = *keys;
      } else {
        report(place, "the key set cannot be used: " + keys.error());
      }
    } else {
      provider.key_source = jwks.url.empty() ? KeySource::file : KeySource::url;
      provider.key_location = jwks.url.empty() ? jwks.file : jwks.url;
    }
    choose_key_slot(before, provider);
  }

  static void choose_key_slot(const Provider* before, Provider& provider) {
    bool same_set = before != nullptr && before->key_slot != 0 && before->key_source == provider.key_source &&
                    before->key_location == provider.key_location;
    provider.key_slot = same_set ? before->key_slot : next_key_slot();
  }

  void compile_oidc(const ProviderSpec& spec, const Provider* before, Provider& provider) {
    if (spec.oidc->issuer.empty()) report(spec.source, "`issuer` is missing");
    if (spec.oidc->client.id.empty()) report(spec.source, "`client_id` is missing");
    OidcPolicy policy{.provider = spec.name,
                      .spec = *spec.oidc,
                      .algorithms = {},
                      .registration = name_registration(*spec.oidc)};
    for (Algorithm algorithm : spec.oidc->algorithms) policy.algorithms.add(algorithm);
    provider.oidc = std::move(policy);
    provider.key_source = KeySource::discovery;
    provider.key_location = spec.oidc->issuer;
    choose_key_slot(before, provider);
  }

  void compile_introspection(const ProviderSpec& spec, Provider& provider) {
    if (spec.introspection->url.empty()) report(spec.source, "`url` is missing");
    if (spec.introspection->audience.empty()) {
      report(spec.source,
             "`audience` is missing: without it, tokens made for other services would be accepted");
    }
    provider.introspection = IntrospectionPolicy{.provider = spec.name, .spec = *spec.introspection};
  }

  void compile_keys(const ApiKeysSpec& spec, Provider& provider) {
    for (const ApiKeySpec& key : spec.keys) {
      auto digest = parse_api_key_digest(key.digest);
      if (!digest) {
        report(key.source, "`digest` is not \"sha256:\" and 64 lower-case hexadecimal digits");
        continue;
      }
      if (key.owner.empty()) report(key.source, "`owner` is missing");
      Identity identity;
      identity.provider = provider.name;
      identity.subject = key.owner;
      identity.groups = key.groups;
      identity.scopes = key.scopes;
      identity.credential_id = key.id;
      if (key.expires) identity.expires = *key.expires;
      provider.keys.push_back({.digest = *digest,
                               .identity = make_identity(std::move(identity)),
                               .use = use_of(*digest, provider.name)});
    }
  }

  void compile_authorities(const ClientCertSpec& spec, Provider& provider) {
    if (spec.identity.empty())
      report(spec.ca_source, "`identity` is empty: no certificate would have a subject");
    auto policy = compile_client_cert(spec, provider.name);
    if (policy) {
      provider.client_cert = std::move(*policy);
    } else {
      report(spec.ca_source,
             "the authorities of " + base::json_quoted(provider.name) + " cannot be used: " + policy.error());
    }
  }

  std::shared_ptr<ApiKeyUse> use_of(const crypto::Sha256& digest, std::string_view provider) const {
    const ApiKey* before = previous_ != nullptr ? previous_->api_keys().find(digest) : nullptr;
    if (before != nullptr && before->identity->provider == provider) return before->use;
    return std::make_shared<ApiKeyUse>();
  }

  // Two providers that both could vouch for one token would make the order of definitions matter.
  void check_issuer(const ProviderSpec& spec) {
    if (!spec.jwt) return;
    for (const ProviderSpec* other : jwt_specs_) {
      if (other->jwt->issuer == spec.jwt->issuer && share_a_value(other->jwt->audience, spec.jwt->audience)) {
        report(spec.source, "the provider " + base::json_quoted(other->name) + " at " + other->source.text() +
                                " accepts the same issuer and audience");
      }
    }
    jwt_specs_.push_back(&spec);
  }

  void note_digests(const ProviderSpec& spec) {
    if (!spec.api_keys) return;
    for (const ApiKeySpec& key : spec.api_keys->keys) {
      if (auto digest = parse_api_key_digest(key.digest))
        digests_.push_back({*digest, &key, digests_.size()});
    }
  }

  // A token that nobody but its issuer can read goes to one introspection endpoint, not round all of them:
  // whoever is shown a token of another issuer's could use it there.
  void check_opaque(const ProviderSpec& spec) {
    if (!spec.introspection) return;
    if (opaque_ != nullptr) {
      report(spec.source,
             "the provider " + base::json_quoted(opaque_->name) + " at " + opaque_->source.text() +
                 " already asks about tokens: of one that is no JWT nobody could say whose it is");
      return;
    }
    opaque_ = &spec;
  }

  void check_unique_digests() {
    std::sort(digests_.begin(), digests_.end(), [](const Digest& a, const Digest& b) {
      return a.digest != b.digest ? a.digest < b.digest : a.place < b.place;
    });
    for (size_t i = 1; i < digests_.size(); ++i) {
      if (digests_[i].digest != digests_[i - 1].digest) continue;
      report(digests_[i].key->source, "the same key stands at " + digests_[i - 1].key->source.text());
    }
  }

  const Providers* previous_;
  std::shared_ptr<Providers> out_ = std::make_shared<Providers>();
  std::vector<CompileError> errors_;
  std::vector<const ProviderSpec*> jwt_specs_;
  const ProviderSpec* opaque_ = nullptr;  // the introspection provider
  std::vector<Digest> digests_;
};

std::expected<std::shared_ptr<const Providers>, std::vector<CompileError>> compile_providers(
    std::span<const ProviderSpec> specs, const Providers* previous) {
  ProvidersCompiler compiler(previous);
  for (const ProviderSpec& spec : specs) compiler.add(spec);
  return compiler.finish();
}

}  // namespace auth
