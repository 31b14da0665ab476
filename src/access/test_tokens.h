// For tests, fuzzers and benches only: makes tokens, good and bad, with real keys. Never linked into the
// binary.
#pragma once

#include <string>
#include <string_view>

#include "access/jwt.h"
#include "access/providers.h"
#include "base/bytes.h"
#include "crypto/signing_key.h"

namespace auth::testing {

inline constexpr base::WallTime kNow{1'800'000'000'000'000'000};  // 2027-01-15T08:00:00Z
inline constexpr std::string_view kIssuer = "https://id.partner.example";

// One key for each algorithm and process; the RSA algorithms share one, since making it is slow.
inline const crypto::SigningKey& signing_key(Algorithm algorithm) {
  static const std::string rsa_pem = crypto::SigningKey::generate(Algorithm::rs256)->to_pem();
  static const std::vector<crypto::SigningKey> keys = [] {
    std::vector<crypto::SigningKey> made;
    for (int i = 0; i < crypto::kAlgorithmCount; ++i) {
      auto each = static_cast<Algorithm>(i);
      bool rsa = crypto::fits(crypto::KeyType::rsa, each);
      made.push_back(rsa ? *crypto::SigningKey::from_pem(each, rsa_pem)
                         : *crypto::SigningKey::generate(each));
    }
    return made;
  }();
  return keys[static_cast<size_t>(algorithm)];
}

// header and payload exactly as given, signed with key.
inline std::string sign_raw(const crypto::SigningKey& key, std::string_view header,
                            std::string_view payload) {
  std::string token = base::base64url_encode(header) + "." + base::base64url_encode(payload);
  return token + "." + base::base64url_encode(*key.sign(token));
}

inline std::string header_for(const crypto::SigningKey& key) {
  return "{\"alg\":\"" + std::string(crypto::algorithm_name(key.algorithm())) +
         "\",\"typ\":\"JWT\",\"kid\":\"" + key.kid() + "\"}";
}

// "iss", "aud", "sub" and "exp" of a token that is good at kNow; extra members begin with a comma.
inline std::string payload_with(std::string_view extra) {
  return "{\"iss\":\"" + std::string(kIssuer) + "\",\"aud\":\"orders\",\"sub\":\"alice\",\"exp\":1800000300" +
         std::string(extra) + "}";
}

inline std::string sign_token(Algorithm algorithm, std::string_view extra = "") {
  const crypto::SigningKey& key = signing_key(algorithm);
  return sign_raw(key, header_for(key), payload_with(extra));
}

// A DPoP proof that is good at kNow; extra members begin with a comma.
struct ProofOf {
  std::string_view token;
  std::string_view id = "1";
  std::string_view method = "GET";
  std::string_view url = "https://api.example/orders";
  std::string_view extra = "";
};
inline std::string proof_claims(const ProofOf& of) {
  return R"({"htm":")" + std::string(of.method) + R"(","htu":")" + std::string(of.url) +
         R"(","iat":1800000000,"jti":")" + std::string(of.id) + R"(","ath":")" +
         base::base64url_encode(crypto::as_text(crypto::sha256(of.token))) + "\"" + std::string(of.extra) +
         "}";
}

inline std::string proof_header(const crypto::SigningKey& key, std::string_view jwk) {
  return R"({"typ":"dpop+jwt","alg":")" + std::string(crypto::algorithm_name(key.algorithm())) +
         R"(","jwk":)" + std::string(jwk) + "}";
}

inline std::string sign_proof(const crypto::SigningKey& key, std::string_view claims) {
  return sign_raw(key, proof_header(key, key.public_jwk()), claims);
}

inline std::string key_set_json(std::initializer_list<std::string> jwks) {
  std::string out = "{\"keys\":[";
  for (const std::string& jwk : jwks) {
    if (out.back() != '[') out += ',';
    out += jwk;
  }
  return out + "]}";
}

inline ProviderSpec jwt_provider(std::string name, KeySetSpec keys, std::vector<Algorithm> algorithms) {
  ProviderSpec spec;
  spec.name = std::move(name);
  spec.jwt = JwtSpec{};
  spec.jwt->issuer = kIssuer;
  spec.jwt->audience = {"orders"};
  spec.jwt->jwks = std::move(keys);
  spec.jwt->algorithms = std::move(algorithms);
  return spec;
}

inline ProviderSpec key_provider(std::string name, std::vector<ApiKeySpec> keys) {
  ProviderSpec spec;
  spec.name = std::move(name);
  spec.api_keys = ApiKeysSpec{.file = "keys.yaml", .keys = std::move(keys)};
  return spec;
}

inline std::shared_ptr<const Providers> compile_one(ProviderSpec spec) {
  std::vector<ProviderSpec> specs;
  specs.push_back(std::move(spec));
  auto compiled = compile_providers(specs, nullptr);
  return compiled ? *compiled : nullptr;
}

}  // namespace auth::testing
