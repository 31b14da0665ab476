#include "access/replay_guard.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace auth {
namespace {

constexpr size_t kWays = 16;

// 96 bits of a digest name a proof.
struct Place {
  uint64_t name = 0;
  uint32_t more = 0;
  uint32_t until = 0;  // Unix time; free from then on
};

uint32_t seconds_of(int64_t ns) {
  return static_cast<uint32_t>(std::clamp<int64_t>(ns / 1'000'000'000, 0, UINT32_MAX));
}

}  // namespace

struct alignas(64) ReplayGuard::Shard {
  std::mutex mutex;
  std::unique_ptr<Place[]> places;  // null until the first proof
};

ReplayGuard::ReplayGuard(crypto::RandomSource& random, uint32_t entries)
    : buckets_(std::bit_ceil(std::max<size_t>(entries / kShards / kWays, 1))),
      shards_(std::make_unique<Shard[]>(kShards)) {
  random.fill(secret_);
}

ReplayGuard::~ReplayGuard() = default;

ReplayGuard::Claim ReplayGuard::claim(const Proof& proof, base::WallTime now) {
  std::array<char, 32 + 32 + kProofIdBytesMax> text;
  if (proof.id.size() > kProofIdBytesMax) return Claim::full;
  std::memcpy(text.data(), secret_.data(), 32);
  std::memcpy(text.data() + 32, proof.key.data(), 32);
  std::memcpy(text.data() + 64, proof.id.data(), proof.id.size());
  crypto::Sha256 digest = crypto::sha256({text.data(), 64 + proof.id.size()});
  Place wanted;
  uint64_t where;
  std::memcpy(&wanted.name, digest.data(), 8);
  std::memcpy(&wanted.more, digest.data() + 8, 4);
  std::memcpy(&where, digest.data() + 16, 8);
  wanted.until = seconds_of(proof.until.ns) + 1;  // never a moment too early
  uint32_t now_seconds = seconds_of(now.ns);

  Shard& shard = shards_[where % kShards];
  std::lock_guard lock(shard.mutex);
  if (shard.places == nullptr) shard.places = std::make_unique<Place[]>(buckets_ * kWays);
  Place* bucket = &shard.places[(where / kShards & (buckets_ - 1)) * kWays];
  Place* free = nullptr;
  for (Place* place = bucket; place != bucket + kWays; ++place) {
    if (place->until <= now_seconds) {
      if (free == nullptr) free = place;
    } else if (place->name == wanted.name && place->more == wanted.more) {
      return Claim::used;
    }
  }
  if (free == nullptr) return Claim::full;
  *free = wanted;
  return Claim::first;
}

}  // namespace auth
