#include "io/task.h"

#include <memory>

#include "io/clock.h"
#include "io/epoll.h"
#include "io/loop.h"

namespace io {
namespace {

// Counts itself while it lives, to see that a cancelled coroutine's locals are destroyed.
struct Alive {
  explicit Alive(int& of) : count(of) { ++count; }
  Alive(const Alive&) = delete;
  ~Alive() { --count; }
  int& count;
};

struct World {
  std::unique_ptr<Poller> poller = make_epoll_poller();
  Loop loop{system_clock(), *poller};
  void turn() { loop.turn(base::Instant{}); }
};

TEST(Task, StartsWhenAwaitedAndGivesItsValue) {
  World world;
  int started = 0;
  auto inner = [&](int n) -> Task<std::unique_ptr<int>> {
    ++started;
    co_await Yield(world.loop);
    co_return std::make_unique<int>(n);
  };
  int got = 0;
  auto outer = [&]() -> Task<> {
    Task<std::unique_ptr<int>> lazy = inner(4);
    EXPECT_EQ(started, 0);
    got = *co_await std::move(lazy) + *co_await inner(3);
  };
  Task<> task = outer();
  EXPECT_EQ(started, 0);
  task.start();
  EXPECT_FALSE(task.done());
  for (int i = 0; i < 4 && !task.done(); ++i) world.turn();
  EXPECT_TRUE(task.done());
  EXPECT_EQ(got, 7);
}

TEST(Task, ManyThatEndAtOnceDoNotDeepenTheStack) {
  auto leaf = []() -> Task<int> { co_return 1; };
  int sum = 0;
  auto loop = [&]() -> Task<> {
    for (int i = 0; i < 1'000'000; ++i) sum += co_await leaf();
  };
  Task<> task = loop();
  task.start();
  EXPECT_EQ(sum, 1'000'000);
}

// A chain of coroutines with every kind of wait, cancelled at each point it can be suspended at.
TEST(Task, CancelledAtEveryWait) {
  for (int turns = 0; turns < 12; ++turns) {
    World world;
    int alive = 0;
    Signal first, second;
    auto leaf = [&]() -> Task<int> {
      Alive here(alive);
      co_await wait_for(world.loop, base::kNever, first, second);
      co_await Yield(world.loop);
      co_return 1;
    };
    auto middle = [&]() -> Task<int> {
      Alive here(alive);
      co_await Yield(world.loop);
      int sum = co_await leaf();
      co_await sleep_until(world.loop, {1});
      co_return sum + co_await leaf();
    };
    {
      Scope scope;
      int result = 0;
      auto root = [&]() -> Task<> {
        Alive here(alive);
        result = co_await middle();
      };
      scope.spawn(root());
      for (int i = 0; i < turns; ++i) {
        // Fired and cancelled in the same turn: already marked ready when its frame goes.
        first.fire();
        if (i + 1 < turns) world.loop.turn(base::Instant{} + base::milliseconds(1));
      }
    }
    EXPECT_EQ(alive, 0) << turns;
    EXPECT_FALSE(first.awaited());
    EXPECT_FALSE(second.awaited());
    first.fire();
    world.turn();
    world.turn();
  }
}

TEST(Task, MovingOverCancels) {
  World world;
  int alive = 0;
  auto wait = [&]() -> Task<> {
    Alive here(alive);
    co_await sleep_for(world.loop, base::seconds(100));
  };
  Task<> task = wait();
  task.start();
  EXPECT_EQ(alive, 1);
  task = Task<>();
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(task.valid());
  Task<> never_started = wait();
}

TEST(Scope, OwnsWhatRunsAndLetsGoOfWhatEnded) {
  World world;
  int alive = 0;
  Scope scope;
  auto at_once = [&]() -> Task<> {
    Alive here(alive);
    co_return;
  };
  auto yielding = [&](int times) -> Task<> {
    Alive here(alive);
    for (int i = 0; i < times; ++i) co_await Yield(world.loop);
  };
  scope.spawn(at_once());
  EXPECT_EQ(scope.size(), 0u);
  for (int i = 1; i <= 5; ++i) scope.spawn(yielding(i));
  EXPECT_EQ(scope.size(), 5u);
  for (size_t left = 5; left > 0; --left) {
    EXPECT_EQ(static_cast<size_t>(alive), left);
    EXPECT_EQ(scope.size(), left);
    world.turn();
  }
  EXPECT_EQ(alive, 0);
  for (int i = 1; i <= 5; ++i) scope.spawn(yielding(i));
  scope.cancel_all();
  EXPECT_EQ(scope.size(), 0u);
  EXPECT_EQ(alive, 0);
}

TEST(Scope, Nested) {
  World world;
  int alive = 0;
  auto leaf = [&]() -> Task<> {
    Alive here(alive);
    co_await sleep_for(world.loop, base::seconds(100));
  };
  auto branch = [&]() -> Task<> {
    Alive here(alive);
    Scope inner;
    for (int i = 0; i < 3; ++i) inner.spawn(leaf());
    co_await sleep_for(world.loop, base::seconds(100));
  };
  {
    Scope outer;
    outer.spawn(branch());
    outer.spawn(branch());
    EXPECT_EQ(alive, 8);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace io
