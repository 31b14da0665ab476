#include "base/base64.h"

#include <array>

namespace base {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto kValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = i;
  return values;
}();

int value_of(char c) { return kValues[static_cast<uint8_t>(c)]; }
uint32_t byte_at(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

void write_three(uint32_t bits, char* out) {
  out[0] = static_cast<char>(bits >> 16);
  out[1] = static_cast<char>(bits >> 8);
  out[2] = static_cast<char>(bits);
}

}  // namespace

size_t encode_base64(std::string_view bytes, char* out) {
  char* at = out;
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t bits = byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) *at++ = kAlphabet[bits >> shift & 63];
  }
  if (i < bytes.size()) {
    const bool two = i + 2 == bytes.size();
    const uint32_t bits = byte_at(bytes, i) << 16 | (two ? byte_at(bytes, i + 1) << 8 : 0);
    *at++ = kAlphabet[bits >> 18];
    *at++ = kAlphabet[bits >> 12 & 63];
    *at++ = two ? kAlphabet[bits >> 6 & 63] : '=';
    *at++ = '=';
  }
  return static_cast<size_t>(at - out);
}

std::optional<Base64Decoder::Step> Base64Decoder::decode(std::string_view text, std::span<char> out) {
  Step step;
  while (step.consumed < text.size() && out.size() - step.written >= 3) {
    const char* at = text.data() + step.consumed;
    if (held_ == 0 && text.size() - step.consumed >= 4) {
      // A negative value has all upper bits set, so one test serves for four characters.
      const int bits = value_of(at[0]) << 18 | value_of(at[1]) << 12 | value_of(at[2]) << 6 | value_of(at[3]);
      if (bits >= 0) {
        write_three(static_cast<uint32_t>(bits), out.data() + step.written);
        step.consumed += 4;
        step.written += 3;
        continue;
      }
    }
    if (!take(*at)) return std::nullopt;
    ++step.consumed;
    // RFC 4648 §3.5: bits left over must be zero, else two texts would stand for one value.
    if (held_ == 4 && padding_ > 0 && (bits_ & ((1u << 8 * padding_) - 1)) != 0) return std::nullopt;
    if (held_ == 4) step.written += end_group(out.data() + step.written);
  }
  return step;
}

bool Base64Decoder::take(char c) {
  if (c == '=') {
    if (held_ < 2) return false;
    ++padding_;
    bits_ <<= 6;
  } else {
    const int value = value_of(c);
    if (value < 0 || padding_ > 0) return false;
    bits_ = bits_ << 6 | static_cast<uint32_t>(value);
  }
  ++held_;
  return true;
}

size_t Base64Decoder::end_group(char* out) {
  write_three(bits_, out);
  const size_t written = size_t{3} - padding_;
  reset();
  return written;
}

}  // namespace base
