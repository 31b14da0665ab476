// The reading half of an HTTP/1 connection: heads and bodies out of a stream's bytes. The head's bytes stay
// where they are until next_message(), since its views are in use; a body flows through a buffer of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/head.h"
#include "http/stream.h"
#include "http1/codec.h"
#include "io/buffer.h"
#include "io/stream.h"

namespace http1 {

class Inbound {
 public:
  Inbound(io::Stream& stream, base::Side peer) : stream_(stream), peer_(peer), chunks_(peer) {}

  // The complete head's bytes, once they are here. nullopt: wait for the stream. Fails when it grows past
  // head_bytes_max, or with ended() when the peer closed first.
  base::Result<std::optional<std::string_view>> receive_head(uint32_t head_bytes_max);
  // Behind a head: how its body is framed.
  void start_body(http::BodyLength length);
  void switch_to_raw();

  base::Result<http::BodyBytes> peek();
  void consume(size_t count);
  bool body_ended() const { return state_ == State::ended; }
  // Bytes of a sized body not consumed yet; UINT64_MAX when the length is not known.
  uint64_t body_left() const;
  std::string_view trailers() const {
    return state_ == State::ended ? chunks_.trailers() : std::string_view{};
  }

  // Forgets the message; what the peer sent behind it becomes the beginning of the next. Also used between an
  // interim and the final response head, which it leaves in place.
  void next_message();

  // Nothing of a next message has arrived.
  bool drained() const { return head_.size() == head_used_ && body_.empty(); }
  bool any_bytes() const { return !head_.empty(); }
  bool peer_ended() const { return peer_ended_; }
  // Of this message, framing included.
  uint64_t bytes_taken() const { return bytes_read_ - (head_.size() - head_used_) - body_.size(); }
  void release_buffers();
  // Behind a first head: all that was read, that head included.
  io::Buffer take_received() { return std::move(head_); }

 private:
  enum class State : uint8_t { head, sized, chunked, until_close, ended };

  std::string_view unread() const;
  void advance(size_t count);
  // One read into buffer. False: nothing came (would block, or the end, which peer_ended_ tells).
  base::Result<bool> read_into(io::Buffer& buffer, size_t most);
  base::Error cut_short() const;
  http::BodyBytes nothing_yet();

  io::Stream& stream_;
  base::Side peer_;
  State state_ = State::head;
  bool peer_ended_ = false;
  size_t head_used_ = 0;  // of head_: the head itself and body bytes behind it that were consumed
  size_t head_searched_ = 0;
  size_t pending_ = 0;  // decoded body bytes at the front of unread(), still to be consumed
  uint64_t left_ = 0;   // of a sized body
  uint64_t bytes_read_ = 0;
  io::Buffer head_;
  io::Buffer body_;
  ChunkedDecoder chunks_;
};

}  // namespace http1
