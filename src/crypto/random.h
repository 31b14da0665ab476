// Where unpredictable bytes come from: handed in by whoever needs them, so that tests stand in for it.
#pragma once

#include <cstdint>
#include <span>

namespace crypto {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(std::span<uint8_t> out) = 0;
};

// The operating system's generator through libcrypto. Any thread. Ends the process when no randomness can be
// had: going on with predictable keys would be worse.
class SystemRandom final : public RandomSource {
 public:
  void fill(std::span<uint8_t> out) override;
};

}  // namespace crypto
