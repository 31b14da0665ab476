#include "http2/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <new>

#include "http2/memory.h"
#include "http2/session_callbacks.h"

namespace http2 {
namespace {

// Others get their turn after this many full outputs.
constexpr int kOutputsATurn = 4;

const nghttp2_option* session_options() {
  static const nghttp2_option* const options = [] {
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) std::abort();
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_max_outbound_ack(made, kQueuedAcksMax);
    nghttp2_option_set_max_settings(made, kSettingsEntriesMax);
    nghttp2_option_set_max_continuations(made, kContinuationsMax);
    nghttp2_option_set_max_deflate_dynamic_table_size(made, kHeaderTableBytes);
    // Ours counts what ends well too; nghttp2's would end a busy connection that now and then cancels.
    nghttp2_option_set_stream_reset_rate_limit(made, UINT32_MAX, UINT32_MAX);
    nghttp2_option_set_no_closed_streams(made, 1);
    nghttp2_option_set_builtin_recv_extension_type(made, NGHTTP2_PRIORITY_UPDATE);
    return made;
  }();
  return options;
}

}  // namespace

Session::Session(io::Loop& loop, std::unique_ptr<io::Stream> stream, base::Side peer)
    : loop_(loop), stream_(std::move(stream)), peer_(peer) {
  const auto make = peer == base::Side::client ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  // Fails only where memory does.
  if (make(&nghttp2_, session_callbacks(), this, session_options(),
           static_cast<nghttp2_mem*>(session_memory())) != 0)
    std::abort();
}

Session::~Session() {
  while (Channel* channel = channels_.front()) {
    channel->fail(channel->lost(NGHTTP2_INTERNAL_ERROR));
    channel->detach();
  }
  nghttp2_session_del(nghttp2_);
}

bool Session::open() {
  std::array<nghttp2_settings_entry, 5> entries;
  size_t count = 0;
  entries[count++] = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow};
  entries[count++] = {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_limits().head_bytes_max};
  if (peer_ == base::Side::client) {
    entries[count++] = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kConcurrentStreamsMax};
    entries[count++] = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    entries[count++] = {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
  } else {
    entries[count++] = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  }
  if (nghttp2_submit_settings(nghttp2_, NGHTTP2_FLAG_NONE, entries.data(), count) != 0) return false;
  if (nghttp2_session_set_local_window_size(nghttp2_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) != 0)
    return false;
  mark_dirty();
  return true;
}

void Session::attach(Channel& channel, int32_t id) {
  channel.id_ = id;
  channels_.push_back(channel);
}

void Session::mark_dirty() {
  dirty_flag_ = true;
  dirty_.fire();
}

void Session::await_flush(Channel& channel) {
  io::ListNode<FlushTag>& node = channel;
  if (!node.linked()) flushing_.push_back(node);
}

void Session::release_held(size_t bytes) {
  held_ -= bytes;
  if (withheld_ == 0 || held_ >= kHeldBytesMax) return;
  nghttp2_session_consume_connection(nghttp2_, withheld_);
  withheld_ = 0;
  mark_dirty();
}

Session::Read Session::read_some() {
  if (broken_ || terminated_) return Read::ended;
  if (!stream_->may_read()) return stream_->peer_gone() ? Read::ended : Read::drained;
  io::Buffer block;
  if (!block.reserve(read_size_)) return Read::ended;
  const std::span<char> room = block.tail();
  const io::IoResult got = stream_->read(room);
  switch (got.kind) {
    case io::IoResult::Kind::bytes:
      read_size_ = got.count == room.size() ? io::kLargeBuffer : io::kSmallBuffer;
      feed({room.data(), got.count});
      return terminated_ ? Read::ended : stream_->may_read() ? Read::more : Read::drained;
    case io::IoResult::Kind::would_block:
      return Read::drained;
    case io::IoResult::Kind::end:
    case io::IoResult::Kind::failed:
      break;
  }
  // Whoever closes its side of an HTTP/2 connection wants none of its streams any more (RFC 9113 §9.1 has
  // END_STREAM for the rest).
  return Read::ended;
}

void Session::feed(std::string_view bytes) {
  const ssize_t used =
      nghttp2_session_mem_recv(nghttp2_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {
    const bool flooded = used == NGHTTP2_ERR_FLOODED || used == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ||
                         used == NGHTTP2_ERR_TOO_MANY_SETTINGS;
    terminate(flooded ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  } else if (nghttp2_session_get_outbound_queue_size(nghttp2_) > kQueuedFramesMax) {
    terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  if (nghttp2_session_want_write(nghttp2_) != 0) mark_dirty();
}

void Session::terminate(uint32_t error_code) {
  if (terminated_) return;
  terminated_ = true;
  nghttp2_session_terminate_session(nghttp2_, error_code);
  mark_dirty();
  wake_.fire();
}

bool Session::anything_to_send() const {
  return !output_.empty() || nghttp2_session_want_write(nghttp2_) != 0;
}

bool Session::settled() const {
  return output_.empty() && nghttp2_session_want_read(nghttp2_) == 0 &&
         nghttp2_session_want_write(nghttp2_) == 0;
}

// Of those that are whole nothing can be lost any more.
void Session::fail_channels() {
  for (Channel* channel = channels_.front(); channel != nullptr; channel = channels_.after(*channel)) {
    if (!channel->closed_ || !channel->all_sent()) channel->fail(channel->lost(NGHTTP2_INTERNAL_ERROR));
  }
}

void Session::trailers_arrived(Channel& channel) {
  if (auto taken = take_trailers(head_text_, peer_, channel.trailers_in_); !taken) {
    channel.fail(taken.error());
    channel.reset(NGHTTP2_PROTOCOL_ERROR);
  }
}

void Session::collect_frames() {
  while (!output_.full()) {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(nghttp2_, &bytes);
    if (count <= 0) {
      if (count < 0) terminated_ = broken_ = true;
      return;
    }
    output_.append({reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)});
  }
}

void Session::pump() {
  for (int round = 0;; ++round) {
    collect_frames();
    const Output::Sent sent = broken_ ? Output::Sent::failed : output_.flush(*stream_);
    if (sent == Output::Sent::failed) {
      broken_ = true;
      fail_channels();
      wake_.fire();
      return;
    }
    announce_flushed();
    if (sent == Output::Sent::some) return;
    if (nghttp2_session_want_write(nghttp2_) == 0) break;
    if (round == kOutputsATurn) {
      dirty_flag_ = true;
      return;
    }
  }
  if (settled()) wake_.fire();
}

void Session::announce_flushed() {
  for (Channel* channel = flushing_.front(); channel != nullptr;) {
    Channel* const next = flushing_.after(*channel);
    if (channel->failed() || channel->all_sent()) {
      static_cast<io::ListNode<FlushTag>&>(*channel).unlink();
      channel->writable_.fire();
    }
    channel = next;
  }
}

io::Task<> Session::write_frames() {
  // What begins the connection leaves together with its first frames.
  co_await io::Yield(loop_);
  for (;;) {
    dirty_flag_ = false;
    pump();
    if (broken_) co_return;
    if (dirty_flag_) {
      co_await io::Yield(loop_);
    } else if (output_.empty()) {
      co_await io::wait_for(loop_, base::kNever, dirty_);
    } else {
      co_await io::wait_for(loop_, base::kNever, dirty_, stream_->writable());
    }
  }
}

void Session::count_reset() {
  if (peer_ != base::Side::client) return;
  if (!resets_.take(loop_.now())) terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Session::count_idle_frame() {
  if (peer_ != base::Side::client) return;
  if (!idle_frames_.take(loop_.now())) terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

}  // namespace http2
