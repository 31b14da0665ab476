// The writing half of an HTTP/1 connection. Small pieces gather in one buffer and leave in one call, at the
// end of the loop's turn; a large body goes from the buffer it was read into straight to the kernel.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "http/head.h"
#include "io/buffer.h"
#include "io/loop.h"
#include "io/stream.h"

namespace http1 {

class Outbound final : private io::TurnEnd {
 public:
  Outbound(io::Loop& loop, io::Stream& stream, base::Side peer) : loop_(loop), stream_(stream), peer_(peer) {}

  // Heads: room for the whole of it first, then the pieces.
  bool reserve(size_t bytes) { return buffer_.reserve(bytes + kFramingRoom); }
  void put(std::string_view text) { buffer_.append(text); }
  void put_header(std::string_view name, std::string_view value) {
    buffer_.append(name);
    buffer_.append(": ");
    buffer_.append(value);
    buffer_.append("\r\n");
  }
  void put_number(uint64_t value);

  enum class Framing : uint8_t { none, plain, chunked };
  void start_body(Framing framing) {
    framing_ = framing;
    chunk_left_ = 0;
  }
  base::Result<size_t> write(std::string_view bytes);
  base::Result<> finish(std::string_view trailers);
  // True once all has left. False: the stream's writable fires when it has, or when there is room for more.
  base::Result<bool> flush();
  // The same at once, for a connection that is about to be closed.
  base::Result<bool> flush_now();

  void shutdown_when_flushed() { shutdown_ = true; }
  bool empty() const { return buffer_.empty(); }
  uint64_t bytes_sent() const { return bytes_sent_; }
  void start_message() { bytes_sent_ = 0; }
  void release_buffers() { buffer_.release(); }

 private:
  // A chunk's size line, the CRLF behind it and the last chunk always fit.
  static constexpr size_t kFramingRoom = 64;
  // Bodies up to this size are gathered with their head; copying costs less than a second system call.
  static constexpr size_t kGather = 8 * 1024;

  void at_turn_end() override;
  base::Result<size_t> send_through(std::string_view bytes);
  base::Error failed(int error) const;

  io::Loop& loop_;
  io::Stream& stream_;
  base::Side peer_;
  Framing framing_ = Framing::none;
  bool shutdown_ = false;
  int error_ = 0;            // met at the end of a turn, not told yet
  uint64_t chunk_left_ = 0;  // bytes the last chunk header promised
  uint64_t bytes_sent_ = 0;
  io::Buffer buffer_;
};

}  // namespace http1
