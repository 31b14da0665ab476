#include "io/timer_wheel.h"

#include <algorithm>
#include <memory>
#include <random>

namespace io {
namespace {

constexpr int64_t kTick = int64_t{1} << 20;

struct Counted : Timer {
  base::Instant due;
  base::Instant set_at;
  bool set = false;
};

// The wheel beside a list that is searched: random sets, clears and advances of every size.
class WheelModel {
 public:
  explicit WheelModel(uint32_t seed)
      : random_(seed), now_{static_cast<int64_t>(random_() % 5) * 1'000'000'007}, wheel_(now_) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      switch (random_() % 4) {
        case 0:
        case 1:
          set_one();
          break;
        case 2:
          clear_one();
          break;
        default:
          advance(random_() % 3 == 0 ? wheel_.next_due() : base::Instant{now_.ns + distance()});
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    advance(now_ + base::seconds(400 * 86400));
    for (const auto& timer : timers_)
      ASSERT_FALSE(timer->set) << "due " << timer->due.ns << " at " << now_.ns;
    EXPECT_EQ(wheel_.next_due(), base::kNever);
  }

 private:
  int64_t distance() {
    int bits = static_cast<int>(random_() % 55);
    return static_cast<int64_t>(random_() % (uint64_t{1} << bits));
  }
  void set_one() {
    if (timers_.size() < 60) timers_.push_back(std::make_unique<Counted>());
    Counted& timer = *timers_[random_() % timers_.size()];
    timer.due = {now_.ns + distance() - (random_() % 8 == 0 ? 2 * kTick : 0)};
    timer.set_at = now_;
    timer.set = true;
    wheel_.set(timer, timer.due);
  }
  void clear_one() {
    if (timers_.empty()) return;
    Counted& timer = *timers_[random_() % timers_.size()];
    if (random_() % 4 == 0) {
      std::erase_if(timers_, [&](const auto& held) { return held.get() == &timer; });
      return;
    }
    timer.unlink();
    timer.set = false;
  }
  void advance(base::Instant to) {
    if (to == base::kNever || to < now_) return;
    base::Instant promised = wheel_.next_due();
    TimerWheel::Timers expired;
    wheel_.advance(to, expired);
    if (to < promised) ASSERT_TRUE(expired.empty()) << "next_due() was later than a timer";
    while (Timer* timer = expired.take_front()) {
      Counted& due = static_cast<Counted&>(*timer);
      ASSERT_TRUE(due.set);
      ASSERT_LE(due.due, to) << "early";
      due.set = false;
    }
    now_ = to;
    for (const auto& timer : timers_) {
      // A tick for rounding up, one for a timer set when it was due already.
      int64_t from = std::max(timer->due.ns, timer->set_at.ns);
      if (timer->set) ASSERT_GT(from + 2 * kTick, now_.ns) << "late";
    }
  }

  std::mt19937_64 random_;
  base::Instant now_;
  TimerWheel wheel_;
  std::vector<std::unique_ptr<Counted>> timers_;
};

TEST(TimerWheel, AgreesWithAList) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    WheelModel(seed).run(300);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(TimerWheel, BeyondItsHorizonIsNotEarly) {
  TimerWheel wheel({0});
  Timer timer;
  base::Instant due = base::Instant{} + base::seconds(100 * 86400);
  wheel.set(timer, due);
  TimerWheel::Timers expired;
  for (int day = 1; day < 100; ++day) {
    wheel.advance(base::Instant{} + base::seconds(86400 * day), expired);
    ASSERT_TRUE(expired.empty()) << day;
  }
  wheel.advance(due + base::milliseconds(2), expired);
  EXPECT_FALSE(expired.empty());
}

TEST(TimerWheel, TheFarthestInstantIsFine) {
  TimerWheel wheel({12345});
  Timer timer;
  wheel.set(timer, {INT64_MAX - 1});
  TimerWheel::Timers expired;
  wheel.advance(base::Instant{} + base::seconds(1'000'000), expired);
  EXPECT_TRUE(expired.empty());
  EXPECT_NE(wheel.next_due(), base::kNever);
}

TEST(TimerWheel, SettingAgainMoves) {
  TimerWheel wheel({0});
  Timer timer;
  wheel.set(timer, {10 * kTick});
  wheel.set(timer, {5000 * kTick});
  TimerWheel::Timers expired;
  wheel.advance({100 * kTick}, expired);
  EXPECT_TRUE(expired.empty());
  wheel.set(timer, {110 * kTick});
  wheel.advance({111 * kTick}, expired);
  EXPECT_EQ(expired.take_front(), &timer);
}

}  // namespace
}  // namespace io
