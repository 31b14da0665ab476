// API keys: "gh_", 256 random bits in base64url, then a checksum, so that scanners and typos are caught
// without asking anyone. Only SHA-256 digests are stored and compared. `gatehouse keys` makes keys; providers
// look them up.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/random.h"

namespace auth {

inline constexpr std::string_view kApiKeyPrefix = "gh_";
inline constexpr size_t kApiKeySecretChars = 43;   // base64url of 256 bits
inline constexpr size_t kApiKeyChecksumChars = 6;  // the first of base64url(SHA-256(all before))
inline constexpr size_t kApiKeyChars = kApiKeyPrefix.size() + kApiKeySecretChars + kApiKeyChecksumChars;

std::string make_api_key(crypto::RandomSource& random);

// Offline: shape and checksum. True says nothing about whether the key is known.
bool is_well_formed_api_key(std::string_view key);

// "sha256:<64 lower-case hex>", as keys.yaml stores it.
std::string api_key_digest(std::string_view key);
// nullopt unless written exactly like that.
std::optional<crypto::Sha256> parse_api_key_digest(std::string_view text);

// When a key was last accepted. Outlives reloads of the key file: the next generation's key shares it.
struct ApiKeyUse {
  std::atomic<int64_t> last_unix_seconds{0};  // 0: not since the process started
};

struct ApiKey {
  crypto::Sha256 digest{};
  IdentityPtr identity;  // credential_id is the key's id
  std::shared_ptr<ApiKeyUse> use;
};

// All keys of all providers by digest. Immutable; lookups do not allocate.
class ApiKeyTable {
 public:
  ApiKeyTable() = default;
  explicit ApiKeyTable(std::vector<const ApiKey*> keys);  // digests are unique; keys outlive the table

  const ApiKey* find(const crypto::Sha256& digest) const;

 private:
  std::vector<const ApiKey*> slots_;  // open addressing, a power of two, never full
};

}  // namespace auth
