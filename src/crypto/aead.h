// AES-256-GCM (NIST SP 800-38D) for what leaves the gate and must come back unread and unchanged. A nonce is
// 96 random bits: a key seals far fewer than 2^32 messages before it is replaced. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/random.h"

namespace crypto {

struct AeadKey {
  std::array<uint8_t, 32> bytes{};
  // The first bytes of the key's SHA-256: says which of several keys sealed something.
  std::array<uint8_t, 4> id() const;
  bool operator==(const AeadKey&) const = default;
};

inline constexpr size_t kAeadOverhead = 12 + 16;  // nonce and tag
inline constexpr size_t kAeadBytesMax = 1 << 20;  // of a text and of what is authenticated beside it

// nonce, ciphertext, tag. additional is authenticated and has to be the same again. The texts are no longer
// than kAeadBytesMax; ends the process when they are or the cipher fails, rather than send out what is not
// sealed.
std::string aead_seal(const AeadKey& key, std::string_view plain, std::string_view additional,
                      RandomSource& random);
// nullopt: changed, cut, or sealed with another key or other additional data.
std::optional<std::string> aead_open(const AeadKey& key, std::string_view sealed,
                                     std::string_view additional);

// A key out of a secret of any length, by HKDF-SHA256 (RFC 5869) for the purpose named.
AeadKey derive_aead_key(std::string_view secret, std::string_view purpose);

}  // namespace crypto
