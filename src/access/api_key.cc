#include "access/api_key.h"

#include <array>
#include <cstring>

#include "base/bytes.h"

namespace auth {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";

std::string checksum_of(std::string_view before) {
  return base::base64url_encode(crypto::as_text(crypto::sha256(before))).substr(0, kApiKeyChecksumChars);
}

// Digests are uniform: their first bytes are the hash.
size_t hash_of(const crypto::Sha256& digest) {
  size_t hash;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

}  // namespace

std::string make_api_key(crypto::RandomSource& random) {
  std::array<uint8_t, 32> secret;
  random.fill(secret);
  std::string key(kApiKeyPrefix);
  key += base::base64url_encode({reinterpret_cast<const char*>(secret.data()), secret.size()});
  key += checksum_of(key);
  return key;
}

bool is_well_formed_api_key(std::string_view key) {
  if (key.size() != kApiKeyChars || !key.starts_with(kApiKeyPrefix)) return false;
  std::string_view before = key.substr(0, kApiKeyChars - kApiKeyChecksumChars);
  if (!base::base64url_decode(before.substr(kApiKeyPrefix.size()))) return false;
  return crypto::equal_in_constant_time(key.substr(before.size()), checksum_of(before));
}

std::string api_key_digest(std::string_view key) {
  return std::string(kDigestPrefix) + base::hex_encode(crypto::as_text(crypto::sha256(key)));
}

std::optional<crypto::Sha256> parse_api_key_digest(std::string_view text) {
  if (!text.starts_with(kDigestPrefix)) return std::nullopt;
  auto bytes = base::hex_decode(text.substr(kDigestPrefix.size()));
  crypto::Sha256 digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::memcpy(digest.data(), bytes->data(), digest.size());
  // One digest has one text, so that two entries cannot hide that they are the same key.
  if (base::hex_encode(*bytes) != text.substr(kDigestPrefix.size())) return std::nullopt;
  return digest;
}

ApiKeyTable::ApiKeyTable(std::vector<const ApiKey*> keys) {
  size_t size = 4;
  while (size < keys.size() * 2) size *= 2;
  slots_.resize(size, nullptr);
  for (const ApiKey* key : keys) {
    size_t at = hash_of(key->digest) & (size - 1);
    while (slots_[at] != nullptr) at = (at + 1) & (size - 1);
    slots_[at] = key;
  }
}

const ApiKey* ApiKeyTable::find(const crypto::Sha256& digest) const {
  if (slots_.empty()) return nullptr;
  size_t mask = slots_.size() - 1;
  for (size_t at = hash_of(digest) & mask; slots_[at] != nullptr; at = (at + 1) & mask) {
    if (crypto::equal_in_constant_time(crypto::as_text(slots_[at]->digest), crypto::as_text(digest))) {
      return slots_[at];
    }
  }
  return nullptr;
}

}  // namespace auth
