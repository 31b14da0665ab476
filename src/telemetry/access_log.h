// One record as one line of JSON, for the access log and everything that reads it. Runs on the worker at the
// end of each exchange: writes into memory the caller gives, allocates nothing, asks no clock. Whatever a
// client chose is escaped and cut to a bound, so a line always fits and is always valid JSON. Absent values
// are left out; the query string is never written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "telemetry/record.h"

namespace telemetry {

inline constexpr size_t kLogLineBytesMax = 8192;

// One per worker: it keeps the date as text for the running second.
class AccessLogFormat {
 public:
  // out has at least kLogLineBytesMax bytes. Returns the length written, '\n' included.
  size_t format(const ExchangeRecord& record, std::span<char> out);

 private:
  static constexpr size_t kDateBytes = 19;  // "2026-01-31T09:30:00"
  void remember_second(int64_t unix_seconds);

  int64_t second_ = INT64_MIN;
  std::array<char, kDateBytes> date_{};
};

}  // namespace telemetry
