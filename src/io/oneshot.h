// One answer from another thread to a coroutine of a loop. Who asked may be gone when it comes: then it is
// dropped.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/time.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/task.h"

namespace io {

template <class T>
class Oneshot {
  struct State {
    Signal arrived;
    std::optional<T> value;
  };

 public:
  explicit Oneshot(Mailbox& mailbox) : mailbox_(mailbox), state_(std::make_shared<State>()) {}

  // Goes to the other thread, which must have ended when the mailbox does.
  class Sender {
   public:
    // Once.
    void send(T value) {
      // The state itself is never touched here: it is the loop's.
      mailbox_->post([state = std::move(state_), value = std::move(value)]() mutable {
        if (std::shared_ptr<State> waiting = state.lock()) {
          waiting->value.emplace(std::move(value));
          waiting->arrived.fire();
        }
      });
    }

   private:
    friend class Oneshot;
    Sender(Mailbox& mailbox, std::weak_ptr<State> state) : mailbox_(&mailbox), state_(std::move(state)) {}
    Mailbox* mailbox_;
    std::weak_ptr<State> state_;
  };
  Sender sender() { return Sender(mailbox_, state_); }

  // nullopt: the deadline passed first. The oneshot outlives the task.
  Task<std::optional<T>> receive(Loop& loop, base::Instant deadline) {
    while (!state_->value) {
      Wake wake = co_await wait_for(loop, deadline, state_->arrived);
      if (wake == Wake::timed_out) break;
    }
    co_return std::move(state_->value);
  }

 private:
  Mailbox& mailbox_;
  std::shared_ptr<State> state_;
};

}  // namespace io
