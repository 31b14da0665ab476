#include "http2/client_stream.h"

#include <nghttp2/nghttp2.h>

#include "http2/client_connection.h"
#include "http2/frames.h"

namespace http2 {

using base::Reason;
using base::Result;

namespace {

bool is_interim(const HeadText& text) {
  const std::string_view status = text.pseudo(Pseudo::status);
  return status.size() == 3 && status[0] == '1';
}

}  // namespace

ClientStream::ClientStream(ClientConnection& connection) : Channel(connection, base::Side::backend) {}

ClientStream::~ClientStream() {
  reset(NGHTTP2_CANCEL);
  if (ClientConnection* held_by = connection()) held_by->release_stream(*this);
}

ClientConnection* ClientStream::connection() const { return static_cast<ClientConnection*>(session_); }

base::Error ClientStream::lost(uint32_t error_code) const {
  base::Error error{Reason::connection_terminated, base::Side::backend, base::Retry::never, ""};
  if (head_seen_) {
    error.reason = Reason::http_response_incomplete;
    error.detail = "the backend ended the stream before the end of its answer";
  } else if (error_code == NGHTTP2_REFUSED_STREAM || !request_left()) {
    // RFC 9113 §8.7: it has not looked at the request.
    error.retry = base::Retry::safe;
    error.detail = "the backend refused the stream";
  } else {
    error.detail = "the backend ended the stream before answering";
  }
  if (error_code == NGHTTP2_PROTOCOL_ERROR) {
    error.reason = Reason::http_protocol_error;
    error.detail = "the answer on the stream is malformed";
  }
  return error;
}

Result<> ClientStream::start_request(const http::RequestStart& start) {
  if (failure_) return base::fail(*failure_);
  if (session_ == nullptr) return base::fail(lost(NGHTTP2_REFUSED_STREAM));
  if (!start.upgrade.empty()) {
    if (!connection()->takes_upgrades() || start.upgrade.size() > upgrade_.size()) {
      return base::backend_error(Reason::http_upgrade_failed, "the backend takes no upgrade over HTTP/2");
    }
    upgrade_size_ = static_cast<uint8_t>(start.upgrade.copy(upgrade_.data(), upgrade_.size()));
  }
  method_ = start.method_kind;
  sending_ = upgrade_size_ > 0 || start.body.kind != http::BodyLength::Kind::none;
  const int32_t id =
      submit_request(session_->nghttp2(), start, connection()->settings_.scheme, static_cast<Channel*>(this));
  // The stream identifiers are used up, or the backend has just said goodbye.
  if (id < 0) return base::fail(lost(NGHTTP2_REFUSED_STREAM));
  id_ = id;
  heads_queued_ = 1;
  session_->mark_dirty();
  return {};
}

void ClientStream::take_head(HeadText&& text, EndStream end) {
  head_seen_ = true;
  if (head_count_ == heads_.size()) {
    return refuse_answer({Reason::http_protocol_error, base::Side::backend, base::Retry::never,
                          "the backend sends interim heads without end"});
  }
  final_head_seen_ = !is_interim(text);
  QueuedHead& queued = heads_[(first_head_ + head_count_++) % heads_.size()];
  queued.text = std::move(text);
  queued.end = end;
  readable_.fire();
}

void ClientStream::refuse_answer(const base::Error& error) {
  fail(error);
  reset(NGHTTP2_PROTOCOL_ERROR);
}

Result<bool> ClientStream::receive_head(http::ResponseHead& into) {
  if (head_count_ == 0) {
    if (failure_) return base::fail(*failure_);
    return false;
  }
  QueuedHead& queued = heads_[first_head_];
  first_head_ = (first_head_ + 1) % heads_.size();
  --head_count_;
  current_ = std::move(queued.text);
  auto parsed = parse_response(current_, queued.end,
                               {.method = method_, .upgrade = {upgrade_.data(), upgrade_size_}}, into);
  if (!parsed) {
    refuse_answer(parsed.error());
    return base::fail(parsed.error());
  }
  return true;
}

}  // namespace http2
