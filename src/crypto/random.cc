#include "crypto/random.h"

#include <openssl/rand.h>

#include <cstdlib>

namespace crypto {

void SystemRandom::fill(std::span<uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) std::abort();
}

}  // namespace crypto
