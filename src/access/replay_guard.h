// Which DPoP proofs were used, so that each works once (RFC 9449 §11.1). One for the process and shared by
// its workers, which share nothing else: a proof replayed over another connection arrives at another worker.
// What is shared is a table in shards, each behind a lock that is held for a few hundred instructions and
// never across a wait; a proof's signature costs a thousand times as much. Its memory is fixed. What it
// remembers lasts as long as the proof would be accepted, so that within it there is nothing to forget early:
// when a place is wanted and none is free, the proof is refused.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/random.h"

namespace auth {

inline constexpr size_t kProofIdBytesMax = 256;

class ReplayGuard {
 public:
  // Places for proofs that are remembered at once, 16 bytes each; the memory is taken when the first proof
  // comes. A proof has 16 of them to choose from: with half of all taken, about one in a thousand finds none.
  static constexpr uint32_t kEntriesPerCore = 1 << 19;
  ReplayGuard(crypto::RandomSource& random, uint32_t entries);
  ~ReplayGuard();
  ReplayGuard(const ReplayGuard&) = delete;
  ReplayGuard& operator=(const ReplayGuard&) = delete;

  enum class Claim : uint8_t { first, used, full };
  struct Proof {
    const crypto::Sha256& key;  // the thumbprint of the key that made it
    std::string_view id;        // `jti`, at most kProofIdBytesMax
    base::WallTime until;       // when it is refused for its age
  };
  // Any thread. Of those who claim one proof at once exactly one is the first.
  Claim claim(const Proof& proof, base::WallTime now);

 private:
  struct Shard;
  static constexpr size_t kShards = 64;

  // Chosen for each process: who makes up ids cannot tell which places they take.
  std::array<uint8_t, 32> secret_;
  size_t buckets_;  // of a shard, a power of two
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace auth
