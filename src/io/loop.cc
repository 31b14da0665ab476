#include "io/loop.h"

#include <algorithm>

namespace io {

void Loop::run() {
  stopped_ = false;
  while (!stopped_) turn(base::kNever);
}

void Loop::turn(base::Instant until) {
  base::Instant wait_until = ready_.empty() ? std::min(until, wheel_.next_due()) : base::Instant{0};
  poller_.wait(clock_, wait_until);
  now_ = clock_.now();
  ++turns_;

  TimerWheel::Timers expired;
  wheel_.advance(now_, expired);
  while (Timer* timer = expired.take_front()) {
    Waiter& waiter = static_cast<Waiter&>(*timer);
    // What a signal announced in this same turn came in time, however late the turn itself is.
    if (static_cast<ListNode<ReadyTag>&>(waiter).linked()) continue;
    waiter.timed_out = true;
    make_ready(waiter);
  }

  // Only those ready now: what they make ready runs next turn, after new events have been read.
  running_.take_all(ready_);
  while (Waiter* waiter = running_.take_front()) waiter->handle.resume();
  while (TurnEnd* work = put_off_.take_front()) work->at_turn_end();
}

}  // namespace io
