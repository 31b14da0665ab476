// Follows the frames of one direction of a WebSocket that is relayed raw (RFC 6455 §5), without changing a
// byte. The relay shows it what it has sent on and learns where a frame of the gate's own may be put between,
// whether the connection is being closed, and that it is alive. It never holds bytes back: of a stream that
// is not WebSocket it only says so, and the relay goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace websocket {

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

class FrameTracker {
 public:
  // client: its frames are masked; backend: its frames are not (§5.1).
  explicit FrameTracker(base::Side sender) : sender_(sender) {}

  // The next bytes of this direction that have been sent on.
  void follow(std::string_view bytes);

  // Between two frames, also between the fragments of a message: a control frame of ours may follow what has
  // been sent on (§5.4). Never true of a broken stream, nor behind a close frame, which is the last.
  bool at_boundary() const { return state_ == State::start; }
  // Some bytes of a frame have been sent on, and some are still to come.
  bool within_frame() const { return state_ == State::header || state_ == State::payload; }
  // How many of the bytes that come next belong to the frame that is under way; all of them when it ends
  // further on. 0 at a boundary, and of a stream that is broken or has ended.
  size_t until_boundary(std::string_view next) const;

  bool message_open() const { return message_open_; }  // a fragmented message has not ended
  // Framing that no extension explains; nothing is known of the stream any more. RSV bits are an extension's.
  bool broken() const { return state_ == State::broken; }

  bool close_seen() const { return close_seen_; }      // its header; the payload may be on its way
  uint16_t close_code() const { return close_code_; }  // 0: none, or a close frame without one
  uint64_t messages() const { return messages_; }      // that have begun
  uint64_t pings() const { return pings_; }
  uint64_t pongs() const { return pongs_; }

 private:
  enum class State : uint8_t { start, header, payload, ended, broken };

  size_t header_size() const;  // as far as the bytes held tell
  void take_header_byte(char c);
  bool open_frame();
  bool open_data_frame(Opcode opcode, bool last);
  size_t take_payload(std::string_view bytes);
  void end_frame();

  uint64_t left_ = 0;  // of the payload
  uint64_t messages_ = 0;
  uint64_t pings_ = 0;
  uint64_t pongs_ = 0;
  uint16_t close_code_ = 0;
  base::Side sender_;
  State state_ = State::start;
  bool message_open_ = false;
  bool close_seen_ = false;
  uint8_t held_ = 0;
  uint8_t code_bytes_ = 0;    // of a close frame's code, seen so far
  unsigned char header_[14];  // 2, then 0, 2 or 8 of length, then 0 or 4 of masking key (§5.2)
};

}  // namespace websocket
