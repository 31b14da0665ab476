#include "base/hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

namespace base {
namespace {

TEST(Hash, DependsOnEveryByteAndTheLength) {
  std::set<uint64_t> seen;
  size_t texts = 0;
  for (size_t size = 0; size <= 40; ++size) {
    std::string text(size, '\0');
    seen.insert(hash_bytes(text));
    ++texts;
    for (size_t at = 0; at < size; ++at) {
      text[at] = 1;
      seen.insert(hash_bytes(text));
      ++texts;
      text[at] = 0;
    }
  }
  EXPECT_EQ(seen.size(), texts);
}

TEST(Hash, SpreadsNamesThatDifferInADigit) {
  std::set<uint64_t> low, high;
  for (int i = 0; i < 4096; ++i) {
    uint64_t hash = hash_bytes("service-" + std::to_string(i) + ".example.com");
    low.insert(hash & 0xFFFF);
    high.insert(hash >> 48);
  }
  // 4096 balls into 65536 bins hit about 3970 of them.
  EXPECT_GT(low.size(), 3800u);
  EXPECT_GT(high.size(), 3800u);
}

TEST(Hash, MixesBothSides) {
  int changed = 0;
  for (int bit = 0; bit < 64; ++bit)
    changed += std::popcount(mix_hash(1, 2) ^ mix_hash(1, 2 ^ uint64_t{1} << bit));
  EXPECT_GT(changed / 64, 20);
  EXPECT_NE(mix_hash(1, 2), mix_hash(2, 1));
}

}  // namespace
}  // namespace base
