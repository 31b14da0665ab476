// What both ends of an HTTP/2 connection share: the bytes of the stream below to nghttp2 and back, in as few
// calls as can be, and what a peer may make us hold. ServerConnection and ClientConnection derive from it;
// channel.h is its other side. Nothing here waits but write_frames().
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/limits.h"
#include "http2/budget.h"
#include "http2/channel.h"
#include "http2/head.h"
#include "http2/head_text.h"
#include "http2/output.h"
#include "http2/stream_numbers.h"
#include "io/list.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"

struct nghttp2_session;

namespace http2 {

class Session {
 public:
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  nghttp2_session* nghttp2() const { return nghttp2_; }
  io::Loop& loop() const { return loop_; }
  const Output& output() const { return output_; }
  // There is something to send: it leaves at the end of this turn, with all else of it.
  void mark_dirty();
  void await_flush(Channel& channel);
  // Received bytes that are held no longer.
  void release_held(size_t bytes);

 protected:
  friend class Channel;
  friend struct SessionCallbacks;

  Session(io::Loop& loop, std::unique_ptr<io::Stream> stream, base::Side peer);
  virtual ~Session();

  // What becomes of what arrives. All are called from within feed().
  virtual const http::HeadLimits& head_limits() const = 0;
  // The head is in head_text(), complete. channel is null for a new request.
  virtual void head_arrived(int32_t id, Channel* channel, EndStream end) = 0;
  // Trailers are in head_text(); keeps them, or resets the stream.
  void trailers_arrived(Channel& channel);
  virtual void settings_arrived() {}
  virtual void goaway_arrived() {}  // no stream may be opened any more
  virtual void stream_ended(Channel& channel) {}

  // Our SETTINGS and the connection's window.
  bool open();
  // One read from the stream below at most. True: there may be more at once.
  enum class Read : uint8_t { more, drained, ended };
  Read read_some();
  void feed(std::string_view bytes);
  // Sends frames whenever there are some; the connection's second coroutine.
  io::Task<> write_frames();
  // GOAWAY; whatever else goes on is over.
  void terminate(uint32_t error_code);
  void fail_channels();

  bool broken() const { return broken_; }  // the stream below takes or gives nothing more
  bool terminated() const { return terminated_; }
  // Nothing goes on and neither side will begin anything.
  bool settled() const;
  bool anything_to_send() const;
  io::Stream& stream() const { return *stream_; }
  HeadText& head_text() { return head_text_; }
  void attach(Channel& channel, int32_t id);

  io::Signal wake_;           // the reader has something to look at
  base::Instant head_began_;  // of a header block that is not complete
  bool peer_settled_ = false;
  bool goaway_received_ = false;
  bool pong_received_ = false;
  io::List<Channel, ChannelTag> channels_;

 private:
  void collect_frames();
  void pump();
  void announce_flushed();
  void count_reset();
  void count_idle_frame();
  void count_useful_frame() { idle_frames_.credit(kIdleFramesPerUsefulOne); }

  io::Loop& loop_;
  std::unique_ptr<io::Stream> stream_;
  base::Side peer_;
  nghttp2_session* nghttp2_ = nullptr;
  Output output_;
  HeadText head_text_;
  io::Signal dirty_;
  bool dirty_flag_ = false;
  bool broken_ = false;
  bool terminated_ = false;
  size_t read_size_ = io::kSmallBuffer;
  uint64_t held_ = 0;      // received bytes not consumed
  uint64_t withheld_ = 0;  // of the connection's window, until held_ has gone down
  Budget resets_{kResetBurst, kResetsPerSecond};
  Budget idle_frames_{kIdleFrameBurst, kIdleFramesPerSecond};
  io::List<Channel, FlushTag> flushing_;
  StreamNumbers stream_numbers_;
};

}  // namespace http2
