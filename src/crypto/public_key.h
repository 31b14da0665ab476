// A public key that verifies signatures. Made from the decoded members of a JWK (RFC 7518 §6, RFC 8037 §2) by
// access/jwks; the algorithm is chosen by the caller and must fit the key's type and curve, whatever a token
// says.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/algorithm.h"

struct evp_pkey_st;  // EVP_PKEY

namespace crypto {

enum class KeyType : uint8_t { rsa, p256, p384, p521, ed25519 };

inline constexpr unsigned kRsaBitsMin = 2048;  // RFC 7518 §3.3
inline constexpr unsigned kRsaBitsMax = 8192;  // bounds what one verification can cost

bool fits(KeyType type, Algorithm algorithm);

// Immutable; copies share the key; any thread.
class PublicKey {
 public:
  // Big-endian numbers as RFC 7518 §6.3.1 encodes them. The error is a literal sentence.
  static std::expected<PublicKey, const char*> from_rsa(std::string_view modulus, std::string_view exponent);
  // Coordinates of exactly the curve's length (RFC 7518 §6.2.1.2); the point must lie on the curve.
  static std::expected<PublicKey, const char*> from_ec(KeyType curve, std::string_view x, std::string_view y);
  static std::expected<PublicKey, const char*> from_ed25519(std::string_view x);

  KeyType type() const { return type_; }
  bool fits(Algorithm algorithm) const { return crypto::fits(type_, algorithm); }

  // signature as JOSE carries it: ECDSA is r||s of fixed length (RFC 7518 §3.4). False for everything but a
  // valid signature by this key under an algorithm that fits it.
  bool verify(Algorithm algorithm, std::string_view message, std::string_view signature) const;

 private:
  PublicKey(KeyType type, std::shared_ptr<evp_pkey_st> key) : type_(type), key_(std::move(key)) {}

  KeyType type_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace crypto
