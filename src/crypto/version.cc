#include "crypto/version.h"

#include <openssl/crypto.h>

namespace crypto {

std::string_view library_version() { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace crypto
