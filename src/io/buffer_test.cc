#include "io/buffer.h"

#include <random>

namespace io {
namespace {

TEST(Buffer, AgreesWithAString) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Buffer buffer;
    std::string model;
    for (int step = 0; step < 200; ++step) {
      size_t size = random() % (random() % 4 == 0 ? 40'000 : 300);
      switch (random() % 5) {
        case 0:
        case 1: {
          bool fits = model.size() + size <= kLargeBuffer;
          bool reserved = buffer.reserve(size);
          if (fits) ASSERT_TRUE(reserved);
          if (!reserved) break;
          std::string bytes(size, static_cast<char>('a' + random() % 26));
          buffer.append(bytes);
          model += bytes;
          break;
        }
        case 2: {
          if (!buffer.reserve(1)) break;
          std::span<char> tail = buffer.tail();
          ASSERT_FALSE(tail.empty());
          tail[0] = 'x';
          buffer.grew(1);
          model += 'x';
          break;
        }
        case 3:
          size = std::min(size, model.size());
          buffer.consume(size);
          model.erase(0, size);
          break;
        default: {
          Buffer moved(std::move(buffer));
          ASSERT_TRUE(buffer.empty());
          buffer = std::move(moved);
        }
      }
      ASSERT_EQ(buffer.filled(), model);
      ASSERT_EQ(buffer.empty(), model.empty());
    }
    if (round % 2 == 0) {
      buffer.release();
      EXPECT_FALSE(buffer.has_block());
      EXPECT_TRUE(buffer.empty());
    }
  }
}

TEST(Buffer, TakesTheSmallestBlockThatHolds) {
  Buffer buffer;
  EXPECT_FALSE(buffer.has_block());
  struct {
    size_t wanted;
    size_t capacity;
  } cases[] = {{1, kTinyBuffer},
               {kTinyBuffer, kTinyBuffer},
               {kTinyBuffer + 1, kSmallBuffer},
               {kSmallBuffer + 1, kLargeBuffer}};
  for (const auto& c : cases) {
    ASSERT_TRUE(buffer.reserve(c.wanted));
    EXPECT_EQ(buffer.space(), c.capacity) << c.wanted;
    buffer.release();
  }
  EXPECT_FALSE(buffer.reserve(kLargeBuffer + 1));
  EXPECT_TRUE(buffer.reserve(kLargeBuffer));
}

}  // namespace
}  // namespace io
