// Series of one metric family: values found by a key of small numbers. One writer (the worker), any number of
// readers at the same time, no lock. A series keeps its address for life; chunks of series are published
// through a list that only grows, and a freed series is handed to the next key under a version that readers
// check. At the bound further keys share one overflow series, so that nothing is lost and memory stays
// bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/hash.h"

namespace telemetry {

struct SeriesKey {
  uint32_t service = 0;
  uint32_t route = 0;
  uint16_t status = 0;
  uint8_t method = 0;
  uint8_t reason = 0;
  uint8_t protocol = 0;
  uint8_t scheme = 0;
  uint8_t verdict = 0;
  uint8_t overflow = 0;  // 1: the series that all keys beyond the bound share
  bool operator==(const SeriesKey&) const = default;
};
static_assert(sizeof(SeriesKey) == 16);

template <size_t ValueCount>
class SeriesTable {
 public:
  using Values = std::array<std::atomic<uint64_t>, ValueCount>;
  using Copy = std::array<uint64_t, ValueCount>;

  explicit SeriesTable(uint32_t series_max) : series_max_(series_max), chunks_(chunk_count(series_max)) {}
  SeriesTable(const SeriesTable&) = delete;
  SeriesTable& operator=(const SeriesTable&) = delete;
  ~SeriesTable() {
    for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
  }

  // The writer only. The values stay where they are until forget_service. Allocates when the key is new.
  Values& find_or_add(const SeriesKey& key);
  Values* find(const SeriesKey& key);  // null: there is none
  void forget_service(uint32_t service);

  // Release, so that a reader who sees the new value also sees that the series has changed hands.
  static void add(std::atomic<uint64_t>& value, uint64_t n) {
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

  // Any thread: calls visit(const SeriesKey&, const Copy&) for each series, in the order of their making.
  template <class Visit>
  void for_each(Visit visit) const;

 private:
  static constexpr uint32_t kChunkSize = 64;
  static constexpr uint32_t kEmpty = UINT32_MAX;

  struct Series {
    std::atomic<uint32_t> version{0};  // odd: belongs to a key; even: free, or changing hands
    std::array<std::atomic<uint64_t>, 2> key{};
    Values values{};
  };
  struct Chunk {
    std::array<Series, kChunkSize> series;
  };

  static size_t chunk_count(uint32_t series_max) { return series_max / kChunkSize + 2; }
  static std::array<uint64_t, 2> words(const SeriesKey& key) {
    std::array<uint64_t, 2> out;
    std::memcpy(out.data(), &key, sizeof key);
    return out;
  }
  static uint64_t hash(const SeriesKey& key) {
    auto [low, high] = words(key);
    return base::mix_hash(low, high);
  }
  Series& at(uint32_t index) const {
    return chunks_[index / kChunkSize].load(std::memory_order_relaxed)->series[index % kChunkSize];
  }
  bool holds(uint32_t index, const SeriesKey& key) const {
    auto [low, high] = words(key);
    const Series& series = at(index);
    return series.key[0].load(std::memory_order_relaxed) == low &&
           series.key[1].load(std::memory_order_relaxed) == high;
  }

  uint32_t make_series(const SeriesKey& key);
  void rebuild_index(size_t slots);
  void insert_index(uint32_t index);

  const uint32_t series_max_;
  // Readers: how many series exist and where. Both only grow.
  std::atomic<uint32_t> made_{0};
  std::vector<std::atomic<Chunk*>> chunks_;
  // The writer's alone.
  std::vector<uint32_t> index_;  // open addressing, a power of two, at most half full
  std::vector<uint32_t> free_;
  uint32_t in_use_ = 0;  // without the overflow series
};

template <size_t ValueCount>
auto SeriesTable<ValueCount>::find(const SeriesKey& key) -> Values* {
  if (index_.empty()) return nullptr;
  size_t mask = index_.size() - 1;
  for (size_t slot = hash(key) & mask; index_[slot] != kEmpty; slot = (slot + 1) & mask) {
    if (holds(index_[slot], key)) return &at(index_[slot]).values;
  }
  return nullptr;
}

template <size_t ValueCount>
auto SeriesTable<ValueCount>::find_or_add(const SeriesKey& key) -> Values& {
  if (Values* found = find(key)) return *found;
  if (in_use_ >= series_max_ && key.overflow == 0) {
    return find_or_add({.service = UINT32_MAX, .route = UINT32_MAX, .overflow = 1});
  }
  uint32_t index = make_series(key);
  if (key.overflow == 0) ++in_use_;
  if ((in_use_ + 1) * 2 > index_.size()) {
    rebuild_index(index_.empty() ? 64 : index_.size() * 2);
  } else {
    insert_index(index);
  }
  return at(index).values;
}

template <size_t ValueCount>
uint32_t SeriesTable<ValueCount>::make_series(const SeriesKey& key) {
  uint32_t index = made_.load(std::memory_order_relaxed);
  bool recycled = !free_.empty();
  if (recycled) {
    index = free_.back();
    free_.pop_back();
  } else if (index % kChunkSize == 0) {
    chunks_[index / kChunkSize].store(new Chunk, std::memory_order_release);
  }
  Series& series = at(index);
  auto [low, high] = words(key);
  series.key[0].store(low, std::memory_order_release);
  series.key[1].store(high, std::memory_order_release);
  for (auto& value : series.values) value.store(0, std::memory_order_release);
  series.version.store(series.version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  if (!recycled) made_.store(index + 1, std::memory_order_release);
  return index;
}

template <size_t ValueCount>
void SeriesTable<ValueCount>::forget_service(uint32_t service) {
  size_t before = free_.size();
  for (uint32_t index : index_) {
    if (index == kEmpty) continue;
    Series& series = at(index);
    SeriesKey key;
    uint64_t key_words[2] = {series.key[0].load(std::memory_order_relaxed),
                             series.key[1].load(std::memory_order_relaxed)};
    std::memcpy(&key, key_words, sizeof key);
    if (key.service != service || key.overflow != 0) continue;
    series.version.store(series.version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    free_.push_back(index);
  }
  if (free_.size() == before) return;
  in_use_ -= static_cast<uint32_t>(free_.size() - before);
  rebuild_index(index_.size());
}

// A series whose version is odd is in use; the free ones stay out.
template <size_t ValueCount>
void SeriesTable<ValueCount>::rebuild_index(size_t slots) {
  index_.assign(slots, kEmpty);
  for (uint32_t index = 0; index < made_.load(std::memory_order_relaxed); ++index) {
    if (at(index).version.load(std::memory_order_relaxed) % 2 == 1) insert_index(index);
  }
}

template <size_t ValueCount>
void SeriesTable<ValueCount>::insert_index(uint32_t index) {
  uint64_t low = at(index).key[0].load(std::memory_order_relaxed);
  uint64_t high = at(index).key[1].load(std::memory_order_relaxed);
  size_t mask = index_.size() - 1;
  size_t slot = base::mix_hash(low, high) & mask;
  while (index_[slot] != kEmpty) slot = (slot + 1) & mask;
  index_[slot] = index;
}

template <size_t ValueCount>
template <class Visit>
void SeriesTable<ValueCount>::for_each(Visit visit) const {
  uint32_t made = made_.load(std::memory_order_acquire);
  for (uint32_t index = 0; index < made; ++index) {
    const Series& series = at(index);
    uint32_t version = series.version.load(std::memory_order_acquire);
    if (version % 2 == 0) continue;
    uint64_t key_words[2] = {series.key[0].load(std::memory_order_acquire),
                             series.key[1].load(std::memory_order_acquire)};
    Copy copy;
    for (size_t i = 0; i < ValueCount; ++i) copy[i] = series.values[i].load(std::memory_order_acquire);
    // The series changed hands under us: its old owner is gone and the new one is seen at the next scrape.
    if (series.version.load(std::memory_order_relaxed) != version) continue;
    SeriesKey key;
    std::memcpy(&key, key_words, sizeof key);
    visit(key, copy);
  }
}

}  // namespace telemetry
