#include "crypto/jose.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <memory>

namespace crypto {
namespace {

struct FreeSignature {
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};
using SignaturePtr = std::unique_ptr<ECDSA_SIG, FreeSignature>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

bool is_rsa_pss(Algorithm algorithm) {
  return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 || algorithm == Algorithm::ps512;
}

const EVP_MD* digest_method(Algorithm algorithm) {
  // Never freed: threads may still verify while the process ends.
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static const EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::ps256:
    case Algorithm::es256:
      return sha256;
    case Algorithm::rs384:
    case Algorithm::ps384:
    case Algorithm::es384:
      return sha384;
    case Algorithm::rs512:
    case Algorithm::ps512:
    case Algorithm::es512:
      return sha512;
    case Algorithm::eddsa:
      return nullptr;
  }
  return nullptr;
}

size_t field_bytes(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return 32;
    case KeyType::p384:
      return 48;
    case KeyType::p521:
      return 66;
    case KeyType::rsa:
    case KeyType::ed25519:
      return 0;
  }
  return 0;
}

const char* curve_name(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return "prime256v1";
    case KeyType::p384:
      return "secp384r1";
    case KeyType::p521:
      return "secp521r1";
    case KeyType::rsa:
    case KeyType::ed25519:
      return nullptr;
  }
  return nullptr;
}

std::optional<KeyType> key_type_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA")) return KeyType::rsa;
  if (EVP_PKEY_is_a(key, "ED25519")) return KeyType::ed25519;
  if (!EVP_PKEY_is_a(key, "EC")) return std::nullopt;
  char group[64];
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1) return std::nullopt;
  for (KeyType type : {KeyType::p256, KeyType::p384, KeyType::p521}) {
    if (std::string_view(group, length) == curve_name(type)) return type;
  }
  return std::nullopt;
}

std::optional<std::string> ecdsa_to_der(std::string_view signature) {
  SignaturePtr parsed(ECDSA_SIG_new());
  int half = static_cast<int>(signature.size() / 2);
  BIGNUM* r = BN_bin2bn(bytes_of(signature), half, nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(signature) + half, half, nullptr);
  if (!parsed || r == nullptr || s == nullptr || ECDSA_SIG_set0(parsed.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return std::nullopt;
  }
  unsigned char* der = nullptr;
  int length = i2d_ECDSA_SIG(parsed.get(), &der);
  if (length <= 0) return std::nullopt;
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return out;
}

std::optional<std::string> ecdsa_from_der(std::string_view der, size_t field_bytes) {
  const unsigned char* at = bytes_of(der);
  SignaturePtr parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!parsed) return std::nullopt;
  std::string out(field_bytes * 2, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  int width = static_cast<int>(field_bytes);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), bytes, width) != width ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), bytes + width, width) != width) {
    return std::nullopt;
  }
  return out;
}

EVP_MD_CTX* thread_context() {
  struct Context {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    Context() {
      if (context == nullptr) std::abort();
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_MD_CTX_free(context); }
  };
  thread_local Context held;
  EVP_MD_CTX_reset(held.context);
  return held.context;
}

bool set_padding(EVP_PKEY_CTX* context, Algorithm algorithm) {
  if (!is_rsa_pss(algorithm)) return true;  // PKCS #1 v1.5 is libcrypto's default for RSA
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace crypto
