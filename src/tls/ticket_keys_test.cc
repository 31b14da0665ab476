#include "tls/ticket_keys.h"

#include <set>
#include <thread>

namespace tls {
namespace {

// Each key's bytes are all the same number, one more for every key.
class CountingRandom final : public crypto::RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(1 + calls_ / 3 % 255);
    ++calls_;
  }

 private:
  int calls_ = 0;
};

TEST(TicketKeys, TheNewestSealsAndTheLastOnesOpen) {
  CountingRandom random;
  TicketKeys keys(random);
  std::vector<TicketKey> made = {keys.current()};
  for (size_t i = 0; i < TicketKeys::kKept; ++i) {
    for (const TicketKey& key : made) {
      auto found = keys.find(key.name.data());
      ASSERT_TRUE(found);
      EXPECT_EQ(found->key.cipher, key.cipher);
      EXPECT_EQ(found->newest, key.name == keys.current().name);
    }
    keys.rotate(random);
    made.push_back(keys.current());
  }
  EXPECT_FALSE(keys.find(made[0].name.data())) << "rotated out";
  EXPECT_TRUE(keys.find(made[1].name.data()));
}

TEST(TicketKeys, AnUnusedPlaceOpensNothing) {
  CountingRandom random;
  TicketKeys keys(random);
  EXPECT_FALSE(keys.find(std::array<uint8_t, 16>{}.data()));
}

TEST(TicketKeys, ReadersSeeWholeKeys) {
  CountingRandom random;
  TicketKeys keys(random);
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::thread reader([&] {
    while (!stop) {
      TicketKey key = keys.current();
      std::set<uint8_t> values(key.name.begin(), key.name.end());
      values.insert(key.cipher.begin(), key.cipher.end());
      values.insert(key.mac.begin(), key.mac.end());
      if (values.size() != 1) ++torn;
    }
  });
  for (int i = 0; i < 20'000; ++i) keys.rotate(random);
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace tls
