#include "access/token_cache.h"

#include <bit>
#include <cstring>

namespace auth {
namespace {

size_t hash_of(const crypto::Sha256& digest) {
  size_t hash;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

size_t cost_of(const CachedToken& token) { return token.identity ? memory_bytes(*token.identity) : 0; }

}  // namespace

TokenCache::TokenCache(Limits limits) : bytes_max_(limits.bytes) {
  size_t size = std::bit_ceil(std::max<size_t>(limits.entries, kWays));
  places_.resize(size);
  mask_ = size - 1;
}

CachedToken* TokenCache::places_of(const crypto::Sha256& digest) {
  return places_.data() + (hash_of(digest) & mask_ & ~size_t{kWays - 1});
}

const CachedToken* TokenCache::find(const crypto::Sha256& digest, base::WallTime now) const {
  const CachedToken* place = const_cast<TokenCache*>(this)->places_of(digest);
  for (uint32_t i = 0; i < kWays; ++i, ++place) {
    if (place->identity && place->digest == digest) {
      return now >= place->valid_from && now < place->valid_until ? place : nullptr;
    }
  }
  return nullptr;
}

void TokenCache::clear_place(CachedToken& place) {
  if (!place.identity) return;
  bytes_ -= cost_of(place);
  --entries_;
  place = {};
}

// Goes round the table like a clock's hand, so that no part of it is emptied more than another.
void TokenCache::make_room(size_t bytes) {
  for (size_t i = 0; i < places_.size() && bytes_ + bytes > bytes_max_; ++i) {
    clear_place(places_[hand_]);
    hand_ = (hand_ + 1) & mask_;
  }
}

void TokenCache::insert(CachedToken token) {
  size_t cost = cost_of(token);
  if (!token.identity || cost > bytes_max_) return;
  CachedToken* places = places_of(token.digest);
  CachedToken* chosen = places;
  for (uint32_t i = 0; i < kWays; ++i) {
    CachedToken& place = places[i];
    if (place.identity && place.digest == token.digest) {
      chosen = &place;
      break;
    }
    // A free place counts as one that ends at the beginning of time.
    if (place.valid_until < chosen->valid_until) chosen = &place;
  }
  clear_place(*chosen);
  make_room(cost);
  bytes_ += cost;
  ++entries_;
  *chosen = std::move(token);
}

}  // namespace auth
