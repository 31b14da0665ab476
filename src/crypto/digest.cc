#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdlib>

namespace crypto {
namespace {

// Never freed: worker threads may still hash while the process ends.
const EVP_MD* sha256_method() {
  static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return method;
}

// A context that was set up once restarts without looking anything up or allocating.
struct Hasher {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Hasher() {
    if (context == nullptr || EVP_DigestInit_ex2(context, sha256_method(), nullptr) != 1) std::abort();
  }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher() { EVP_MD_CTX_free(context); }
};

}  // namespace

Sha256 sha256(std::string_view bytes) {
  thread_local Hasher hasher;
  Sha256 digest;
  unsigned length = 0;
  // A null method restarts the context with the one it has. A digest that could not be computed must never be
  // mistaken for one, so failing here (memory, libcrypto misconfigured) ends the process.
  if (EVP_DigestInit_ex2(hasher.context, nullptr, nullptr) != 1 ||
      EVP_DigestUpdate(hasher.context, bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(hasher.context, digest.data(), &length) != 1 || length != digest.size()) {
    std::abort();
  }
  return digest;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace crypto
