#include "crypto/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/jose.h"

namespace crypto {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;

constexpr std::string_view kEd25519 = "ED25519";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

// nullptr when the parameters are no such key (for EC: also when the point is not on the curve).
std::shared_ptr<EVP_PKEY> make_key(const char* type, OSSL_PARAM_BLD* builder) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  auto owned = own(key);
  KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return owned;
}

}  // namespace

bool fits(KeyType type, Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::rs384:
    case Algorithm::rs512:
    case Algorithm::ps256:
    case Algorithm::ps384:
    case Algorithm::ps512:
      return type == KeyType::rsa;
    case Algorithm::es256:
      return type == KeyType::p256;
    case Algorithm::es384:
      return type == KeyType::p384;
    case Algorithm::es512:
      return type == KeyType::p521;
    case Algorithm::eddsa:
      return type == KeyType::ed25519;
  }
  return false;
}

std::expected<PublicKey, const char*> PublicKey::from_rsa(std::string_view modulus,
                                                          std::string_view exponent) {
  if (modulus.size() > kRsaBitsMax / 8 + 1 || exponent.empty() || exponent.size() > 8) {
    return std::unexpected("the RSA key is too large");
  }
  Number n(BN_bin2bn(bytes_of(modulus), static_cast<int>(modulus.size()), nullptr));
  Number e(BN_bin2bn(bytes_of(exponent), static_cast<int>(exponent.size()), nullptr));
  if (!n || !e) return std::unexpected("the RSA key cannot be read");
  if (static_cast<unsigned>(BN_num_bits(n.get())) < kRsaBitsMin) {
    return std::unexpected("the RSA key has fewer than 2048 bits");
  }
  if (static_cast<unsigned>(BN_num_bits(n.get())) > kRsaBitsMax) {
    return std::unexpected("the RSA key has more than 8192 bits");
  }
  // An exponent of 1 makes every padded hash its own signature; an even one has no inverse.
  if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get())) {
    return std::unexpected("the RSA key is not a valid key");
  }
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return std::unexpected("the RSA key cannot be read");
  }
  auto key = make_key("RSA", builder.get());
  if (!key) return std::unexpected("the RSA key is not a valid key");
  return PublicKey(KeyType::rsa, std::move(key));
}

std::expected<PublicKey, const char*> PublicKey::from_ec(KeyType curve, std::string_view x,
                                                         std::string_view y) {
  size_t width = field_bytes(curve);
  if (width == 0) return std::unexpected("the key's type has no curve");
  if (x.size() != width || y.size() != width) {
    return std::unexpected("a coordinate does not have the length of the curve");
  }
  std::string point = "\x04";  // uncompressed, SEC 1 §2.3.3
  point.append(x).append(y);
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve_name(curve), 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1) {
    return std::unexpected("the key cannot be read");
  }
  auto key = make_key("EC", builder.get());
  if (!key) return std::unexpected("the point is not on the curve");
  return PublicKey(curve, std::move(key));
}

std::expected<PublicKey, const char*> PublicKey::from_ed25519(std::string_view x) {
  if (x.size() != 32) return std::unexpected("an Ed25519 key has 32 bytes");
  auto key = own(EVP_PKEY_new_raw_public_key_ex(nullptr, kEd25519.data(), nullptr, bytes_of(x), x.size()));
  if (!key) {
    ERR_clear_error();
    return std::unexpected("the Ed25519 key cannot be read");
  }
  return PublicKey(KeyType::ed25519, std::move(key));
}

bool PublicKey::verify(Algorithm algorithm, std::string_view message, std::string_view signature) const {
  if (!fits(algorithm)) return false;
  std::string der;
  if (size_t width = field_bytes(type_)) {
    // RFC 7518 §3.4: exactly two numbers of the curve's length, so that one value has one form.
    if (signature.size() != width * 2) return false;
    auto converted = ecdsa_to_der(signature);
    if (!converted) return false;
    der = std::move(*converted);
    signature = der;
  }
  EVP_MD_CTX* context = thread_context();
  EVP_PKEY_CTX* parameters = nullptr;  // belongs to context
  bool valid =
      EVP_DigestVerifyInit(context, &parameters, digest_method(algorithm), nullptr, key_.get()) == 1 &&
      set_padding(parameters, algorithm) &&
      EVP_DigestVerify(context, bytes_of(signature), signature.size(), bytes_of(message), message.size()) ==
          1;
  if (!valid) ERR_clear_error();
  EVP_MD_CTX_reset(context);  // lets go of the key
  return valid;
}

}  // namespace crypto
