#include "crypto/signing_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "crypto/public_key.h"

namespace crypto {
namespace {

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

KeyType key_type_for(Algorithm algorithm) {
  for (KeyType type : {KeyType::p256, KeyType::p384, KeyType::p521, KeyType::ed25519}) {
    if (fits(type, algorithm)) return type;
  }
  return KeyType::rsa;
}

// Big-endian; width 0: as short as it can be (RFC 7518 §2, Base64urlUInt).
std::string number_of(EVP_PKEY* key, const char* name, size_t width) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return {};
  if (width == 0) width = static_cast<size_t>(BN_num_bytes(number));
  std::string out(width, '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(width));
  BN_free(number);
  return base::base64url_encode(out);
}

// The members that identify the key, in lexicographic order and without white space: the very text whose hash
// RFC 7638 §3 takes, less the closing brace.
std::string required_members(EVP_PKEY* key, KeyType type) {
  size_t width = field_bytes(type);
  if (width != 0) {
    const char* curve = type == KeyType::p256 ? "P-256" : type == KeyType::p384 ? "P-384" : "P-521";
    return std::string("{\"crv\":\"") + curve + "\",\"kty\":\"EC\",\"x\":\"" +
           number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, width) + "\",\"y\":\"" +
           number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, width) + "\"";
  }
  if (type == KeyType::rsa) {
    return "{\"e\":\"" + number_of(key, OSSL_PKEY_PARAM_RSA_E, 0) + "\",\"kty\":\"RSA\",\"n\":\"" +
           number_of(key, OSSL_PKEY_PARAM_RSA_N, 0) + "\"";
  }
  unsigned char raw[32];
  size_t length = sizeof raw;
  EVP_PKEY_get_raw_public_key(key, raw, &length);
  return "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" +
         base::base64url_encode({reinterpret_cast<char*>(raw), length}) + "\"";
}

}  // namespace

std::expected<SigningKey, const char*> SigningKey::adopt(Algorithm algorithm, std::shared_ptr<EVP_PKEY> key) {
  auto type = key_type_of(key.get());
  if (!type || !fits(*type, algorithm)) return std::unexpected("the key does not fit the algorithm");
  if (*type == KeyType::rsa && static_cast<unsigned>(EVP_PKEY_get_bits(key.get())) < kRsaBitsMin) {
    return std::unexpected("the RSA key has fewer than 2048 bits");
  }
  std::string members = required_members(key.get(), *type);
  SigningKey out;
  out.algorithm_ = algorithm;
  out.key_ = std::move(key);
  out.kid_ = base::base64url_encode(as_text(sha256(members + "}")));
  out.public_jwk_ = members + ",\"kid\":\"" + out.kid_ + "\",\"use\":\"sig\",\"alg\":\"" +
                    std::string(algorithm_name(algorithm)) + "\"}";
  return out;
}

std::expected<SigningKey, const char*> SigningKey::generate(Algorithm algorithm) {
  KeyType type = key_type_for(algorithm);
  EVP_PKEY* key = nullptr;
  if (type == KeyType::rsa) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{kRsaBitsMin});
  } else if (type == KeyType::ed25519) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  } else {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve_name(type));
  }
  if (key == nullptr) {
    ERR_clear_error();
    return std::unexpected("the key could not be made");
  }
  return adopt(algorithm, own(key));
}

std::expected<SigningKey, const char*> SigningKey::from_pem(Algorithm algorithm, std::string_view pem) {
  std::unique_ptr<BIO, int (*)(BIO*)> input(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                            BIO_free);
  // A callback that gives no passphrase: an encrypted key is refused instead of asked about on the terminal.
  auto no_passphrase = [](char*, int, int, void*) { return -1; };
  EVP_PKEY* key = input ? PEM_read_bio_PrivateKey(input.get(), nullptr, no_passphrase, nullptr) : nullptr;
  if (key == nullptr) {
    ERR_clear_error();
    return std::unexpected("it is not an unencrypted private key in PEM");
  }
  return adopt(algorithm, own(key));
}

std::string SigningKey::to_pem() const {
  std::unique_ptr<BIO, int (*)(BIO*)> output(BIO_new(BIO_s_mem()), BIO_free);
  if (!output ||
      PEM_write_bio_PKCS8PrivateKey(output.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return {};
  }
  char* text = nullptr;
  long length = BIO_get_mem_data(output.get(), &text);
  return std::string(text, static_cast<size_t>(length));
}

std::optional<std::string> SigningKey::sign(std::string_view message) const {
  EVP_MD_CTX* context = thread_context();
  EVP_PKEY_CTX* parameters = nullptr;  // belongs to context
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  std::string out;
  size_t length = 0;
  bool made = EVP_DigestSignInit(context, &parameters, digest_method(algorithm_), nullptr, key_.get()) == 1 &&
              set_padding(parameters, algorithm_) &&
              EVP_DigestSign(context, nullptr, &length, bytes, message.size()) == 1;
  if (made) {
    out.resize(length);
    made = EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &length, bytes,
                          message.size()) == 1;
    out.resize(made ? length : 0);
  }
  EVP_MD_CTX_reset(context);
  if (!made) {
    ERR_clear_error();
    return std::nullopt;
  }
  size_t width = field_bytes(key_type_for(algorithm_));
  if (width == 0) return out;
  return ecdsa_from_der(out, width);
}

}  // namespace crypto
