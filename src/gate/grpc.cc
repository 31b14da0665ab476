// How a gRPC call ends (the "gRPC over HTTP2" specification): the gate's own failures as grpc-status instead
// of an HTTP status, before or behind a backend's messages, the deadline over everything that waits, and the
// status that stands in the record.
#include <string>

#include "base/bytes.h"
#include "gate/decision.h"
#include "gate/exchange.h"

namespace gate {

using base::Reason;
using http::GrpcStatus;

namespace {

constexpr std::string_view kStatus = "grpc-status";
constexpr std::string_view kMessage = "grpc-message";

}  // namespace

// A call whose time is over has failed for that, whatever was waited for; a client that has gone explains
// more.
base::Error Exchange::failure_within_call(const base::Error& error) const {
  if (!call_.is_overdue(worker_.loop().now()) || error.reason == Reason::client_disconnected) return error;
  return {Reason::http_response_timeout, base::Side::backend, base::Retry::never,
          "the call's deadline has passed"};
}

std::string_view Exchange::call_message(const base::Error& error) {
  std::span<char> room = scratch_.take(3 * std::string_view(error.detail).size());
  return {room.data(), http::write_grpc_message(error.detail, room)};
}

// The whole answer is its head ("Trailers-Only"); HTTP's status says only that gRPC's is there.
io::Task<> Exchange::answer_call(const base::Error& error) {
  send_patience_ = SendPatience(snapshot_->timeouts.send);
  headers_out_.clear();
  std::string challenge;
  add_header("Content-Type", call_.answer_type(call_.format(), scratch_));
  add_header(kStatus, http::grpc_status_number(http::grpc_status_of(error.reason)));
  add_header(kMessage, call_message(error));
  add_failure_headers(error, challenge);
  add_header("Date", worker_.http_date());
  add_header("X-Request-Id", record_.id.text());
  record_.status = 200;
  Result sent = client_.start_response(
      {.status = 200, .headers = &headers_out_, .request_body = http::RequestBody::dropped});
  if (sent) sent = client_.finish({});
  if (sent) sent = co_await flush_answer(client_);
  if (!sent) client_.abort();
}

// Trailers can follow what was sent; behind a length that was announced nothing can.
bool Exchange::can_end_call() const {
  using Kind = http::BodyLength::Kind;
  if (!call_.answered_in_kind() || answer_.body.kind == Kind::none) return false;
  if (call_.translates_answer()) return true;
  return answer_.body.kind != Kind::sized && client_.head().version != http::Version::http10;
}

io::Task<> Exchange::end_call(const base::Error& error) {
  send_patience_ = SendPatience(snapshot_->timeouts.send);
  http::BodySink& sink = call_.answer_body(client_);
  std::string_view trailers =
      scratch_.join(kStatus, ": ", http::grpc_status_number(http::grpc_status_of(error.reason)), "\r\n",
                    kMessage, ": ", call_message(error), "\r\n");
  Result sent = trailers.empty() ? Result(base::fail(error)) : sink.finish(trailers);
  if (sent) sent = co_await flush_answer(sink);
  if (!sent) client_.abort();
}

// Of a backend's answer that was passed on to its end.
void Exchange::note_call_status() {
  if (!call_.is_call()) return;
  auto status = http::find_grpc_status(backend_.http().trailers());
  if (!status) {
    const http::Header* header = answer_.headers.find(kStatus);
    if (header != nullptr) status = http::parse_grpc_status(header->value);
  }
  const http::Header* type = answer_.headers.find(http::HeaderId::content_type);
  const bool is_grpc = type != nullptr && http::is_grpc(type->value);
  const bool is_web = type != nullptr && http::is_grpc_web(type->value);
  if (status && (is_grpc || is_web)) {
    record_.grpc_status = status;
    record_.grpc_said_by = telemetry::GrpcSaidBy::backend;
  } else if (!is_web) {
    record_.grpc_status = http::grpc_status_of_http(answer_.status);
  }
  // gRPC-Web that passes as it is says it within its body, which nobody here reads.
}

void Exchange::settle_call_status() {
  if (record_.reason != Reason::none) {
    record_.grpc_status = http::grpc_status_of(record_.reason);
    record_.grpc_said_by = telemetry::GrpcSaidBy::gate;
  }
  std::string_view path =
      service_ != nullptr ? strip_prefix(target_.path, service_->strip_prefix) : target_.path;
  record_.grpc_method = path.starts_with('/') ? path.substr(1) : path;
}

}  // namespace gate
