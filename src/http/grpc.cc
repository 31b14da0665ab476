#include "http/grpc.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "http/scan.h"

namespace http {
namespace {

using base::Reason;

constexpr std::string_view kGrpc = "application/grpc";
constexpr std::string_view kWeb = "-web";
constexpr std::string_view kText = "-text";

struct StatusText {
  std::string_view name;
  std::string_view number;
};
constexpr std::array<StatusText, kGrpcStatusCount> kStatuses = {{{"OK", "0"},
                                                                 {"CANCELLED", "1"},
                                                                 {"UNKNOWN", "2"},
                                                                 {"INVALID_ARGUMENT", "3"},
                                                                 {"DEADLINE_EXCEEDED", "4"},
                                                                 {"NOT_FOUND", "5"},
                                                                 {"ALREADY_EXISTS", "6"},
                                                                 {"PERMISSION_DENIED", "7"},
                                                                 {"RESOURCE_EXHAUSTED", "8"},
                                                                 {"FAILED_PRECONDITION", "9"},
                                                                 {"ABORTED", "10"},
                                                                 {"OUT_OF_RANGE", "11"},
                                                                 {"UNIMPLEMENTED", "12"},
                                                                 {"INTERNAL", "13"},
                                                                 {"UNAVAILABLE", "14"},
                                                                 {"DATA_LOSS", "15"},
                                                                 {"UNAUTHENTICATED", "16"}}};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!base::equals_ignoring_case(text.substr(0, prefix.size()), prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Finest first.
struct Unit {
  char letter;
  int64_t ns;
};
constexpr Unit kUnits[] = {{'n', 1},
                           {'u', 1'000},
                           {'m', 1'000'000},
                           {'S', 1'000'000'000},
                           {'M', int64_t{60} * 1'000'000'000},
                           {'H', int64_t{3600} * 1'000'000'000}};
constexpr size_t kTimeoutDigitsMax = 8;
constexpr int64_t kTimeoutNumberMax = 99'999'999;

// Of the gate's own answers; grpc_status_of() has the exceptions.
GrpcStatus status_of_http_status(int status) {
  switch (status) {
    case 0:  // nobody is left to be answered
      return GrpcStatus::cancelled;
    case 401:
      return GrpcStatus::unauthenticated;
    case 403:
      return GrpcStatus::permission_denied;
    case 404:
      return GrpcStatus::unimplemented;
    case 408:
      return GrpcStatus::deadline_exceeded;
    case 413:
    case 429:
    case 431:
      return GrpcStatus::resource_exhausted;
    case 421:
    case 502:
    case 503:
    case 504:
      return GrpcStatus::unavailable;
    default:
      return GrpcStatus::internal;
  }
}

}  // namespace

GrpcContentType parse_grpc_content_type(std::string_view value) {
  std::string_view rest = base::trim(value.substr(0, value.find(';')));
  GrpcContentType type;
  if (!take_prefix(rest, kGrpc)) return type;
  GrpcKind kind = GrpcKind::grpc;
  if (take_prefix(rest, kWeb)) kind = take_prefix(rest, kText) ? GrpcKind::web_text : GrpcKind::web;
  if (!rest.empty()) {
    if (rest.front() != '+' || rest.size() == 1) return type;
    rest.remove_prefix(1);
    if (!std::ranges::all_of(rest, [](char c) { return is_token_char(c); })) return type;
  }
  return {.kind = kind, .format = rest};
}

size_t write_grpc_content_type(const GrpcContentType& type, std::span<char> out) {
  const std::string_view pieces[] = {kGrpc, type.kind >= GrpcKind::web ? kWeb : "",
                                     type.kind == GrpcKind::web_text ? kText : "",
                                     type.format.empty() ? "" : "+", type.format};
  size_t at = 0;
  for (std::string_view piece : pieces) {
    if (out.size() - at < piece.size()) return 0;
    at += piece.copy(out.data() + at, piece.size());
  }
  return at;
}

std::optional<base::Duration> parse_grpc_timeout(std::string_view value) {
  if (value.size() < 2 || value.size() > kTimeoutDigitsMax + 1) return std::nullopt;
  const auto number = base::parse_unsigned(value.substr(0, value.size() - 1));
  const auto* unit = std::ranges::find(kUnits, value.back(), &Unit::letter);
  if (!number || unit == std::end(kUnits)) return std::nullopt;
  // 99,999,999 hours are more nanoseconds than 64 bits hold.
  if (static_cast<int64_t>(*number) > kGrpcTimeoutMax.ns / unit->ns) return kGrpcTimeoutMax;
  return base::Duration{static_cast<int64_t>(*number) * unit->ns};
}

size_t write_grpc_timeout(base::Duration left, std::span<char, kGrpcTimeoutTextMax> out) {
  const int64_t ns = std::max<int64_t>(left.ns, 1);
  const Unit* unit = kUnits;
  while (ns / unit->ns > kTimeoutNumberMax) ++unit;  // 2^63 ns are 2,562,047 hours: it ends
  char digits[kTimeoutDigitsMax];
  size_t at = sizeof digits;
  for (int64_t number = ns / unit->ns; number > 0; number /= 10) {
    digits[--at] = static_cast<char>('0' + number % 10);
  }
  const size_t count = sizeof digits - at;
  std::memcpy(out.data(), digits + at, count);
  out[count] = unit->letter;
  return count + 1;
}

std::string_view grpc_status_name(GrpcStatus status) { return kStatuses[static_cast<size_t>(status)].name; }
std::string_view grpc_status_number(GrpcStatus status) {
  return kStatuses[static_cast<size_t>(status)].number;
}

GrpcStatus grpc_status_of(Reason reason) {
  switch (reason) {
    case Reason::none:
      return GrpcStatus::ok;
    // The call may have been acted upon when time ran out. While a connection was being made it cannot have
    // been: those stay UNAVAILABLE, by their 504.
    case Reason::connection_read_timeout:
    case Reason::connection_write_timeout:
    case Reason::http_response_timeout:
      return GrpcStatus::deadline_exceeded;
    // Trying again would only bring the same answer.
    case Reason::http_protocol_error:
    case Reason::http_response_header_section_size:
    case Reason::http_upgrade_failed:
      return GrpcStatus::internal;
    case Reason::credential_malformed:
    case Reason::credential_conflict:
      return GrpcStatus::unauthenticated;
    default:
      return status_of_http_status(base::reason_status(reason));
  }
}

GrpcStatus grpc_status_of_http(int status) {
  switch (status) {
    case 400:
    case 431:
      return GrpcStatus::internal;
    case 401:
      return GrpcStatus::unauthenticated;
    case 403:
      return GrpcStatus::permission_denied;
    case 404:
      return GrpcStatus::unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus::unavailable;
    default:
      return GrpcStatus::unknown;
  }
}

std::optional<GrpcStatus> parse_grpc_status(std::string_view value) {
  const auto number = base::parse_unsigned(value);
  if (!number) return std::nullopt;
  return *number < kGrpcStatusCount ? static_cast<GrpcStatus>(*number) : GrpcStatus::unknown;
}

std::optional<GrpcStatus> find_grpc_status(std::string_view trailers) {
  std::optional<GrpcStatus> found;
  while (!trailers.empty()) {
    const size_t end = std::min(trailers.find("\r\n"), trailers.size());
    const std::string_view line = trailers.substr(0, end);
    trailers.remove_prefix(std::min(end + 2, trailers.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (base::equals_ignoring_case(line.substr(0, colon), "grpc-status")) {
      found = parse_grpc_status(base::trim(line.substr(colon + 1)));
    }
  }
  return found;
}

size_t write_grpc_message(std::string_view text, std::span<char> out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  size_t at = 0;
  while (!text.empty()) {
    // A byte that is no UTF-8 goes by itself: what a client makes of it is its own affair.
    const size_t length = std::max<size_t>(base::utf8_length(text), 1);
    const auto first = static_cast<uint8_t>(text.front());
    const bool plain = first >= 0x20 && first <= 0x7E && first != '%';
    if (out.size() - at < (plain ? 1 : 3 * length)) break;
    if (plain) {
      out[at++] = text.front();
    } else {
      for (size_t i = 0; i < length; ++i) {
        const auto byte = static_cast<uint8_t>(text[i]);
        out[at++] = '%';
        out[at++] = kHex[byte >> 4];
        out[at++] = kHex[byte & 15];
      }
    }
    text.remove_prefix(length);
  }
  return at;
}

}  // namespace http
