// Hashing for the tables on the request path: fast and deterministic, so that the same settings give the same
// table. It is not keyed: use it only where the keys in the table come from the user's files or from the gate
// itself. A table whose keys a client chooses must bound its probes or hash with a secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace base {

// Folds the 128-bit product; every bit of the result depends on every bit of both inputs.
constexpr uint64_t mix_hash(uint64_t a, uint64_t b) {
  __uint128_t product = static_cast<__uint128_t>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD1B54A32D192ED03u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view bytes) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t hash = left;
  uint64_t word = 0;
  for (; left > 8; at += 8, left -= 8) {
    std::memcpy(&word, at, 8);
    hash = mix_hash(hash, word);
  }
  word = 0;
  for (size_t i = 0; i < left; ++i) word = word << 8 | static_cast<uint8_t>(at[i]);
  return mix_hash(hash, word);
}

}  // namespace base
