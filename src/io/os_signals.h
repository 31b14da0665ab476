// SIGTERM, SIGINT and SIGHUP as something to wait for on a loop. Used by `run` and `echo`, once a process, on
// the thread that starts all others.
#pragma once

#include <memory>
#include <optional>

#include "io/loop.h"

namespace io {

class SignalListener final : private EventSource {
 public:
  // Blocks the signals in the calling thread, and so in every thread it starts afterwards: made before those.
  // They stay blocked when the listener goes, so that a second Ctrl-C does not cut short an orderly end.
  // nullptr when the process is out of descriptors.
  static std::unique_ptr<SignalListener> make(Loop& loop);
  ~SignalListener() override;
  SignalListener(const SignalListener&) = delete;
  SignalListener& operator=(const SignalListener&) = delete;

  // The number of the next one that has come; none: wait for arrived().
  std::optional<int> take();
  Signal& arrived() { return arrived_; }

 private:
  SignalListener(Loop& loop, int fd) : loop_(loop), fd_(fd) {}
  void on_events(uint32_t) override { arrived_.fire(); }

  Loop& loop_;
  int fd_;
  Signal arrived_;
};

}  // namespace io
