// Tokens and session cookies that verified, by SHA-256 digest, so that a signature is checked and a seal
// opened once and not on every request. One per worker: no locks. Bounded in entries and bytes. An entry
// holds only for the provider definition and the key set (of a session: the sealer) it was verified with and
// within the token's own times: every input of the decision is part of the key. Refusals are not kept.
// Lookups do not allocate.
#pragma once

#include <cstdint>
#include <vector>

#include "access/identity.h"
#include "access/session.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace auth {

struct CachedToken {
  crypto::Sha256 digest{};
  uint64_t provider_version = 0;
  // Of the key set it was verified with; of an introspected one, of what decides who is asked
  // (Providers::jwt_issuers_version()).
  uint64_t basis_version = 0;
  base::WallTime valid_from;
  base::WallTime valid_until;
  uint32_t provider = 0;  // index, a hint: provider_version decides
  IdentityPtr identity;   // empty: a free place
  SessionPtr session;     // of a session's cookie; its claims are the identity's
};

class TokenCache {
 public:
  static constexpr uint32_t kWays = 8;  // places a digest may stand in

  struct Limits {
    uint32_t entries = 4096;  // rounded up to a power of two
    size_t bytes = 16 * 1024 * 1024;
  };
  explicit TokenCache(Limits limits);
  TokenCache() : TokenCache(Limits{}) {}

  // nullptr unless it is there and now lies within its times. Whether its versions still hold is the caller's
  // to say. Valid until the next insert().
  const CachedToken* find(const crypto::Sha256& digest, base::WallTime now) const;
  // Replaces an entry of the same digest; else the free, expired or least lasting of its places.
  void insert(CachedToken token);

  size_t entries() const { return entries_; }
  size_t bytes() const { return bytes_; }

 private:
  CachedToken* places_of(const crypto::Sha256& digest);
  void clear_place(CachedToken& place);
  void make_room(size_t bytes);

  std::vector<CachedToken> places_;
  size_t mask_;
  size_t bytes_max_;
  size_t bytes_ = 0;
  size_t entries_ = 0;
  size_t hand_ = 0;  // where make_room() goes on
};

}  // namespace auth
