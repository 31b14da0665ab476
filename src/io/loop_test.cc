#include "io/loop.h"

#include "io/broadcast.h"
#include "io/sim.h"
#include "io/task.h"

namespace io {
namespace {

// Fires a signal from the poller, as an arriving event does.
class Knock final : public SimActor {
 public:
  explicit Knock(Signal& signal) : signal_(signal) {}
  void happen(int) override { signal_.fire(); }

 private:
  Signal& signal_;
};

struct LoopTest : testing::Test {
  SimWorld world{1};
  Loop& loop = world.loop;
  Scope scope;
  std::string log;

  void knock_at(Signal& signal, base::Duration after) {
    world.poller.schedule(world.clock.now() + after, std::make_shared<Knock>(signal), 0);
  }
  Task<> wait_once(std::string name, base::Duration patience, Signal& first, Signal& second) {
    Wake wake = co_await wait_for(loop, loop.now() + patience, first, second);
    log += name + (wake == Wake::timed_out ? " timed out;" : " signalled;");
  }
};

TEST_F(LoopTest, SignalOrDeadlineWhicheverIsFirst) {
  Signal a, b, c, d;
  scope.spawn(wait_once("early", base::milliseconds(50), a, b));
  scope.spawn(wait_once("late", base::milliseconds(10), c, d));
  knock_at(b, base::milliseconds(20));
  knock_at(d, base::milliseconds(20));
  world.run_for(base::seconds(1));
  EXPECT_EQ(log, "late timed out;early signalled;");
  EXPECT_FALSE(a.awaited() || b.awaited() || c.awaited() || d.awaited());
}

TEST_F(LoopTest, ASignalInTheTurnOfTheDeadlineIsInTime) {
  Signal a, b;
  scope.spawn(wait_once("both", base::milliseconds(10), a, b));
  // The thread was held up: both are found in one turn.
  world.clock.advance_to(world.clock.now() + base::seconds(5));
  knock_at(a, base::Duration{});
  world.run_for(base::seconds(1));
  EXPECT_EQ(log, "both signalled;");
}

TEST_F(LoopTest, APassedDeadlineIsNotHeldOffBySignals) {
  Signal a;
  int waits = 0;
  auto wait = [&]() -> Task<> {
    base::Instant deadline = loop.now() + base::milliseconds(3);
    while (co_await wait_for(loop, deadline, a) == Wake::signalled) ++waits;
    log = "ended";
  };
  scope.spawn(wait());
  for (int i = 0; i < 100'000 && log.empty(); ++i) {
    knock_at(a, base::Duration{});
    world.loop.turn(base::Instant{});
  }
  EXPECT_EQ(log, "ended");
  EXPECT_GT(waits, 0);
}

struct Note final : TurnEnd {
  explicit Note(std::string& to) : log(to) {}
  void at_turn_end() override { log += "put off;"; }
  std::string& log;
};

TEST_F(LoopTest, WhatIsPutOffRunsOnceBehindTheTurnsCoroutines) {
  Note note(log);
  Signal a, b, c;
  auto put_off = [&]() -> Task<> {
    co_await wait_for(loop, base::kNever, a);
    EXPECT_TRUE(loop.others_to_run());
    loop.put_off(note);
    loop.put_off(note);
  };
  scope.spawn(put_off());
  scope.spawn(wait_once("x", base::seconds(1), b, c));
  a.fire();
  b.fire();
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "x signalled;put off;");
  EXPECT_FALSE(loop.others_to_run());
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "x signalled;put off;");
}

TEST_F(LoopTest, WhatIsDestroyedWasNotPutOff) {
  Note note(log);
  {
    Note gone(log);
    loop.put_off(gone);
  }
  loop.put_off(note);
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "put off;");
}

TEST_F(LoopTest, TwoSignalsOfOneWaitWakeItOnce) {
  Signal a, b;
  scope.spawn(wait_once("x", base::seconds(1), a, b));
  a.fire();
  b.fire();
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "x signalled;");
  a.fire();
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "x signalled;");
}

TEST_F(LoopTest, ASignalNobodyWaitsForIsLost) {
  Signal a, b;
  a.fire();
  scope.spawn(wait_once("x", base::milliseconds(5), a, b));
  world.run_for(base::milliseconds(20));
  EXPECT_EQ(log, "x timed out;");
}

TEST_F(LoopTest, ACancelledWaitLeavesNothingBehind) {
  Signal a, b;
  for (int i = 0; i < 3; ++i) {
    Task<> task = wait_once("x", base::milliseconds(5), a, b);
    task.start();
    if (i > 0) a.fire();
    if (i > 1) world.clock.advance_to(world.clock.now() + base::seconds(1));
    task.cancel();
    EXPECT_FALSE(a.awaited());
    world.run_for(base::milliseconds(20));
  }
  EXPECT_EQ(log, "");
}

TEST_F(LoopTest, YieldLetsTheOthersRun) {
  auto count = [&](std::string name) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      log += name;
      co_await Yield(loop);
    }
  };
  scope.spawn(count("a"));
  scope.spawn(count("b"));
  for (int i = 0; i < 5; ++i) loop.turn(base::Instant{});
  EXPECT_EQ(log, "ababab");
}

TEST_F(LoopTest, YieldDoesNotKeepEventsOut) {
  Signal a, b;
  scope.spawn(wait_once("event", base::seconds(1), a, b));
  auto busy = [&]() -> Task<> {
    for (int i = 0; i < 100; ++i) {
      if (i == 50) knock_at(a, base::Duration{});
      co_await Yield(loop);
    }
    log += "busy ended;";
  };
  scope.spawn(busy());
  world.run_for(base::seconds(1));
  EXPECT_EQ(log, "event signalled;busy ended;");
}

TEST_F(LoopTest, BroadcastReachesEverySeat) {
  Broadcast broadcast;
  auto sit = [&](std::string name, int times) -> Task<> {
    Broadcast::Seat seat(broadcast);
    for (int i = 0; i < times; ++i) {
      co_await wait_for(loop, base::kNever, seat.signal);
      log += name;
    }
  };
  scope.spawn(sit("a", 1));
  scope.spawn(sit("b", 2));
  Task<> cancelled = sit("c", 1);
  cancelled.start();
  cancelled.cancel();
  broadcast.notify_all();
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "ab");
  broadcast.notify_all();
  loop.turn(base::Instant{});
  EXPECT_EQ(log, "abb");
}

TEST_F(LoopTest, ManySleepersWakeInOrder) {
  std::vector<int> woken;
  auto sleep = [&](int ms) -> Task<> {
    co_await sleep_for(loop, base::milliseconds(ms));
    woken.push_back(ms);
  };
  for (int i = 0; i < 500; ++i) scope.spawn(sleep((i * 7919) % 5000 * 4));
  world.run_for(base::seconds(60));
  ASSERT_EQ(woken.size(), 500u);
  EXPECT_TRUE(std::is_sorted(woken.begin(), woken.end()));
}

TEST_F(LoopTest, StopEndsRun) {
  auto stop = [&]() -> Task<> {
    co_await sleep_for(loop, base::seconds(3));
    loop.stop();
  };
  scope.spawn(stop());
  loop.run();
  EXPECT_EQ(scope.size(), 0u);
}

}  // namespace
}  // namespace io
