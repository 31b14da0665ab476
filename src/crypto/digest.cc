// SHA-256 runs on every request that carries a credential. OpenSSL 3's EVP interface allocates at each
// restart of a context (measured: one malloc a digest); the interface below it does not, and runs the same
// assembly.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstdlib>

#include "crypto/jose.h"

namespace crypto {

Sha256 sha256(std::string_view bytes) { return sha256({bytes}); }

Sha256 sha256(std::initializer_list<std::string_view> parts) {
  SHA256_CTX context;
  Sha256 digest;
  bool done = SHA256_Init(&context) == 1;
  for (std::string_view part : parts) done = done && SHA256_Update(&context, part.data(), part.size()) == 1;
  // A digest that could not be computed must never be mistaken for one.
  if (!done || SHA256_Final(digest.data(), &context) != 1) std::abort();
  return digest;
}

std::string hash_of(Algorithm algorithm, std::string_view bytes) {
  const EVP_MD* method = digest_method(algorithm);
  if (method == nullptr) method = digest_method(Algorithm::rs512);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, method, nullptr) != 1) std::abort();
  return {reinterpret_cast<const char*>(digest), size};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace crypto
