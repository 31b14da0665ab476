#include "telemetry/request_id.h"

#include <bit>

namespace telemetry {
namespace {

void write_hex(uint64_t word, char* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; --i, word >>= 4) out[i] = kDigits[word & 15];
}

}  // namespace

RequestIdGenerator::RequestIdGenerator(const Seed& seed) : state_(seed) {
  // All zero is the one state xoshiro never leaves.
  if (state_ == Seed{}) state_[0] = 0x9E3779B97F4A7C15u;
}

uint64_t RequestIdGenerator::next_word() {
  uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

RequestId RequestIdGenerator::next() {
  uint64_t high = next_word();
  uint64_t low = next_word();
  if ((high | low) == 0) low = 1;  // W3C Trace Context: an id of all zeros is invalid
  RequestId id;
  write_hex(high, id.digits.data());
  write_hex(low, id.digits.data() + 16);
  return id;
}

}  // namespace telemetry
