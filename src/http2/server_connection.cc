#include "http2/server_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace http2 {

ServerConnection::ServerConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream,
                                   const io::Address& peer, io::Buffer received)
    : Session(loop, std::move(stream), base::Side::client),
      peer_address_(peer),
      received_(std::move(received)) {}

ServerConnection::~ServerConnection() {
  tasks_.cancel_all();
  while (ServerStream* stream = arrived_.take_front()) delete stream;
}

io::Task<> ServerConnection::serve(http::RequestHandler& handler) {
  handler_ = &handler;
  began_ = idle_since_ = loop().now();
  if (!open()) co_return;
  tasks_.spawn(write_frames());
  co_await receive();
  // Whoever still answers learns that nobody is there to read it.
  while (ServerStream* stream = arrived_.take_front()) delete stream;
  fail_channels();
  co_await last_words();
  while (exchanges_ > 0) co_await io::wait_for(loop(), base::kNever, wake_);
}

io::Task<> ServerConnection::receive() {
  feed(received_.filled());
  received_.release();
  for (;;) {
    const Read read = read_some();
    start_exchanges();
    if (read == Read::ended || terminated() || broken()) co_return;
    if (read == Read::more) {
      co_await io::Yield(loop());
      continue;
    }
    if (handler_->draining()) advance_drain();
    if (settled()) co_return;
    const io::Wake wake =
        co_await io::wait_for(loop(), next_deadline(), stream().readable(), stream().gone(), wake_);
    if (wake == io::Wake::timed_out) time_passed();
  }
}

// Called from within nghttp2: the handler begins once it has returned.
void ServerConnection::head_arrived(int32_t id, Channel*, EndStream end) {
  if (terminated()) return;
  if (exchanges_ >= kLiveExchangesMax) {
    nghttp2_submit_rst_stream(nghttp2(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    return;
  }
  auto* stream = new ServerStream(
      *this, {.text = std::move(head_text()), .end = end, .began = head_began_, .peer = peer_address_});
  attach(*stream, id);
  nghttp2_session_set_stream_user_data(nghttp2(), id, static_cast<Channel*>(stream));
  stream->parse(head_limits());
  arrived_.push_back(*stream);
  ++exchanges_;
}

void ServerConnection::start_exchanges() {
  while (ServerStream* stream = arrived_.take_front()) {
    std::unique_ptr<ServerStream> owned(stream);
    // Asked for and taken back at once: nobody need know.
    if (stream->failed()) {
      --exchanges_;
      continue;
    }
    served_one_ = true;
    tasks_.spawn(run_exchange(std::move(owned)));
  }
  if (exchanges_ == 0 && !idle_since_.reached()) idle_since_ = loop().now();
  if (exchanges_ > 0) idle_since_ = {};
}

io::Task<> ServerConnection::run_exchange(std::unique_ptr<ServerStream> stream) {
  if (stream->refusal()) {
    co_await handler_->refuse(*stream, *stream->refusal());
  } else {
    co_await handler_->serve(*stream);
  }
  const base::Instant deadline = loop().now() + handler_->limits().linger_timeout;
  while (stream->answered() && !stream->failed() && !stream->sent()) {
    if (!stream->flush()) break;
    if (co_await io::wait_for(loop(), deadline, stream->writable()) == io::Wake::timed_out) break;
  }
  stream->end_exchange();
  stream.reset();
  if (--exchanges_ > 0) co_return;
  idle_since_ = loop().now();
  wake_.fire();
}

// RFC 9113 §6.8: first that we are about to stop, then, once requests on their way have come in, at which.
void ServerConnection::advance_drain() {
  switch (drain_) {
    case Drain::none:
      nghttp2_submit_shutdown_notice(nghttp2());
      nghttp2_submit_ping(nghttp2(), NGHTTP2_FLAG_NONE, nullptr);
      mark_dirty();
      drain_began_ = loop().now();
      drain_ = Drain::announced;
      return;
    case Drain::announced:
      // A round trip tells that whoever has asked before has been heard. One who has asked nothing yet may be
      // about to, its connection being new.
      if (loop().now() < drain_began_ + kDrainPatience && !(pong_received_ && served_one_)) return;
      nghttp2_submit_goaway(nghttp2(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(nghttp2()),
                            NGHTTP2_NO_ERROR, nullptr, 0);
      mark_dirty();
      drain_ = Drain::final;
      return;
    case Drain::final:
      return;
  }
}

base::Instant ServerConnection::next_deadline() const {
  const http::ServerLimits& limits = handler_->limits();
  base::Instant deadline = base::kNever;
  if (!peer_settled_) deadline = began_ + limits.head_timeout;
  if (head_began_.reached()) deadline = std::min(deadline, head_began_ + limits.head_timeout);
  if (exchanges_ == 0) deadline = std::min(deadline, idle_since_ + limits.idle_timeout);
  if (drain_ == Drain::announced) deadline = std::min(deadline, drain_began_ + kDrainPatience);
  return deadline;
}

void ServerConnection::time_passed() {
  const http::ServerLimits& limits = handler_->limits();
  const base::Instant now = loop().now();
  if (head_began_.reached() && now >= head_began_ + limits.head_timeout) {
    terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (!peer_settled_ && now >= began_ + limits.head_timeout) {
    terminate(NGHTTP2_NO_ERROR);
  } else if (exchanges_ == 0 && now >= idle_since_ + limits.idle_timeout) {
    terminate(NGHTTP2_NO_ERROR);
  }
}

// For the client to take what says why the connection ends.
io::Task<> ServerConnection::last_words() {
  if (broken()) co_return;
  const base::Instant deadline = loop().now() + kLastWordsPatience;
  while (!broken() && anything_to_send()) {
    const base::Instant look_again = std::min(deadline, loop().now() + base::milliseconds(20));
    co_await io::wait_for(loop(), look_again, wake_);
    if (loop().now() >= deadline) break;
  }
  if (broken() || stream().peer_gone()) co_return;
  stream().shutdown_write();
  co_await linger(loop().now() + handler_->limits().linger_timeout);
}

// Closing with input unread would reset the connection and might destroy the GOAWAY on its way.
io::Task<> ServerConnection::linger(base::Instant deadline) {
  for (uint64_t bytes = 0; bytes < kLingerBytesMax;) {
    io::Buffer discarded;
    if (!discarded.reserve(io::kSmallBuffer)) co_return;
    const io::IoResult got = stream().read(discarded.tail());
    if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) co_return;
    bytes += got.count;
    discarded.release();
    if (got.kind == io::IoResult::Kind::bytes) {
      co_await io::Yield(loop());
    } else if (co_await io::wait_for(loop(), deadline, stream().readable()) == io::Wake::timed_out) {
      co_return;
    }
  }
}

}  // namespace http2
