#include "io/clock.h"

#include <ctime>

namespace io {
namespace {

int64_t read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  base::Instant now() override { return {read_clock(CLOCK_MONOTONIC)}; }
  base::WallTime wall_now() override { return {read_clock(CLOCK_REALTIME)}; }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace io
