#include "gate/grpc_call.h"

#include "base/bytes.h"

namespace gate {

using base::Reason;
using http::GrpcKind;
using http::HeaderId;

namespace {

constexpr std::string_view kTimeout = "grpc-timeout";
constexpr std::string_view kWebMark = "x-grpc-web";
constexpr size_t kTypeBytesMax = 32;  // without the format

bool is_timeout(const http::Header& header) {
  return header.id == HeaderId::other && base::equals_ignoring_case(header.name, kTimeout);
}

base::Instant find_deadline(const http::Headers& headers, base::Instant began) {
  const http::Header* found = nullptr;
  for (const http::Header& header : headers) {
    if (!is_timeout(header)) continue;
    if (found != nullptr) return base::kNever;
    found = &header;
  }
  if (found == nullptr) return base::kNever;
  const auto timeout = http::parse_grpc_timeout(found->value);
  return timeout ? began + *timeout : base::kNever;
}

http::GrpcContentType type_of(const http::Headers& headers) {
  const http::Header* type = headers.find(HeaderId::content_type);
  return type != nullptr ? http::parse_grpc_content_type(type->value) : http::GrpcContentType{};
}

std::string_view write_type(const http::GrpcContentType& type, Scratch& scratch) {
  std::span<char> room = scratch.take(kTypeBytesMax + type.format.size());
  return {room.data(), room.empty() ? 0 : http::write_grpc_content_type(type, room)};
}

}  // namespace

void GrpcCall::recognise(const http::RequestHead& head, base::Instant began) {
  if (head.method != http::Method::post) return;
  asked_ = type_of(head.headers);
  if (!is_call()) return;
  deadline_ = find_deadline(head.headers, began);
  wanted_ = asked_.kind;
  // A browser that can only read text as it arrives asks for text, whatever it sends.
  const http::Header* accept = head.headers.find(HeaderId::accept);
  if (wanted_ != GrpcKind::grpc && accept != nullptr && http::is_grpc_web(accept->value)) {
    wanted_ = http::parse_grpc_content_type(accept->value).kind;
  }
}

bool GrpcCall::passes(const http::Header& header, uint32_t at) {
  if (!is_call()) return true;
  if (header.id == HeaderId::content_type) {
    if (type_at_ != kNowhere) return false;
    type_at_ = at;
    type_as_asked_ = header.value;
  } else if (is_timeout(header)) {
    // What the gate does not understand the backend shall not understand otherwise.
    if (deadline_ == base::kNever) return false;
    timeout_at_ = at;
  }
  return true;
}

base::Result<> GrpcCall::prepare_request(const Departure& departure) {
  if (!is_call()) return {};
  carried_ = asked_.kind == GrpcKind::grpc ? Carried::as_it_is : departure.carried;
  if (timeout_at_ != kNowhere) {
    std::span<char> room = departure.scratch.take(http::kGrpcTimeoutTextMax);
    if (room.empty()) return base::client_error(Reason::request_head_too_large, "no room for the deadline");
    const size_t size =
        http::write_grpc_timeout(deadline_ - departure.now, room.first<http::kGrpcTimeoutTextMax>());
    departure.headers.set_value(timeout_at_, {room.data(), size});
  }
  if (carried_ == Carried::as_grpc) {
    if (type_as_grpc_.empty()) {
      type_as_grpc_ = write_type({.kind = GrpcKind::grpc, .format = asked_.format}, departure.scratch);
    }
    if (type_as_grpc_.empty()) {
      return base::client_error(Reason::request_head_too_large, "no room for the content type");
    }
    departure.headers.mark_hop_by_hop(kWebMark);  // it says what the request was, and is no more
  }
  if (type_at_ != kNowhere) {
    departure.headers.set_value(type_at_, carried_ == Carried::as_grpc ? type_as_grpc_ : type_as_asked_);
  }
  return {};
}

http::BodyLength GrpcCall::request_length(const http::BodyLength& announced) const {
  if (carried_ == Carried::as_it_is || announced.kind == http::BodyLength::Kind::none) return announced;
  return {.kind = http::BodyLength::Kind::chunked};
}

http::BodySource& GrpcCall::request_body(http::BodySource& client) {
  if (carried_ == Carried::as_it_is) return client;
  return source_.emplace(client, asked_.kind);
}

void GrpcCall::recognise_answer(const http::ResponseHead& answer, http::BodySink& client) {
  if (type_of(answer.headers).kind != GrpcKind::grpc) return;
  answered_in_kind_ = asked_.kind == GrpcKind::grpc || carried_ == Carried::as_grpc;
  if (carried_ == Carried::as_grpc) sink_.emplace(client, wanted_);
}

std::string_view GrpcCall::answer_type(std::string_view format, Scratch& scratch) const {
  return write_type({.kind = wanted_, .format = format}, scratch);
}

}  // namespace gate
