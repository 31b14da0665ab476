// SHA-256 and comparison in constant time. Called for every request that carries a credential, so neither
// allocates once a thread has called it, and no algorithm is looked up by name twice.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "crypto/algorithm.h"

namespace crypto {

using Sha256 = std::array<uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
// Of the parts one after the other. The caller sees to it that no two lists of them read the same.
Sha256 sha256(std::initializer_list<std::string_view> parts);

inline std::string_view as_text(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// The hash that the algorithm signs with; of EdDSA, SHA-512, as Ed25519 does. For logins, not for each
// request.
std::string hash_of(Algorithm algorithm, std::string_view bytes);

// Takes the same time wherever the texts differ. Only their lengths may leak.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace crypto
