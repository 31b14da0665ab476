// Stage "forward": an endpoint, a connection, the request, and the answer's head; again on another endpoint
// or a fresh connection where nothing can have been acted upon.
#include <algorithm>

#include "gate/exchange.h"

namespace gate {

using base::Reason;
using telemetry::Phase;

io::Task<Exchange::Result> Exchange::forward() {
  // The invariant of the gate, whatever the stages above did: no byte to a backend without a recorded allow.
  if (record_.verdict != telemetry::Verdict::allow || !verdict_.allowed) {
    co_return base::gate_error(Reason::proxy_internal_error, "forwarding without an allow was prevented");
  }
  if (call_.is_overdue(worker_.loop().now())) co_return base::fail(failure_within_call({}));
  if (service_->token.kind != BackendToken::none) {
    if (auto had = co_await obtain_backend_token(); !had) co_return had;
  }
  begin_attempt();
  if (auto built = build_request_headers(); !built) co_return built;

  const backends::EndpointState* failed = nullptr;
  for (;;) {
    Result outcome = co_await open_backend(failed);
    if (outcome && client_.head().upgrade && backend_.multiplexed()) outcome = co_await await_settings();
    if (outcome) outcome = co_await send_request();
    if (outcome) outcome = co_await await_answer();
    if (outcome) co_return outcome;
    outcome = base::fail(failure_within_call(outcome.error()));
    attempt().total = worker_.now() - attempt_began_;
    attempt().outcome = outcome.error().reason;
    if (!may_try_again(outcome.error())) co_return outcome;
    upload_.cancel();
    upload_outcome_.reset();
    request_sent_ = {};
    failed = tried_[record_.attempts_made - 1].get();
    backend_ = {};
    begin_attempt();
  }
}

void Exchange::begin_attempt() {
  attempt_began_ = worker_.now();
  record_.phases.enter(Phase::connect, attempt_began_);
}

// Safe means that the failed attempt cannot have been acted upon and that all of the request is still at
// hand.
bool Exchange::may_try_again(const base::Error& error) {
  if (error.side != base::Side::backend || record_.attempts_made >= kAttemptsMax || body_begun_) return false;
  if (!backend_.valid()) {
    // No connection came about; another endpoint may do better.
    find_own_backends();
    return error.retry == base::Retry::safe && state_->pool.endpoints().size() > 1;
  }
  // The backend itself says of a stream that it has not looked at it (RFC 9113 §8.7).
  if (backend_.multiplexed() && error.retry == base::Retry::safe) return true;
  // A kept connection turned out to be closed before a byte of the answer.
  if (!backend_.reused() || backend_.http().answer_began() || error.reason != Reason::connection_terminated)
    return false;
  return !backend_.http().request_left() || http::is_idempotent(client_.head().method);
}

io::Task<Exchange::Result> Exchange::send_request() {
  const http::RequestHead& head = client_.head();
  http::ClientStream& backend = backend_.http();
  using Carried = GrpcCall::Carried;
  Result prepared =
      call_.prepare_request({.carried = backend_.multiplexed() ? Carried::as_grpc : Carried::as_it_is,
                             .now = worker_.loop().now(),
                             .headers = headers_out_,
                             .scratch = scratch_});
  if (!prepared) co_return prepared;
  Result started = backend.start_request(
      {.method = head.method_text,
       .method_kind = head.method,
       .path = path_sent_,
       .query = target_.query,
       .has_query = target_.has_query,
       .authority = host_sent_.empty() ? std::string_view(backend_.endpoint().authority) : host_sent_,
       .headers = &headers_out_,
       .body = call_.request_length(head.body),
       .upgrade = head.upgrade ? upgrade_asked() : std::string_view{}});
  if (!started) co_return started;

  if (head.body.kind != http::BodyLength::Kind::none) {
    // Beside us, since the answer may begin before the body has ended.
    upload_ = upload();
    upload_.start();
    co_return Result{};
  }
  // Over HTTP/2 an upgrade goes on in what is the request's body there.
  if (!head.upgrade || !backend_.multiplexed()) {
    if (auto finished = backend.finish({}); !finished) co_return finished;
  }
  for (;;) {
    auto flushed = backend.flush();
    if (!flushed) co_return base::fail(broken_while_sending(flushed.error()));
    if (*flushed) break;
    base::Instant deadline = within_call(worker_.loop().now() + service_->response_timeout);
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, backend.writable(), client_.gone());
    if (client_.client_gone())
      co_return base::client_error(Reason::client_disconnected, "the client went away");
    if (wake == io::Wake::timed_out) {
      co_return base::backend_error(Reason::connection_write_timeout,
                                    "the backend stopped taking the request");
    }
  }
  request_sent_ = worker_.now();
  co_return Result{};
}

// The request's body on its way, until it has ended or cannot go on.
io::Task<> Exchange::upload() {
  body_begun_ = true;
  bool call = call_.is_call();
  Result outcome =
      co_await relay_body({.loop = worker_.loop(),
                           .from = call_.request_body(client_),
                           .to = backend_.http(),
                           .read_patience = call ? kCallPatience : snapshot_->timeouts.body,
                           .write_patience = call ? kCallPatience : service_->response_timeout,
                           .progress_bytes = call ? 1 : kBodyProgressBytes,
                           .bytes_max = service_->body_bytes_max.value_or(UINT64_MAX),
                           .trailers = trailers_behind(service_->request_headers),
                           .read_timeout = {Reason::request_timeout, base::Side::client, base::Retry::never,
                                            "the body did not arrive in time"},
                           .write_timeout = {Reason::connection_write_timeout, base::Side::backend,
                                             base::Retry::never, "the backend stopped taking the body"},
                           .too_large = {Reason::request_body_too_large, base::Side::client,
                                         base::Retry::never, "the body is larger than the service's limit"}});
  request_sent_ = worker_.now();
  upload_outcome_ = outcome;
  upload_ended_.fire();
}

io::Task<Exchange::Result> Exchange::await_answer() {
  base::Instant waiting_since = request_sent_.reached() ? request_sent_ : worker_.now();
  record_.phases.enter(Phase::wait, waiting_since);
  http::ClientStream& backend = backend_.http();
  for (;;) {
    auto got = backend.receive_head(answer_);
    if (!got) {
      // Nothing more will come from the backend; a failing client explains more.
      if (upload_outcome_ && !*upload_outcome_ && upload_outcome_->error().side == base::Side::client) {
        co_return *upload_outcome_;
      }
      co_return std::unexpected(got.error());
    }
    if (*got) {
      if (answer_.status >= 200 || answer_.status == 101) break;
      if (auto relayed = relay_interim(); !relayed) co_return relayed;
      continue;
    }
    bool uploading = upload_.valid() && !upload_outcome_;
    // A backend that broke off the body may still have answered early; only a client's failure ends it here.
    if (upload_outcome_ && !*upload_outcome_) {
      const base::Error& error = upload_outcome_->error();
      if (error.side == base::Side::client || error.reason == Reason::connection_write_timeout)
        co_return *upload_outcome_;
    }
    // A stream's answer may begin long after its request, with its first message.
    base::Duration patience = call_.is_call() ? kCallPatience : service_->response_timeout;
    base::Instant deadline = within_call(uploading ? base::kNever : request_sent_ + patience);
    io::Wake wake =
        co_await io::wait_for(worker_.loop(), deadline, backend.readable(), client_.gone(), upload_ended_);
    if (client_.client_gone())
      co_return base::client_error(Reason::client_disconnected, "the client went away");
    if (wake == io::Wake::timed_out) {
      co_return base::backend_error(Reason::http_response_timeout, "the backend did not answer in time");
    }
  }
  answered_ = std::max(worker_.loop().now(), waiting_since);
  attempt().wait = answered_ - waiting_since;
  attempt().status = answer_.status;
  co_return Result{};
}

Exchange::Result Exchange::relay_interim() {
  headers_out_.clear();
  for (const http::Header& header : answer_.headers) {
    // RFC 9110 §8.6: no length in a 1xx, not even of nothing.
    if (header.hop_by_hop || header.id == http::HeaderId::content_length || is_own_cookie(header)) continue;
    headers_out_.add(header);
  }
  return client_.send_interim(answer_.status, headers_out_);
}

// A reused connection that the backend has just closed fails here or at the first read, by chance of timing;
// both are one thing.
base::Error Exchange::broken_while_sending(base::Error error) const {
  if (backend_.reused()) error.reason = Reason::connection_terminated;
  return error;
}

}  // namespace gate
