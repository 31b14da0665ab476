// A private key that signs what the gate issues: the identity assertion (ES256) and the tokens of the local
// identity provider. Made, loaded and stored by control/ and cli/; never leaves the process except as PEM.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/algorithm.h"

struct evp_pkey_st;  // EVP_PKEY

namespace crypto {

// Immutable; copies share the key; any thread.
class SigningKey {
 public:
  // RSA keys are made with 2048 bits.
  static std::expected<SigningKey, const char*> generate(Algorithm algorithm);
  // PKCS #8, unencrypted (RFC 5958). The key must fit the algorithm.
  static std::expected<SigningKey, const char*> from_pem(Algorithm algorithm, std::string_view pem);

  Algorithm algorithm() const { return algorithm_; }
  // RFC 7638 thumbprint (SHA-256, base64url): the same key has the same name everywhere.
  const std::string& kid() const { return kid_; }
  // One JSON object: kty, its public members, kid, use, alg. Never a private member.
  const std::string& public_jwk() const { return public_jwk_; }
  std::string to_pem() const;

  // As JOSE carries it: ECDSA as r||s. nullopt only when libcrypto fails.
  std::optional<std::string> sign(std::string_view message) const;

 private:
  SigningKey() = default;
  static std::expected<SigningKey, const char*> adopt(Algorithm algorithm, std::shared_ptr<evp_pkey_st> key);

  Algorithm algorithm_ = Algorithm::es256;
  std::shared_ptr<evp_pkey_st> key_;
  std::string kid_;
  std::string public_jwk_;
};

}  // namespace crypto
