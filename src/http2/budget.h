// How often something may happen: a bucket of tokens that refills with time and by credit. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace http2 {

class Budget {
 public:
  constexpr Budget(uint32_t burst, uint32_t per_second)
      : burst_(burst), per_second_(per_second), tokens_(burst) {}

  // False: there is none left.
  bool take(base::Instant now) {
    refill(now);
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }
  void credit(uint32_t tokens) { tokens_ = std::min(burst_, tokens_ + tokens); }

 private:
  void refill(base::Instant now) {
    if (!refilled_.reached()) refilled_ = now;
    const int64_t interval_ns = 1'000'000'000 / per_second_;
    const int64_t earned = (now - refilled_).ns / interval_ns;
    if (earned <= 0) return;
    refilled_ = refilled_ + base::nanoseconds(earned * interval_ns);
    credit(static_cast<uint32_t>(std::min<int64_t>(earned, burst_)));
  }

  uint32_t burst_;
  uint32_t per_second_;
  uint32_t tokens_;
  base::Instant refilled_;
};

}  // namespace http2
