#include "http2/channel.h"

#include <nghttp2/nghttp2.h>

#include "http2/session.h"

namespace http2 {

using base::Result;

Channel::Channel(Session& session, base::Side peer) : session_(&session), peer_(peer) {}

Channel::~Channel() { detach(); }

void Channel::detach() {
  if (session_ == nullptr) return;
  if (id_ > 0 && !closed_) nghttp2_session_set_stream_user_data(session_->nghttp2(), id_, nullptr);
  session_->release_held(in_.size());
  in_.clear();
  head_left_ = head_left();
  static_cast<io::ListNode<ChannelTag>&>(*this).unlink();
  static_cast<io::ListNode<FlushTag>&>(*this).unlink();
  session_ = nullptr;
}

bool Channel::head_left() const {
  return session_ == nullptr ? head_left_ : session_->output().sent() > head_mark_;
}

Result<http::BodyBytes> Channel::peek() {
  if (!in_.empty()) {
    const std::string_view bytes = in_.front();
    return http::BodyBytes{bytes, remote_ended_ && bytes.size() == in_.size()};
  }
  if (remote_ended_) return http::BodyBytes{{}, true};
  if (failure_) return base::fail(*failure_);
  return http::BodyBytes{};
}

void Channel::consume(size_t count) {
  if (count == 0) return;
  in_.consume(count);
  body_taken_ += count;
  if (session_ == nullptr) return;
  session_->release_held(count);
  if (closed_ || remote_ended_) return;
  nghttp2_session_consume_stream(session_->nghttp2(), id_, count);
  session_->mark_dirty();
}

Result<size_t> Channel::write(std::string_view bytes) {
  if (failure_) return base::fail(*failure_);
  if (!sending_ || finished_) return bytes.size();  // RFC 9110 §9.3.2: what has no content has none
  const size_t taken = out_.append(bytes, kPendingBytesMax);
  if (taken == 0) return 0;
  if (deferred_) {
    deferred_ = false;
    nghttp2_session_resume_data(session_->nghttp2(), id_);
  }
  session_->mark_dirty();
  return taken;
}

Result<> Channel::finish(std::string_view trailers) {
  if (finished_) return {};
  finished_ = true;
  if (failure_) return base::fail(*failure_);
  if (!sending_) return {};
  // Behind what is too long to keep nothing is sent; the body itself is whole.
  if (!trailers.empty() && trailers_out_.reserve(trailers.size())) trailers_out_.append(trailers);
  if (deferred_) {
    deferred_ = false;
    nghttp2_session_resume_data(session_->nghttp2(), id_);
  }
  session_->mark_dirty();
  return {};
}

bool Channel::all_sent() const {
  if (heads_queued_ > 0 || !out_.empty()) return false;
  if (finished_ && sending_ && !end_sent_) return false;
  return session_ == nullptr || session_->output().sent() >= mark_;
}

Result<bool> Channel::flush() {
  if (failure_) return base::fail(*failure_);
  if (all_sent()) return true;
  session_->await_flush(*this);
  session_->mark_dirty();
  return false;
}

void Channel::arrived(std::string_view bytes) {
  if (discarding_ || failure_) {
    session_->release_held(bytes.size());
    return;
  }
  const size_t taken = in_.append(bytes, SIZE_MAX);
  if (taken != bytes.size()) {
    // More than the window allowed, which nghttp2 sees to: it cannot come to this.
    session_->release_held(bytes.size() - taken);
    reset(NGHTTP2_FLOW_CONTROL_ERROR);
    return;
  }
  readable_.fire();
}

void Channel::peer_ended() {
  remote_ended_ = true;
  readable_.fire();
}

void Channel::discard_input() {
  discarding_ = true;
  session_->release_held(in_.size());
  in_.clear();
}

void Channel::stream_closed(uint32_t error_code) {
  closed_ = true;
  if (!remote_ended_ || !end_sent_) fail(lost(error_code));
}

void Channel::fail(const base::Error& error) {
  if (failure_) return;
  failure_ = error;
  out_.clear();
  fire_all();
}

void Channel::fire_all() {
  readable_.fire();
  writable_.fire();
  gone_.fire();
}

void Channel::reset(uint32_t error_code) {
  if (session_ == nullptr || closed_ || id_ <= 0) return;
  nghttp2_submit_rst_stream(session_->nghttp2(), NGHTTP2_FLAG_NONE, id_, error_code);
  session_->mark_dirty();
}

}  // namespace http2
