#include "io/oneshot.h"

#include <memory>
#include <thread>

#include "io/clock.h"
#include "io/epoll.h"

namespace io {
namespace {

struct World {
  World() { scope.spawn(deliver_for_ever()); }
  ~World() { scope.cancel_all(); }
  Task<> deliver_for_ever() {
    for (;;) {
      mailbox.deliver();
      co_await wait_for(loop, base::kNever, mailbox.arrived());
    }
  }
  base::Instant in(base::Duration d) { return loop.clock().now() + d; }

  std::unique_ptr<Poller> poller = make_epoll_poller();
  Loop loop{system_clock(), *poller};
  Mailbox mailbox{loop};
  Scope scope;
};

TEST(Oneshot, FromAnotherThread) {
  World world;
  int sum = 0;
  int running = 0;
  std::vector<std::thread> threads;
  auto ask = [&](int number) -> Task<> {
    ++running;
    Oneshot<std::unique_ptr<int>> answer(world.mailbox);
    threads.emplace_back(
        [sender = answer.sender(), number]() mutable { sender.send(std::make_unique<int>(number)); });
    auto got = co_await answer.receive(world.loop, world.in(base::seconds(20)));
    if (got) sum += **got;
    --running;
  };
  for (int i = 1; i <= 20; ++i) world.scope.spawn(ask(i));
  while (running > 0) world.loop.turn(base::kNever);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 210);
}

TEST(Oneshot, TheDeadlinePasses) {
  World world;
  bool timed_out = false;
  auto ask = [&]() -> Task<> {
    Oneshot<int> answer(world.mailbox);
    auto got = co_await answer.receive(world.loop, world.in(base::milliseconds(1)));
    timed_out = !got;
  };
  Task<> task = ask();
  task.start();
  while (!task.done()) world.loop.turn(base::kNever);
  EXPECT_TRUE(timed_out);
}

TEST(Oneshot, WhoAskedHasGone) {
  World world;
  auto held = std::make_shared<int>(0);
  std::optional<Oneshot<std::shared_ptr<int>>::Sender> sender;
  auto ask = [&]() -> Task<> {
    Oneshot<std::shared_ptr<int>> answer(world.mailbox);
    sender.emplace(answer.sender());
    co_await answer.receive(world.loop, base::kNever);
    ADD_FAILURE() << "nobody is here";
  };
  for (bool gone_first : {true, false}) {
    Task<> task = ask();
    task.start();
    if (gone_first) task.cancel();
    sender->send(held);
    task.cancel();
    bool delivered = false;
    world.mailbox.post([&] { delivered = true; });
    while (!delivered) world.loop.turn(base::kNever);
    EXPECT_EQ(held.use_count(), 1);
  }
}

}  // namespace
}  // namespace io
