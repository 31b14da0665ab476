// Tokens for backends that a worker has at hand: by the service's definition and, where they speak for a
// caller, by the caller's identity. Bounded; what is dropped is asked for again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.h"

namespace gate {

struct BackendTokenKey {
  uint64_t service_generation = 0;  // of the definition, its token policy among it
  uint32_t service_slot = 0;
  uint64_t provider_version = 0;  // of the issuer's definition; 0: the token is the caller's own
  uint64_t identity_serial = 0;   // 0: the gate's own token
  bool operator==(const BackendTokenKey&) const = default;
};

class BackendTokens {
 public:
  static constexpr size_t kTokensMax = 4096;

  // Valid until the next insert().
  std::optional<std::string_view> find(const BackendTokenKey& key, base::WallTime now) const {
    auto found = tokens_.find(key);
    if (found == tokens_.end() || found->second.until <= now) return std::nullopt;
    return found->second.token;
  }
  void insert(const BackendTokenKey& key, std::string token, base::WallTime until, base::WallTime now) {
    if (tokens_.size() >= kTokensMax)
      std::erase_if(tokens_, [now](auto& item) { return item.second.until <= now; });
    if (tokens_.size() >= kTokensMax) tokens_.erase(tokens_.begin());
    tokens_[key] = {std::move(token), until};
  }

 private:
  struct Hash {
    size_t operator()(const BackendTokenKey& key) const {
      uint64_t mixed =
          (key.service_generation << 20 ^ key.service_slot ^ key.provider_version) * 0x9E3779B97F4A7C15u;
      return (mixed ^ key.identity_serial) * 0xBF58476D1CE4E5B9u;
    }
  };
  struct Kept {
    std::string token;
    base::WallTime until;
  };
  std::unordered_map<BackendTokenKey, Kept, Hash> tokens_;
};

}  // namespace gate
