// A control loop with session stores on it, for their tests.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/session_store.h"
#include "gtest/gtest.h"
#include "io/clock.h"
#include "io/epoll.h"

namespace control::testing {

class StoreWorld {
 public:
  StoreWorld() { scope_.spawn(deliver()); }
  ~StoreWorld() { scope_.cancel_all(); }

  // Turns until done() says so; a test that would wait for ever fails.
  template <class Done>
  bool run_until(Done done, base::Duration patience = base::seconds(30)) {
    base::Instant end = loop.clock().now() + patience;
    while (!done()) {
      if (loop.clock().now() > end) return false;
      loop.turn(loop.clock().now() + base::milliseconds(20));
    }
    return true;
  }
  void run_for(base::Duration time) {
    run_until([] { return false; }, time);
  }

  template <class T>
  T wait(io::Task<T> task) {
    std::optional<T> result;
    auto run = [](io::Task<T> asked, std::optional<T>& into) -> io::Task<> {
      into = co_await std::move(asked);
    };
    io::Task<> running = run(std::move(task), result);
    running.start();
    EXPECT_TRUE(run_until([&] { return result.has_value(); }));
    return std::move(*result);
  }

  base::WallTime in(base::Duration time) { return {loop.clock().wall_now().ns + time.ns}; }
  StoreParts parts(SessionStore::Listener& listener) {
    return {.loop = loop, .mailbox = mailbox, .listener = listener};
  }

  std::unique_ptr<io::Poller> poller = io::make_epoll_poller();
  io::Loop loop{io::system_clock(), *poller};
  io::Mailbox mailbox{loop};
  io::Scope& scope() { return scope_; }

 private:
  io::Task<> deliver() {
    for (;;) {
      mailbox.deliver();
      co_await io::wait_for(loop, base::kNever, mailbox.arrived());
    }
  }
  io::Scope scope_;
};

struct Heard final : SessionStore::Listener {
  void revoked(const auth::Revocation& revocation) override { names.push_back(revocation.name); }
  void caught_up() override { ++caught_up_count; }
  bool of(const std::string& name) const { return std::ranges::count(names, name) > 0; }
  std::vector<std::string> names;
  int caught_up_count = 0;
};

// What came of a call, in words.
inline std::string show(const SessionStore::Result<>& result) { return result ? "done" : result.error(); }
inline std::string show(const SessionStore::Result<bool>& result) {
  return !result ? result.error() : *result ? "first" : "taken";
}
inline std::string show(const SessionStore::Result<std::optional<std::string>>& result) {
  return !result ? result.error() : *result ? "'" + **result + "'" : "nothing";
}

inline auth::Revocation revocation_of(std::string name, base::WallTime until) {
  return {.by = auth::RevokedBy::session,
          .provider = "staff",
          .name = std::move(name),
          .before = until,
          .until = until};
}

}  // namespace control::testing
