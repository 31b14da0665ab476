#include "http2/server_stream.h"

#include <nghttp2/nghttp2.h>

#include "http2/frames.h"

namespace http2 {

using base::Reason;
using base::Result;

ServerStream::ServerStream(Session& session, Request&& request)
    : Channel(session, base::Side::client),
      text_(std::move(request.text)),
      end_(request.end),
      client_(request.peer),
      began_(request.began),
      received_(session.loop().now()) {
  remote_ended_ = end_ == EndStream::yes;
}

void ServerStream::parse(const http::HeadLimits& limits) {
  const Result<> parsed = parse_request(text_, end_, limits, head_);
  if (parsed) return;
  refusal_ = parsed.error();
  const http::Method method = head_.method;
  const std::string_view method_text = head_.method_text;
  head_.clear();
  head_.version = http::Version::http2;
  // RFC 9110 §9.3.2: the refusal of a HEAD has no content either.
  if (method == http::Method::head) {
    head_.method = method;
    head_.method_text = method_text;
  }
}

base::Error ServerStream::lost(uint32_t) const {
  return {Reason::client_disconnected, base::Side::client, base::Retry::never, "the client went away"};
}

Result<> ServerStream::send_interim(uint16_t status, const http::Headers& headers) {
  if (failure_) return base::fail(*failure_);
  if (!submit_interim(session_->nghttp2(), id_, status, headers)) return base::fail(lost(0));
  ++heads_queued_;
  session_->mark_dirty();
  return {};
}

Result<> ServerStream::start_response(const http::ResponseStart& start) {
  using Kind = http::BodyLength::Kind;
  if (failure_) return base::fail(*failure_);
  response_started_ = true;
  const bool upgraded = start.status == 101;
  const bool never_a_body = start.status == 204 || start.status == 304;
  const bool empty =
      start.body.kind == Kind::none || (start.body.kind == Kind::sized && start.body.bytes == 0);
  sending_ = upgraded || !(never_a_body || empty || head_.method == http::Method::head);
  // RFC 8441 §5: what is 101 in HTTP/1 is 200 here. RFC 9110 §8.6: no length in a 204.
  http::BodyLength said = start.body;
  if (upgraded || start.status == 204) said = {};
  if (start.request_body == http::RequestBody::dropped && !remote_ended_) discard_input();
  if (!submit_response(session_->nghttp2(), {.id = id_,
                                             .status = upgraded ? uint16_t{200} : start.status,
                                             .headers = *start.headers,
                                             .body = said,
                                             .follows = sending_ ? BodyFollows::yes : BodyFollows::no})) {
    return base::fail(lost(0));
  }
  ++heads_queued_;
  session_->mark_dirty();
  return {};
}

void ServerStream::abort() {
  aborted_ = true;
  reset(NGHTTP2_INTERNAL_ERROR);
}

void ServerStream::end_exchange() {
  if (session_ == nullptr || closed_ || aborted_) return;
  // RFC 9113 §8.1: behind a whole answer, what is left of the request is not wanted.
  reset(answered() && end_sent_ ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR);
}

}  // namespace http2
