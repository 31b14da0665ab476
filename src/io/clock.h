// Where time comes from. The real clock stands in clock.cc; tests advance one of their own.
#pragma once

#include "base/time.h"

namespace io {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual base::Instant now() = 0;
  virtual base::WallTime wall_now() = 0;
};

Clock& system_clock();

}  // namespace io
