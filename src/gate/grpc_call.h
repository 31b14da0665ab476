// What an exchange keeps of its request when that is a gRPC call: the kind, the deadline, and, where gRPC-Web
// goes to a backend that speaks HTTP/2, its translation both ways. Made by the exchange in receive(); forward
// and relay ask it for headers and for the bodies to relay. It waits for nothing and reads no messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "gate/scratch.h"
#include "http/grpc.h"
#include "http/grpc_web.h"
#include "http/stream.h"

namespace gate {

// Streams may be silent for long: this is all the time a call without a deadline has between two bytes,
// either way, and for its answer to begin.
inline constexpr base::Duration kCallPatience = base::seconds(3600);

class GrpcCall {
 public:
  // began: when the head's first byte came, from where its timeout counts. A timeout that is malformed or
  // repeated is none. head outlives the call.
  void recognise(const http::RequestHead& head, base::Instant began);

  bool is_call() const { return asked_.kind != http::GrpcKind::none; }
  base::Instant deadline() const { return deadline_; }  // kNever: it has none
  bool is_overdue(base::Instant now) const { return now >= deadline_; }

  // Whether a header of the client's is passed on, at this place among those for the backend.
  bool passes(const http::Header& header, uint32_t at);
  // For each attempt, once its carrier is known: what is left of the deadline, and gRPC for gRPC-Web.
  enum class Carried : uint8_t { as_it_is, as_grpc };
  struct Departure {
    Carried carried;
    base::Instant now;
    http::Headers& headers;  // that passes() was asked about
    Scratch& scratch;
  };
  base::Result<> prepare_request(const Departure& departure);
  http::BodyLength request_length(const http::BodyLength& announced) const;
  http::BodySource& request_body(http::BodySource& client);

  // The backend's answer; one that is no gRPC is passed on as it is.
  void recognise_answer(const http::ResponseHead& answer, http::BodySink& client);
  bool translates_answer() const { return sink_.has_value(); }
  // Whether the client finds a status behind the messages, not within them.
  bool answered_in_kind() const { return answered_in_kind_; }
  http::BodySink& answer_body(http::BodySink& client) {
    return sink_ ? static_cast<http::BodySink&>(*sink_) : client;
  }
  // Of an answer with messages in that format; empty when there is no room.
  std::string_view answer_type(std::string_view format, Scratch& scratch) const;
  std::string_view format() const { return asked_.format; }

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;

  http::GrpcContentType asked_;
  http::GrpcKind wanted_ = http::GrpcKind::none;  // the kind of the answer
  std::string_view type_as_asked_;
  std::string_view type_as_grpc_;
  base::Instant deadline_ = base::kNever;
  uint32_t type_at_ = kNowhere;
  uint32_t timeout_at_ = kNowhere;
  Carried carried_ = Carried::as_it_is;
  bool answered_in_kind_ = false;
  std::optional<http::GrpcWebRequestSource> source_;
  std::optional<http::GrpcWebResponseSink> sink_;
};

}  // namespace gate
