#include "io/mailbox.h"

#include <memory>
#include <thread>

#include "io/clock.h"
#include "io/epoll.h"
#include "io/task.h"

namespace io {
namespace {

struct World {
  std::unique_ptr<Poller> poller = make_epoll_poller();
  Loop loop{system_clock(), *poller};
  Scope scope;
  Task<> deliver_for_ever(Mailbox& mailbox) {
    for (;;) {
      mailbox.deliver();
      co_await wait_for(loop, base::kNever, mailbox.arrived());
    }
  }
};

TEST(Mailbox, FromTwoThreadsAllInTheirOrder) {
  constexpr int kEach = 20'000;
  World world;
  Mailbox mailbox(world.loop);
  int last[2] = {-1, -1};
  bool in_order = true;
  int ended = 0;
  world.scope.spawn(world.deliver_for_ever(mailbox));
  auto post_all = [&](int who) {
    for (int i = 0; i < kEach; ++i) {
      mailbox.post([&, who, i] {
        in_order &= last[who] + 1 == i;
        last[who] = i;
      });
    }
    mailbox.post([&] {
      if (++ended == 2) world.loop.stop();
    });
  };
  std::thread first(post_all, 0);
  std::thread second(post_all, 1);
  world.loop.run();
  first.join();
  second.join();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(last[0], kEach - 1);
  EXPECT_EQ(last[1], kEach - 1);
  world.scope.cancel_all();
}

TEST(Mailbox, WhatIsPostedWhileDeliveringIsDelivered) {
  World world;
  Mailbox mailbox(world.loop);
  world.scope.spawn(world.deliver_for_ever(mailbox));
  mailbox.post([&] { mailbox.post([&] { world.loop.stop(); }); });
  world.loop.run();
  world.scope.cancel_all();
}

TEST(Mailbox, UnreadLettersAreDestroyedUnrun) {
  World world;
  auto held = std::make_shared<int>(0);
  {
    Mailbox mailbox(world.loop);
    for (int i = 0; i < 3; ++i) mailbox.post([held] { ++*held; });
    EXPECT_EQ(held.use_count(), 4);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

}  // namespace
}  // namespace io
