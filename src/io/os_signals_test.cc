#include "io/os_signals.h"

#include <unistd.h>
#include <csignal>

#include "io/clock.h"
#include "io/epoll.h"
#include "io/task.h"

namespace io {
namespace {

TEST(SignalListener, TellsWhichHaveCome) {
  auto poller = make_epoll_poller();
  Loop loop(system_clock(), *poller);
  auto listener = SignalListener::make(loop);
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(listener->take(), std::nullopt);

  std::vector<int> seen;
  auto listen = [&]() -> Task<> {
    for (;;) {
      while (auto number = listener->take()) seen.push_back(*number);
      co_await wait_for(loop, base::kNever, listener->arrived());
    }
  };
  Scope scope;
  scope.spawn(listen());
  for (int number : {SIGHUP, SIGINT, SIGHUP, SIGTERM}) {
    kill(getpid(), number);
    loop.turn(base::kNever);
  }
  EXPECT_EQ(seen, (std::vector{SIGHUP, SIGINT, SIGHUP, SIGTERM}));
}

}  // namespace
}  // namespace io
