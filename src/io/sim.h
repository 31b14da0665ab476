// A world for tests: a clock that jumps to whatever happens next, and a network in memory whose every link
// delays, splits, stalls and breaks as a seed says. One thread; the same seed gives the same run. Product
// code never includes this.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/clock.h"
#include "io/loop.h"
#include "io/stream.h"

namespace io {

class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }  // 0 … bound-1
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

class SimClock final : public Clock {
 public:
  base::Instant now() override { return now_; }
  base::WallTime wall_now() override { return {now_.ns + int64_t{1'800'000'000} * 1'000'000'000}; }
  void advance_to(base::Instant to) {
    if (to > now_) now_ = to;
  }

 private:
  base::Instant now_{1'000'000'000};
};

// What is scheduled at the poller. Must only mark waiters ready, as an EventSource.
class SimActor {
 public:
  virtual ~SimActor() = default;
  virtual void happen(int what) = 0;
};

class SimPoller final : public Poller {
 public:
  explicit SimPoller(SimClock& clock) : clock_(clock) {}
  // Real descriptors, a mailbox's, are looked at once a turn.
  bool add(int fd, EventSource& source) override;
  void remove(int fd) override;
  // Nothing to do before `until`: the clock jumps to the next thing that happens.
  void wait(Clock& clock, base::Instant until) override;
  void schedule(base::Instant due, std::shared_ptr<SimActor> actor, int what);

 private:
  struct Event {
    std::shared_ptr<SimActor> actor;
    int what;
  };
  SimClock& clock_;
  std::multimap<int64_t, Event> events_;  // of one instant in the order scheduled
  std::vector<std::pair<int, EventSource*>> real_;
};

// How one connection misbehaves. The default is a perfect wire.
struct SimLinkPlan {
  // exhausted: this machine has no descriptor or port left to connect with.
  enum class Connect : uint8_t { accepted, refused, ignored, exhausted } connect = Connect::accepted;
  base::Duration delay_max;     // of each piece, at random
  size_t piece_max = SIZE_MAX;  // bytes that arrive, are read or are taken at once, at random
  size_t window = 256 * 1024;   // bytes on their way or unread, in each direction, before a writer waits
  uint64_t reset_after = UINT64_MAX;  // bytes arrived in both directions together: then both ends see a reset
};

// Decides each connection's plan.
class SimWeather {
 public:
  virtual ~SimWeather() = default;
  virtual SimLinkPlan plan(const Address& to, SimRandom& random) = 0;
};

class SimListener;

class SimNetwork final : public Network {
 public:
  SimNetwork(SimClock& clock, SimPoller& poller, uint64_t seed)
      : clock_(clock), poller_(poller), random_(seed) {}
  std::unique_ptr<Stream> connect(const Address& to, int& error) override {
    return connect_from({}, to, error);
  }
  std::unique_ptr<Stream> connect_from(const Address& from, const Address& to, int& error);
  std::unique_ptr<Listener> listen(const Address& at);
  // nullptr: perfect wires. Outlives the network or the next call.
  void set_weather(SimWeather* weather) { weather_ = weather; }
  uint64_t connections() const { return connections_; }

 private:
  friend class SimListener;
  friend class SimLink;
  SimClock& clock_;
  SimPoller& poller_;
  SimRandom random_;
  SimWeather* weather_ = nullptr;
  std::map<std::string, SimListener*> listeners_;
  uint64_t connections_ = 0;
};

// Everything for one simulated thread.
struct SimWorld {
  explicit SimWorld(uint64_t seed) : network(clock, poller, seed) {}
  SimClock clock;
  SimPoller poller{clock};
  Loop loop{clock, poller};
  SimNetwork network;

  // Turns until done() says so; false when that takes longer than `patience` of the world's time.
  template <class Done>
  bool run_until(Done done, base::Duration patience = base::seconds(600)) {
    base::Instant end = clock.now() + patience;
    while (!done()) {
      if (clock.now() >= end) return false;
      loop.turn(end);
    }
    return true;
  }
  void run_for(base::Duration time) {
    run_until([] { return false; }, time);
  }
};

Address sim_address(uint8_t last, uint16_t port);  // 10.0.0.last:port

}  // namespace io
