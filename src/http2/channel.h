// One stream's bytes both ways and how it stands, whichever side we are: what ServerStream and ClientStream
// share. The session feeds it and takes frames from it; whoever owns the exchange reads and writes. Outlives
// neither of the two unasked: it detaches from the session when destroyed, and the session fails it when it
// goes first.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/stream.h"
#include "http2/blocks.h"
#include "http2/limits.h"
#include "io/list.h"
#include "io/loop.h"

namespace http2 {

class Session;
struct SessionCallbacks;

inline constexpr size_t kFrameHeadBytes = 9;

struct ChannelTag;
struct FlushTag;

class Channel : public io::ListNode<ChannelTag>, public io::ListNode<FlushTag> {
 public:
  Channel(Session& session, base::Side peer);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel();

  base::Result<http::BodyBytes> peek();
  void consume(size_t count);
  std::string_view trailers() const { return trailers_in_.filled(); }

  // Copied once, into blocks that leave for the kernel as they are; at most kPendingBytesMax are held until
  // the peer's window and the connection take them. Of what may have no body every byte is taken and dropped.
  base::Result<size_t> write(std::string_view bytes);
  base::Result<> finish(std::string_view trailers);
  // Nothing leaves from within: frames of all streams go at the end of the turn. True once the kernel has
  // this stream's last one.
  base::Result<bool> flush();

  int32_t id() const { return id_; }
  // RFC 9113 §5.1: nothing more goes either way.
  bool closed() const { return closed_; }
  bool failed() const { return failure_.has_value(); }

 protected:
  friend class Session;
  friend struct SessionCallbacks;

  // What the other side's end means before its time; client_disconnected for a client.
  virtual base::Error lost(uint32_t error_code) const = 0;

  // Everything that was taken, head and end included, has been given to the kernel.
  bool all_sent() const;
  // The kernel took some of our head.
  bool head_left() const;
  // Ends the stream with RST_STREAM; what has not been framed is dropped.
  void reset(uint32_t error_code);
  void fail(const base::Error& error);
  // Body bytes that arrive are no longer wanted.
  void discard_input();
  void detach();

  // From the session.
  void arrived(std::string_view bytes);
  void peer_ended();
  void stream_closed(uint32_t error_code);
  void fire_all();

  Session* session_;  // null once it is gone
  base::Side peer_;
  int32_t id_ = -1;
  bool remote_ended_ = false;
  bool closed_ = false;
  bool discarding_ = false;
  bool sending_ = false;       // our body may be written
  bool deferred_ = false;      // nghttp2 waits for us to have something
  uint32_t heads_queued_ = 0;  // ours, interim ones included, that are not framed yet
  bool finished_ = false;
  bool end_sent_ = false;
  bool head_left_ = false;  // when the session has gone
  std::optional<base::Error> failure_;
  uint64_t head_mark_ = UINT64_MAX;  // where in the output our first frame begins
  uint64_t mark_ = 0;                // where our last one ends
  uint64_t body_taken_ = 0;          // consumed by whoever reads
  uint64_t bytes_framed_ = 0;        // of ours, framing included
  Blocks<0, 12> in_;
  Blocks<kFrameHeadBytes, 6> out_;
  io::Buffer trailers_in_;
  io::Buffer trailers_out_;
  io::Signal readable_;
  io::Signal writable_;
  io::Signal gone_;
};

static_assert(kStreamWindow <= 9 * io::kSmallBuffer, "a window fits the blocks of in_");
static_assert(kPendingBytesMax <= 5 * (io::kSmallBuffer - kFrameHeadBytes),
              "and what is pending those of out_");

}  // namespace http2
