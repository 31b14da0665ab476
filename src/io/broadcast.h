// Tells every waiting coroutine that something they share has changed, such as a key set that arrived.
// Each waits with a seat of its own: Broadcast::Seat seat(broadcast); co_await wait_for(loop, deadline,
// seat.signal).
#pragma once

#include "io/list.h"
#include "io/loop.h"

namespace io {

struct BroadcastTag;

class Broadcast {
 public:
  struct Seat : ListNode<BroadcastTag> {
    explicit Seat(Broadcast& broadcast) : round(broadcast.round_) { broadcast.seats_.push_back(*this); }
    Signal signal;
    uint64_t round;  // the last it was told of
  };

  void notify_all() {
    for (Seat* seat = seats_.front(); seat != nullptr; seat = seats_.after(*seat)) seat->signal.fire();
  }

  // Where telling all of them at once would make for too long a turn: begin_round(), then notify_some() turn
  // by turn until it says that nobody is left. Who took a seat after begin_round() is not told.
  void begin_round() { ++round_; }
  bool notify_some(size_t most) {
    for (; most > 0; --most) {
      Seat* seat = seats_.front();
      if (seat == nullptr || seat->round == round_) return false;
      seat->round = round_;
      seat->unlink();
      seats_.push_back(*seat);  // those not told yet stay in front
      seat->signal.fire();
    }
    return true;
  }

 private:
  List<Seat, BroadcastTag> seats_;
  uint64_t round_ = 0;
};

}  // namespace io
