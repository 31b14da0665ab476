// One thread's event loop. Events and due timers only mark coroutines ready; coroutines run afterwards, one
// by one, so no event is ever delivered to an object that a coroutine has just destroyed. The loop never runs
// user code while it reads events, and knows nothing of sockets beyond EventSource.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <span>

#include "base/time.h"
#include "io/clock.h"
#include "io/list.h"
#include "io/timer_wheel.h"

namespace io {

class Loop;

// Something the kernel reports on. Lives until it has been removed from the poller.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // Marks waiters ready; must not run or destroy anything. bits: EPOLLIN, EPOLLOUT, ….
  virtual void on_events(uint32_t bits) = 0;
};

// The kernel's side of the loop; tests put an in-memory one in its place.
class Poller {
 public:
  virtual ~Poller() = default;
  // Once a socket, for its whole life; edge-triggered for input, output and hang-up.
  virtual bool add(int fd, EventSource& source) = 0;
  virtual void remove(int fd) = 0;
  // Delivers what has happened, waiting until `until` at most (a past instant: does not wait).
  virtual void wait(Clock& clock, base::Instant until) = 0;
};

struct ReadyTag;

// A suspended coroutine, waiting for signals or a deadline. Lives in the coroutine's frame.
struct Waiter : ListNode<ReadyTag>, Timer {
  explicit Waiter(Loop& of) : loop(of) {}
  Loop& loop;
  std::coroutine_handle<> handle;
  bool timed_out = false;
};

// Tells one waiter that something may have changed; the waiter looks for itself. A signal nobody waits for is
// lost, so state is kept by the owner and looked at before waiting.
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  inline void fire();
  bool awaited() const { return waiter_ != nullptr; }

 private:
  template <size_t N>
  friend class SignalWait;
  Waiter* waiter_ = nullptr;
};

enum class Wake : uint8_t { signalled, timed_out };

struct TurnEndTag;

// Work put off until every coroutine of the turn has run. What is sent then leaves in a row: the kernel's
// code and ours each find themselves still in the processor's cache, which is a good part of a small
// request's cost.
class TurnEnd : public ListNode<TurnEndTag> {
 public:
  virtual void at_turn_end() = 0;

 protected:
  ~TurnEnd() = default;
};

class Loop {
 public:
  Loop(Clock& clock, Poller& poller) : clock_(clock), poller_(poller), now_(clock.now()), wheel_(now_) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();
  // Safe from the loop's own thread only; from elsewhere post a message that calls it.
  void stop() { stopped_ = true; }
  // One turn: events, timers, every coroutine that is ready, then what they put off. Waits until `until` at
  // most.
  void turn(base::Instant until);

  // The instant this turn began; cheap, and exact enough for deadlines.
  base::Instant now() const { return now_; }
  Clock& clock() { return clock_; }
  Poller& poller() { return poller_; }
  uint64_t turns() const { return turns_; }

  void make_ready(Waiter& waiter) {
    ListNode<ReadyTag>& node = waiter;
    if (!node.linked()) ready_.push_back(node);
  }
  // Whether others are still to run in this turn; to put something off pays only then.
  bool others_to_run() const { return !running_.empty(); }
  void put_off(TurnEnd& work) {
    if (!work.linked()) put_off_.push_back(work);
  }
  void set_timer(Waiter& waiter, base::Instant due) {
    if (due <= now_) {
      // Passed already: no signal can come in time, or a peer that signals every turn would hold it off for
      // ever.
      waiter.timed_out = true;
      make_ready(waiter);
    } else if (due != base::kNever) {
      wheel_.set(waiter, due);
    }
  }

 private:
  Clock& clock_;
  Poller& poller_;
  base::Instant now_;
  TimerWheel wheel_;
  List<Waiter, ReadyTag> ready_;
  List<Waiter, ReadyTag> running_;  // this turn's, still to run
  List<TurnEnd, TurnEndTag> put_off_;
  bool stopped_ = false;
  uint64_t turns_ = 0;
};

void Signal::fire() {
  if (waiter_ != nullptr) waiter_->loop.make_ready(*waiter_);
}

// co_await wait_for(loop, deadline, signal…): until any of them fires or the deadline passes. May wake for
// nothing.
template <size_t N>
class SignalWait {
 public:
  template <class... Signals>
  SignalWait(Loop& loop, base::Instant deadline, Signals&... signals)
      : deadline_(deadline), waiter_(loop), signals_{&signals...} {}
  SignalWait(const SignalWait&) = delete;
  SignalWait& operator=(const SignalWait&) = delete;
  ~SignalWait() { detach(); }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.handle = handle;
    for (Signal* signal : signals_) signal->waiter_ = &waiter_;
    attached_ = true;
    waiter_.loop.set_timer(waiter_, deadline_);
  }
  Wake await_resume() noexcept {
    detach();
    static_cast<Timer&>(waiter_).unlink();
    return waiter_.timed_out ? Wake::timed_out : Wake::signalled;
  }

 private:
  void detach() {
    if (!attached_) return;
    attached_ = false;
    for (Signal* signal : signals_) {
      if (signal->waiter_ == &waiter_) signal->waiter_ = nullptr;
    }
  }
  base::Instant deadline_;
  Waiter waiter_;
  bool attached_ = false;
  Signal* signals_[N];
};

// Every signal must outlive the wait: a stream outlives the coroutine that waits on it.
template <class... Signals>
auto wait_for(Loop& loop, base::Instant deadline, Signals&... signals) {
  return SignalWait<sizeof...(Signals)>(loop, deadline, signals...);
}

class Sleep {
 public:
  Sleep(Loop& loop, base::Instant until) : until_(until), waiter_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.handle = handle;
    waiter_.loop.set_timer(waiter_, until_);
  }
  void await_resume() const noexcept {}

 private:
  base::Instant until_;
  Waiter waiter_;
};

// Lets everything else that is ready run first; for work that could go on for long without waiting.
class Yield {
 public:
  explicit Yield(Loop& loop) : waiter_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.handle = handle;
    waiter_.loop.make_ready(waiter_);
  }
  void await_resume() const noexcept {}

 private:
  Waiter waiter_;
};

inline Sleep sleep_until(Loop& loop, base::Instant until) { return Sleep(loop, until); }
inline Sleep sleep_for(Loop& loop, base::Duration d) { return Sleep(loop, loop.now() + d); }

}  // namespace io
