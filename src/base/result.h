// Failure as a value. The data plane never throws: a throw costs microseconds, a returned Error nanoseconds.
#pragma once

#include <cstdint>
#include <expected>

#include "base/reason.h"

namespace base {

enum class Side : uint8_t { client, gate, backend };

// safe: not one byte of the request can have been acted upon, so sending it again changes nothing.
enum class Retry : uint8_t { never, safe };

struct Error {
  Reason reason = Reason::proxy_internal_error;
  Side side = Side::gate;
  Retry retry = Retry::never;
  const char* detail = "";  // a literal: lives for ever, may be shown to the client
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(error); }

inline std::unexpected<Error> client_error(Reason reason, const char* detail) {
  return fail({.reason = reason, .side = Side::client, .retry = Retry::never, .detail = detail});
}
inline std::unexpected<Error> backend_error(Reason reason, const char* detail, Retry retry = Retry::never) {
  return fail({.reason = reason, .side = Side::backend, .retry = retry, .detail = detail});
}
inline std::unexpected<Error> gate_error(Reason reason, const char* detail) {
  return fail({.reason = reason, .side = Side::gate, .retry = Retry::never, .detail = detail});
}

}  // namespace base
