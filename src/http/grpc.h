// What the gate has to know of gRPC (the "gRPC over HTTP2" and "gRPC-Web" specifications): which requests are
// calls, their deadline, and how a failure is said so that a gRPC client understands it. Pure functions on
// text; whoever writes into a span gets the length back. Nothing here reads messages, and nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/reason.h"
#include "base/time.h"

namespace http {

enum class GrpcKind : uint8_t {
  none,
  grpc,      // application/grpc
  web,       // application/grpc-web: the trailers are the body's last frame
  web_text,  // application/grpc-web-text: the same in base64
};

struct GrpcContentType {
  GrpcKind kind = GrpcKind::none;
  std::string_view format;  // how messages are encoded: "proto", "json"; empty when not said, which is proto
};

// value is that of a Content-Type header. Parameters are passed over.
GrpcContentType parse_grpc_content_type(std::string_view value);
inline bool is_grpc(std::string_view value) { return parse_grpc_content_type(value).kind == GrpcKind::grpc; }
inline bool is_grpc_web(std::string_view value) {
  return parse_grpc_content_type(value).kind >= GrpcKind::web;
}

// The other way, as one side of a translation has it: "application/grpc-web-text+proto". kind is not none. 0
// when out is too small.
size_t write_grpc_content_type(const GrpcContentType& type, std::span<char> out);

// A timeout is never longer than this, so that it can be added to any instant.
inline constexpr base::Duration kGrpcTimeoutMax = base::seconds(int64_t{100} * 365 * 24 * 3600);

// "100m": at most eight digits and one of H M S m u n. nullopt when malformed; the call then has none.
std::optional<base::Duration> parse_grpc_timeout(std::string_view value);
// What is left of a deadline, for the backend: in the finest unit that eight digits can say, rounded down, at
// least 1n. Returns the length.
inline constexpr size_t kGrpcTimeoutTextMax = 9;
size_t write_grpc_timeout(base::Duration left, std::span<char, kGrpcTimeoutTextMax> out);

enum class GrpcStatus : uint8_t {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};
inline constexpr int kGrpcStatusCount = 17;

std::string_view grpc_status_name(GrpcStatus status);    // "PERMISSION_DENIED"
std::string_view grpc_status_number(GrpcStatus status);  // "7", as the header has it

// What a client is told when the gate itself ends a call. UNAVAILABLE and only that invites it to try again.
GrpcStatus grpc_status_of(base::Reason reason);
// Of an answer that has no grpc-status, so not from a gRPC server (http-grpc-status-mapping of the
// specification).
GrpcStatus grpc_status_of_http(int status);

// The value of a grpc-status header or trailer. A number that is none of the seventeen is unknown, so that it
// can label a counter; nullopt when it is no number.
std::optional<GrpcStatus> parse_grpc_status(std::string_view value);
// The same, found among trailers as BodySource::trailers() gives them; the last one counts.
std::optional<GrpcStatus> find_grpc_status(std::string_view trailers);

// text as the value of grpc-message: percent-encoded, as much as fits by whole UTF-8 characters. Three bytes
// for each of text are always enough. Returns the length.
size_t write_grpc_message(std::string_view text, std::span<char> out);

}  // namespace http
