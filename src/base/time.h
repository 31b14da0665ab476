// Durations and instants as types, without <chrono>'s compile cost. Nanoseconds inside.
#pragma once

#include <compare>
#include <cstdint>

namespace base {

struct Duration {
  int64_t ns = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
  constexpr int64_t milliseconds() const { return ns / 1'000'000; }
  constexpr int64_t microseconds() const { return ns / 1'000; }
};

constexpr Duration nanoseconds(int64_t n) { return {n}; }
constexpr Duration microseconds(int64_t n) { return {n * 1'000}; }
constexpr Duration milliseconds(int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(int64_t n) { return {n * 1'000'000'000}; }
constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
constexpr Duration operator*(Duration a, int64_t n) { return {a.ns * n}; }

// A point on the monotonic clock. Zero means "not reached".
struct Instant {
  int64_t ns = 0;
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr bool reached() const { return ns != 0; }
};

inline constexpr Instant kNever{INT64_MAX};

constexpr Instant operator+(Instant a, Duration d) { return {a.ns + d.ns}; }
constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }

// A point on the wall clock, nanoseconds since 1970-01-01 UTC.
struct WallTime {
  int64_t ns = 0;
  constexpr auto operator<=>(const WallTime&) const = default;
  constexpr int64_t unix_seconds() const { return ns / 1'000'000'000; }
};

constexpr WallTime operator+(WallTime a, Duration d) { return {a.ns + d.ns}; }
constexpr Duration operator-(WallTime a, WallTime b) { return {a.ns - b.ns}; }

}  // namespace base
