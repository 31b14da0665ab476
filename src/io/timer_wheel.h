// Deadlines of one thread: a hierarchical wheel, five levels of 64 slots, a tick of 2^20 ns (about 1 ms).
// Setting and clearing cost O(1), which matters since nearly every deadline is cleared before it is due. A
// timer fires never early and at most one tick late.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"
#include "io/list.h"

namespace io {

struct TimerTag;

struct Timer : ListNode<TimerTag> {
  int64_t due_tick = 0;
};

class TimerWheel {
 public:
  using Timers = List<Timer, TimerTag>;

  explicit TimerWheel(base::Instant now) : now_tick_(now.ns >> kTickShift) {}

  void set(Timer& timer, base::Instant due);
  // Moves every timer that is due at now to expired.
  void advance(base::Instant now, Timers& expired);
  // How long until a timer may be due; kNever when none is set. Never later than the first timer, possibly
  // earlier.
  base::Instant next_due() const;

 private:
  static constexpr int kTickShift = 20;
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int kLevels = 5;

  void place(Timer& timer);

  int64_t now_tick_;
  mutable std::array<uint64_t, kLevels>
      occupied_{};  // a set bit may be stale: its timers may have been cleared
  std::array<std::array<Timers, kSlots>, kLevels> slots_;
};

}  // namespace io
