#include "io/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace io {

void TimerWheel::set(Timer& timer, base::Instant due) {
  timer.unlink();
  int64_t tick = ((due.ns - 1) >> kTickShift) + 1;  // rounded up: never early
  timer.due_tick = std::max(tick, now_tick_ + 1);
  place(timer);
}

// A timer beyond the horizon goes to the farthest slot, and is placed again when that is reached.
void TimerWheel::place(Timer& timer) {
  constexpr int64_t kHorizon = (int64_t{1} << (kSlotBits * kLevels)) - 1;
  int64_t tick = std::min(timer.due_tick, now_tick_ + kHorizon);
  int level = (std::bit_width(static_cast<uint64_t>(tick - now_tick_)) - 1) / kSlotBits;
  int slot = static_cast<int>(tick >> (level * kSlotBits)) & (kSlots - 1);
  occupied_[static_cast<size_t>(level)] |= uint64_t{1} << slot;
  slots_[static_cast<size_t>(level)][static_cast<size_t>(slot)].push_back(timer);
}

void TimerWheel::advance(base::Instant now, Timers& expired) {
  int64_t target = now.ns >> kTickShift;
  if (target <= now_tick_) return;
  Timers passed;
  for (int level = 0; level < kLevels; ++level) {
    int shift = level * kSlotBits;
    int64_t from = now_tick_ >> shift;
    int64_t to = target >> shift;
    if (from == to) break;  // higher levels have not moved either
    // Slots from+1 … to have been entered; 64 or more means all of them.
    uint64_t entered = ~uint64_t{0};
    if (to - from < kSlots) {
      uint64_t run = (uint64_t{1} << (to - from)) - 1;
      entered = std::rotl(run, static_cast<int>((from + 1) & (kSlots - 1)));
    }
    uint64_t pending = occupied_[static_cast<size_t>(level)] & entered;
    occupied_[static_cast<size_t>(level)] &= ~entered;
    for (; pending != 0; pending &= pending - 1) {
      passed.take_all(slots_[static_cast<size_t>(level)][static_cast<size_t>(std::countr_zero(pending))]);
    }
  }
  now_tick_ = target;
  while (Timer* timer = passed.take_front()) {
    if (timer->due_tick <= target) {
      expired.push_back(*timer);
    } else {
      place(*timer);
    }
  }
}

base::Instant TimerWheel::next_due() const {
  int64_t best = INT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    uint64_t& occupied = occupied_[static_cast<size_t>(level)];
    int shift = level * kSlotBits;
    int64_t here = now_tick_ >> shift;
    while (occupied != 0) {
      int ahead = std::countr_zero(std::rotr(occupied, static_cast<int>((here + 1) & (kSlots - 1)))) + 1;
      int slot = static_cast<int>((here + ahead) & (kSlots - 1));
      if (slots_[static_cast<size_t>(level)][static_cast<size_t>(slot)].empty()) {
        occupied &= ~(uint64_t{1} << slot);
        continue;
      }
      best = std::min(best, (here + ahead) << shift);
      break;
    }
  }
  return best == INT64_MAX ? base::kNever : base::Instant{best << kTickShift};
}

}  // namespace io
