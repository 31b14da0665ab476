#include "websocket/close_frame.h"

#include <array>
#include <cstring>

#include "base/bytes.h"

namespace websocket {
namespace {

constexpr char kFinAndClose = static_cast<char>(0x88);
constexpr uint8_t kMasked = 0x80;

// As many whole characters as fit; what is not UTF-8 ends it, since a peer must refuse such a frame (§8.1).
std::string_view fitting(std::string_view reason) {
  size_t end = 0;
  while (end < reason.size()) {
    const size_t length = base::utf8_length(reason.substr(end));
    if (length == 0 || end + length > kCloseReasonBytesMax) break;
    end += length;
  }
  return reason.substr(0, end);
}

void write_payload(const Close& close, std::string_view reason, char* out) {
  out[0] = static_cast<char>(close.code >> 8);
  out[1] = static_cast<char>(close.code);
  if (!reason.empty()) std::memcpy(out + 2, reason.data(), reason.size());
}

}  // namespace

size_t write_close_frame(const Close& close, std::span<char> out) {
  const std::string_view reason = fitting(close.reason);
  out[0] = kFinAndClose;
  out[1] = static_cast<char>(2 + reason.size());
  write_payload(close, reason, out.data() + 2);
  return 4 + reason.size();
}

size_t write_masked_close_frame(const Close& close, std::span<char> out, crypto::RandomSource& random) {
  const std::string_view reason = fitting(close.reason);
  std::array<uint8_t, 4> mask;
  random.fill(mask);
  out[0] = kFinAndClose;
  out[1] = static_cast<char>(kMasked | (2 + reason.size()));
  std::memcpy(out.data() + 2, mask.data(), mask.size());
  char* payload = out.data() + 2 + mask.size();
  write_payload(close, reason, payload);
  for (size_t i = 0; i < 2 + reason.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ mask[i % 4]);
  return 8 + reason.size();
}

}  // namespace websocket
