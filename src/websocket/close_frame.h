// The close frames that the gate writes itself (RFC 6455 §5.5.1) when it ends a WebSocket that it relays: one
// to each side, at a boundary that FrameTracker knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "crypto/random.h"

namespace websocket {

// RFC 6455 §7.4.1, those the gate has a use for.
inline constexpr uint16_t kGoingAway = 1001;        // the gate shuts down
inline constexpr uint16_t kPolicyViolation = 1008;  // access was taken away

struct Close {
  uint16_t code = kPolicyViolation;
  std::string_view reason;  // UTF-8; cut at a whole character to what a control frame holds
};

inline constexpr size_t kCloseReasonBytesMax = 123;
inline constexpr size_t kCloseFrameBytesMax = 2 + 4 + 2 + kCloseReasonBytesMax;

// Both return the length; out has room for kCloseFrameBytesMax. To a client, unmasked.
size_t write_close_frame(const Close& close, std::span<char> out);
// To a backend, masked (§5.3).
size_t write_masked_close_frame(const Close& close, std::span<char> out, crypto::RandomSource& random);

}  // namespace websocket
