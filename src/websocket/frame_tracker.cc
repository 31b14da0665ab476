#include "websocket/frame_tracker.h"

#include <algorithm>

namespace websocket {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kControl = 0x08;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLengthIn16 = 126;
constexpr uint8_t kLengthIn64 = 127;
constexpr uint64_t kControlPayloadMax = 125;
constexpr size_t kMaskBytes = 4;

}  // namespace

void FrameTracker::follow(std::string_view bytes) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::start:
        held_ = 0;
        state_ = State::header;
        break;
      case State::header:
        take_header_byte(bytes.front());
        bytes.remove_prefix(1);
        break;
      case State::payload:
        bytes.remove_prefix(take_payload(bytes));
        break;
      case State::ended:  // §5.5.1: nothing follows a close frame
        state_ = State::broken;
        break;
      case State::broken:
        return;
    }
  }
}

size_t FrameTracker::until_boundary(std::string_view next) const {
  FrameTracker ahead = *this;
  size_t at = 0;
  while (at < next.size() && ahead.within_frame()) {
    const uint64_t step = ahead.state_ == State::payload ? ahead.left_ : 1;
    const std::string_view piece =
        next.substr(at, static_cast<size_t>(std::min<uint64_t>(step, next.size() - at)));
    ahead.follow(piece);
    at += piece.size();
  }
  return at;
}

size_t FrameTracker::header_size() const {
  if (held_ < 2) return 2;
  const uint8_t length = header_[1] & 0x7F;
  const size_t extended = length == kLengthIn64 ? 8 : length == kLengthIn16 ? 2 : 0;
  return 2 + extended + (header_[1] & kMasked ? kMaskBytes : 0);
}

void FrameTracker::take_header_byte(char c) {
  header_[held_++] = static_cast<unsigned char>(c);
  if (held_ < header_size()) return;
  if (!open_frame()) {
    state_ = State::broken;
  } else if (left_ > 0) {
    state_ = State::payload;
  } else {
    end_frame();
  }
}

bool FrameTracker::open_frame() {
  const uint8_t length = header_[1] & 0x7F;
  left_ = length;
  if (length >= kLengthIn16) {
    left_ = 0;
    const size_t end = length == kLengthIn64 ? 10 : 4;
    for (size_t i = 2; i < end; ++i) left_ = left_ << 8 | header_[i];
    // §5.2: the shortest form, and the topmost bit is zero.
    if (left_ < (length == kLengthIn64 ? 0x10000u : kLengthIn16) || left_ >> 63 != 0) return false;
  }
  const bool masked = (header_[1] & kMasked) != 0;
  if (masked != (sender_ == base::Side::client)) return false;
  const auto opcode = static_cast<Opcode>(header_[0] & 0x0F);
  const bool last = (header_[0] & kFin) != 0;
  if ((header_[0] & kControl) == 0) return open_data_frame(opcode, last);
  if (!last || left_ > kControlPayloadMax) return false;  // §5.5
  switch (opcode) {
    case Opcode::close:
      close_seen_ = true;
      return true;
    case Opcode::ping:
      ++pings_;
      return true;
    case Opcode::pong:
      ++pongs_;
      return true;
    default:
      return false;
  }
}

bool FrameTracker::open_data_frame(Opcode opcode, bool last) {
  if (opcode > Opcode::binary) return false;
  if ((opcode == Opcode::continuation) != message_open_) return false;  // §5.4
  if (!message_open_) ++messages_;
  message_open_ = !last;
  return true;
}

size_t FrameTracker::take_payload(std::string_view bytes) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
  if (close_seen_) {
    for (size_t i = 0; i < taken && code_bytes_ < 2; ++i, ++code_bytes_) {
      uint8_t byte = static_cast<uint8_t>(bytes[i]);
      if (sender_ == base::Side::client) byte ^= header_[held_ - kMaskBytes + code_bytes_];
      close_code_ = static_cast<uint16_t>(close_code_ << 8 | byte);
    }
  }
  left_ -= taken;
  if (left_ == 0) end_frame();
  return taken;
}

void FrameTracker::end_frame() {
  if (code_bytes_ == 1) close_code_ = 0;  // half a code is none
  state_ = close_seen_ ? State::ended : State::start;
}

}  // namespace websocket
