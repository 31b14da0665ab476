// What a put and a get cost: of one caller who waits for each, and of many at once. GATEHOUSE_BENCH_REDIS
// names the Redis server to measure; without it only the embedded store is.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "control/session_store.h"
#include "io/clock.h"
#include "io/epoll.h"

namespace control {
namespace {

struct Deaf final : SessionStore::Listener {
  void revoked(const auth::Revocation&) override {}
  void caught_up() override {}
};

struct World {
  World() { scope.spawn(deliver()); }
  ~World() { scope.cancel_all(); }
  io::Task<> deliver() {
    for (;;) {
      mailbox.deliver();
      co_await io::wait_for(loop, base::kNever, mailbox.arrived());
    }
  }
  std::unique_ptr<io::Poller> poller = io::make_epoll_poller();
  io::Loop loop{io::system_clock(), *poller};
  io::Mailbox mailbox{loop};
  io::Scope scope;
  Deaf deaf;
  size_t running = 0;
  size_t failed = 0;
};

io::Task<> put_and_get(World& world, SessionStore& store, size_t number) {
  std::string key = "session/" + std::to_string(number);
  base::WallTime until{world.loop.clock().wall_now().ns + base::seconds(3600).ns};
  auto put = co_await store.put(key, std::string(2000, 'v'), until);
  auto got = co_await store.get(std::move(key));
  if (!put || !got || !*got) ++world.failed;
  --world.running;
}

void measure(benchmark::State& state, World& world, SessionStore& store) {
  auto together = static_cast<size_t>(state.range(0));
  size_t number = 0;
  for (auto _ : state) {
    while (world.running < together) {
      ++world.running;
      world.scope.spawn(put_and_get(world, store, ++number % 10'000));
    }
    while (world.running == together) world.loop.turn(base::kNever);
  }
  while (world.running > 0) world.loop.turn(base::kNever);
  state.SetItemsProcessed(static_cast<int64_t>(number) * 2);
  if (world.failed > 0) state.SkipWithError("calls failed");
}

void Embedded(benchmark::State& state) {
  char name[] = "/tmp/gatehouse-bench-XXXXXX";
  std::string folder = mkdtemp(name);
  {
    World world;
    auto store = make_embedded_store({.loop = world.loop, .mailbox = world.mailbox, .listener = world.deaf},
                                     folder + "/sessions.db");
    measure(state, world, *store);
  }
  std::filesystem::remove_all(folder);
}
BENCHMARK(Embedded)->Arg(1)->Arg(100)->UseRealTime();

void Redis(benchmark::State& state) {
  const char* url = std::getenv("GATEHOUSE_BENCH_REDIS");
  if (url == nullptr) return state.SkipWithError("GATEHOUSE_BENCH_REDIS is not set");
  World world;
  auto store =
      make_redis_store({.loop = world.loop, .mailbox = world.mailbox, .listener = world.deaf}, url).value();
  measure(state, world, *store);
}
BENCHMARK(Redis)->Arg(1)->Arg(100)->UseRealTime();

}  // namespace
}  // namespace control
