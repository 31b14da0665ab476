// The interface below EVP, which does not allocate; digest.cc says why.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha1.h"

#include <openssl/sha.h>

#include <cstdlib>

namespace crypto {

Sha1 sha1_for_websocket(std::string_view bytes) {
  SHA_CTX context;
  Sha1 digest;
  if (SHA1_Init(&context) != 1 || SHA1_Update(&context, bytes.data(), bytes.size()) != 1 ||
      SHA1_Final(digest.data(), &context) != 1) {
    std::abort();
  }
  return digest;
}

}  // namespace crypto
