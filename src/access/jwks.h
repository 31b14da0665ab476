// A JSON Web Key Set (RFC 7517) as the gate trusts it: public signature keys only. Parsed by control/ (file,
// URL) or compile_providers (inline), then immutable and shared by all workers. Symmetric, private, unknown
// and broken keys are passed over (RFC 7517 §5); a set that says two things about one key id is refused
// whole.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/digest.h"
#include "crypto/public_key.h"

namespace auth {

inline constexpr size_t kKeySetBytesMax = 256 * 1024;
inline constexpr size_t kKeySetKeysMax = 100;
inline constexpr size_t kKeyIdBytesMax = 256;

struct VerificationKey {
  std::string kid;                             // empty: none
  std::optional<crypto::Algorithm> algorithm;  // the only one it may be used with, when the set says so
  crypto::PublicKey key;

  bool fits(crypto::Algorithm wanted) const {
    return key.fits(wanted) && (!algorithm || *algorithm == wanted);
  }
};

class JsonValue;

// One JWK. nullopt: passed over, because it is symmetric, private, of an unknown kind or not for verifying.
// The error, a literal sentence: of a kind the gate uses, but broken.
std::expected<std::optional<VerificationKey>, const char*> parse_jwk(JsonValue jwk);

// RFC 7638 §3, of a JWK that parse_jwk() made a key of. Its members count as they are written.
crypto::Sha256 jwk_thumbprint(JsonValue jwk);

class KeySet {
 public:
  enum class Match : uint8_t { found, unknown, unfit, ambiguous };
  struct Choice {
    Match match = Match::unknown;
    const VerificationKey* key = nullptr;  // only when found
  };

  // kid empty: the token names none. unknown: a newer set might have it. unfit: the key is there but not for
  // this algorithm. A key or token without id is matched only when exactly one key can be meant.
  Choice choose(std::string_view kid, crypto::Algorithm algorithm) const;

  const std::vector<VerificationKey>& keys() const { return keys_; }
  // Follows from the set's bytes: the same text has the same version wherever and whenever it is parsed.
  uint64_t version() const { return version_; }

 private:
  friend std::expected<std::shared_ptr<const KeySet>, std::string> parse_key_set(std::string_view json);
  std::vector<VerificationKey> keys_;
  uint64_t version_ = 0;
};

using KeySetPtr = std::shared_ptr<const KeySet>;

// The error is a sentence for the operator ("key 2 (kid \"a\"): ..."). A set without one usable key is an
// error.
std::expected<KeySetPtr, std::string> parse_key_set(std::string_view json);

// The key sets a worker holds, by Provider::key_slot. Each worker has its own; not shared between threads.
class KeySets {
 public:
  void put(uint32_t key_slot, KeySetPtr keys);  // replaces
  void drop(uint32_t key_slot);
  const KeySet* find(uint32_t key_slot) const;  // nullptr: never loaded

 private:
  std::vector<std::pair<uint32_t, KeySetPtr>> sets_;  // a handful; searched in order
};

}  // namespace auth
