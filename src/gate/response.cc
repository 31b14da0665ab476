// Stage "relay": the backend's answer to the client, or, after a switch of protocols, bytes both ways.
#include "base/bytes.h"
#include "gate/exchange.h"

namespace gate {

using base::Reason;
using http::HeaderId;
using telemetry::Phase;

io::Task<Exchange::Result> Exchange::relay() {
  record_.phases.enter(Phase::relay, answered_);
  if (answer_.status == 101) {
    if (auto switched = switch_protocols(); !switched) co_return switched;
    co_return co_await relay_upgraded();
  }
  if (auto started = start_response(); !started) co_return started;
  Result relayed = co_await relay_body(
      {.loop = worker_.loop(),
       .from = backend_.http(),
       .to = client_,
       .read_patience = service_->response_timeout,
       .trailers = trailers_behind(service_->response_headers),
       .read_timeout = {Reason::connection_read_timeout, base::Side::backend, base::Retry::never,
                        "the backend stopped sending in the middle of its answer"},
       .write_timeout = {Reason::client_stalled, base::Side::client, base::Retry::never,
                         "the client stopped reading the answer"},
       .client = &client_,
       .send_patience = &send_patience_});
  ended_ = worker_.now();
  attempt().total = ended_ - attempt_began_;
  if (!relayed) {
    if (relayed.error().side == base::Side::backend) attempt().outcome = relayed.error().reason;
    co_return relayed;
  }
  if (upload_outcome_ && !*upload_outcome_ && upload_outcome_->error().side == base::Side::client) {
    co_return *upload_outcome_;
  }
  upload_.cancel();
  backend_.give_back(worker_.loop().now());
  co_return Result{};
}

void Exchange::build_response_headers() {
  const HeaderEdits& edits = service_->response_headers;
  headers_out_.clear();
  for (const http::Header& header : answer_.headers) {
    if (header.hop_by_hop || header.id == HeaderId::content_length ||
        header.id == HeaderId::transfer_encoding || header.id == HeaderId::x_request_id) {
      continue;
    }
    if (!edits.empty() && is_edited_away(edits, header)) continue;
    headers_out_.add(header);
  }
  for (const NamedValue& edit : edits.set) add_header(edit.name, edit.value);
  for (const NamedValue& edit : edits.add) add_header(edit.name, edit.value);
  add_header("X-Request-Id", record_.id.text());
}

// An answer without a body may still name the length one would have (RFC 9110 §8.6).
http::BodyLength Exchange::answer_length() const {
  if (answer_.body.kind != http::BodyLength::Kind::none) return answer_.body;
  if (const http::Header* length = answer_.headers.find(HeaderId::content_length)) {
    if (auto bytes = base::parse_unsigned(length->value)) return {http::BodyLength::Kind::sized, *bytes};
  }
  if (client_.head().method == http::Method::head && answer_.headers.has(HeaderId::transfer_encoding)) {
    return {http::BodyLength::Kind::chunked, 0};
  }
  return {};
}

Exchange::Result Exchange::start_response() {
  build_response_headers();
  record_.status = answer_.status;
  return client_.start_response(
      {.status = answer_.status, .headers = &headers_out_, .body = answer_length()});
}

// RFC 9110 §7.8: the backend may only switch to a protocol the client asked for.
Exchange::Result Exchange::switch_protocols() {
  const http::RequestHead& head = client_.head();
  const http::Header* chosen = answer_.headers.find(HeaderId::upgrade);
  if (!head.upgrade || chosen == nullptr ||
      !http::has_token(head.headers, HeaderId::upgrade, chosen->value)) {
    return base::backend_error(Reason::http_upgrade_failed,
                               "the backend switched to a protocol nobody asked for");
  }
  build_response_headers();
  record_.status = 101;
  Result started =
      client_.start_response({.status = 101, .headers = &headers_out_, .upgrade = chosen->value});
  if (!started) return started;
  client_.switch_to_raw();
  backend_.http().switch_to_raw();
  return {};
}

// Both directions at once; each ends by itself (half-close), the exchange with the second.
io::Task<Exchange::Result> Exchange::relay_upgraded() {
  upload_outcome_.reset();
  tunnel_moved_ = worker_.loop().now();
  upload_ = relay_to_backend();
  upload_.start();
  Result down =
      co_await relay_body({.loop = worker_.loop(),
                           .from = backend_.http(),
                           .to = client_,
                           .read_patience = kTunnelPatience,
                           .last_moved = &tunnel_moved_,
                           .read_timeout = {Reason::connection_read_timeout, base::Side::backend,
                                            base::Retry::never, "the connection was idle for too long"},
                           .write_timeout = {Reason::client_stalled, base::Side::client, base::Retry::never,
                                             "the client stopped reading"},
                           .client = &client_,
                           .send_patience = &send_patience_});
  if (!down) co_return down;
  // A client that has gone is seen by the upload, once it has delivered what came before.
  base::Instant deadline = worker_.loop().now() + kTunnelHalfClosedPatience;
  while (!upload_outcome_) {
    if (co_await io::wait_for(worker_.loop(), deadline, upload_ended_) == io::Wake::timed_out) break;
  }
  co_return upload_outcome_.value_or(Result{});
}

io::Task<> Exchange::relay_to_backend() {
  upload_outcome_ =
      co_await relay_body({.loop = worker_.loop(),
                           .from = client_,
                           .to = backend_.http(),
                           .read_patience = kTunnelPatience,
                           .write_patience = service_->response_timeout,
                           .last_moved = &tunnel_moved_,
                           .read_timeout = {Reason::request_timeout, base::Side::client, base::Retry::never,
                                            "the connection was idle for too long"},
                           .write_timeout = {Reason::connection_write_timeout, base::Side::backend,
                                             base::Retry::never, "the backend stopped reading"}});
  upload_ended_.fire();
}

}  // namespace gate
