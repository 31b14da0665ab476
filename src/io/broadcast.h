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
    explicit Seat(Broadcast& broadcast) { broadcast.seats_.push_back(*this); }
    Signal signal;
  };

  void notify_all() {
    for (Seat* seat = seats_.front(); seat != nullptr; seat = seats_.after(*seat)) seat->signal.fire();
  }

 private:
  List<Seat, BroadcastTag> seats_;
};

}  // namespace io
