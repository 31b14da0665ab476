#include "telemetry/log_ring.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace telemetry {
namespace {

std::string take_all(LogRing& ring) {
  std::string all;
  for (auto span = ring.peek(); !span.empty(); span = ring.peek()) {
    all.append(span.data(), span.size());
    ring.release(span.size());
  }
  return all;
}

TEST(LogRing, HandsOverWhatWasCommitted) {
  LogRing ring(4096);
  EXPECT_TRUE(ring.peek().empty());
  std::span<char> room = ring.reserve(100);
  ASSERT_EQ(room.size(), 100u);
  EXPECT_TRUE(ring.peek().empty()) << "not before commit";
  std::ranges::copy(std::string_view("one\n"), room.begin());
  ring.commit(4);
  EXPECT_TRUE(ring.append("two\n"));
  ring.reserve(50);  // and no commit: leaves nothing
  EXPECT_EQ(take_all(ring), "one\ntwo\n");
  EXPECT_TRUE(ring.peek().empty());
}

TEST(LogRing, KeepsOrderAndWholenessAroundTheEnd) {
  LogRing ring(4096);
  std::string sent, taken;
  for (int i = 0; i < 2000; ++i) {
    std::string line(static_cast<size_t>(i * 37 % 900 + 1), static_cast<char>('a' + i % 26));
    line += '\n';
    if (ring.append(line)) sent += line;
    if (i % 3 == 0) continue;  // the reader is behind
    auto span = ring.peek();
    size_t end = 0;
    for (size_t at = 0; at < span.size(); ++at) {
      if (span[at] == '\n') end = at + 1;
      if (end > 700) break;
    }
    taken.append(span.data(), end);
    ring.release(end);
  }
  taken += take_all(ring);
  EXPECT_EQ(taken.size(), sent.size());
  EXPECT_TRUE(taken == sent);
  EXPECT_GT(sent.size(), 100u * 4096u);
}

TEST(LogRing, DropsAndCountsWhenFull) {
  LogRing ring(4096);
  std::string line(1000, 'x');
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.append(line));
  EXPECT_FALSE(ring.append(line));
  EXPECT_TRUE(ring.reserve(1000).empty());
  ring.commit(1000);  // of a refused reserve: nothing
  EXPECT_EQ(ring.dropped(), 2u);
  auto span = ring.peek();
  EXPECT_EQ(span.size(), 4000u);
  ring.release(1000);
  EXPECT_FALSE(ring.append(line)) << "a wrapped line must not end where the reader stands";
  ring.release(1000);
  EXPECT_TRUE(ring.append("again"));
  EXPECT_EQ(take_all(ring), std::string(2000, 'x') + "again");
  EXPECT_FALSE(ring.append(std::string(5000, 'y')));
}

TEST(LogRing, TakesALineOfItsWholeSize) {
  LogRing ring(4096);
  std::string line(4096, 'x');
  EXPECT_TRUE(ring.append(line));
  EXPECT_FALSE(ring.append("y"));
  EXPECT_EQ(take_all(ring), line);
  EXPECT_TRUE(ring.append("y"));
  EXPECT_EQ(take_all(ring), "y");
}

TEST(LogRing, StaysInAFewPagesWhileTheReaderKeepsUp) {
  LogRing ring;
  const char* first = nullptr;
  const char* last = nullptr;
  for (int i = 0; i < 50'000; ++i) {
    auto room = ring.reserve(8192);
    ASSERT_FALSE(room.empty());
    std::ranges::fill(room.first(600), 'x');
    ring.commit(600);
    auto span = ring.peek();
    if (!first) first = span.data();
    last = std::max(last, span.data() + span.size());
    ring.release(span.size());
  }
  EXPECT_LT(last - first, 32 * 1024);
}

// A restart at the front must not cost room: the reader may look again only much later.
TEST(LogRing, HasAllItsRoomAfterStartingAgain) {
  LogRing ring(4096);
  std::string line(100, 'x');
  EXPECT_TRUE(ring.append(line) && ring.append(line));
  EXPECT_EQ(take_all(ring).size(), 200u);
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(ring.append(line)) << i;
  EXPECT_EQ(ring.dropped(), 0u);
  EXPECT_EQ(take_all(ring).size(), 4000u);
}

TEST(LogRing, WakesOncePerWish) {
  LogRing ring(4096);
  ring.append("1234");
  EXPECT_FALSE(ring.needs_wake()) << "nobody asked";
  EXPECT_FALSE(ring.request_wake(1)) << "bytes wait already";
  EXPECT_FALSE(ring.needs_wake());
  EXPECT_TRUE(ring.request_wake(10));
  ring.append("5678");
  EXPECT_FALSE(ring.needs_wake());
  ring.append("90");
  EXPECT_TRUE(ring.needs_wake());
  ring.append("more");
  EXPECT_FALSE(ring.needs_wake());
  take_all(ring);
  EXPECT_TRUE(ring.request_wake(0)) << "at least one byte";
  EXPECT_FALSE(ring.needs_wake());
  ring.append("x");
  EXPECT_TRUE(ring.needs_wake());
}

// Reads numbered lines and checks that they are whole and in order.
class NumberedLines {
 public:
  static std::string make(int number) {
    return std::to_string(number) + ":" + std::string(static_cast<size_t>(number % 90), '.') + "\n";
  }
  void read(std::span<const char> span) {
    for (std::string_view text(span.data(), span.size()); !text.empty(); ++count) {
      size_t end = text.find('\n');
      int number = std::atoi(std::string(text.substr(0, text.find(':'))).c_str());
      whole = whole && end != text.npos && text.substr(0, end + 1) == make(number) && number > last;
      last = number;
      text.remove_prefix(std::min(end, text.size() - 1) + 1);
    }
  }
  bool whole = true;
  int last = -1;
  int count = 0;
};

TEST(LogRing, CarriesLinesBetweenThreads) {
  LogRing ring(size_t{1} << 16);
  constexpr int kLines = 200'000;
  std::atomic<bool> done = false;
  std::thread worker([&] {
    for (int i = 0; i < kLines; ++i) ring.append(NumberedLines::make(i));
    done.store(true, std::memory_order_release);
  });
  NumberedLines lines;
  while (true) {
    bool finished = done.load(std::memory_order_acquire);
    auto span = ring.peek();
    if (span.empty() && finished) break;
    lines.read(span);
    ring.release(span.size());
  }
  worker.join();
  EXPECT_TRUE(lines.whole);
  EXPECT_EQ(static_cast<uint64_t>(lines.count) + ring.dropped(), static_cast<uint64_t>(kLines));
}

// The reader sleeps after a granted wish until it is woken: it must never sleep while lines wait.
TEST(LogRing, LosesNoWake) {
  LogRing ring;
  constexpr int kLines = 50'000;
  std::atomic<int> wakes = 0;
  std::atomic<int> taken = 0;
  std::thread worker([&] {
    for (int i = 0; i < kLines; ++i) {
      ring.append("line\n");
      if (ring.needs_wake()) wakes.fetch_add(1, std::memory_order_release);
      // Every few lines waits for the reader to have them all; a lost wake would hang here.
      while (i % 16 == 0 && taken.load(std::memory_order_acquire) <= i) std::this_thread::yield();
    }
  });
  int lines = 0, woken = 0;
  while (lines < kLines) {
    auto span = ring.peek();
    lines += static_cast<int>(span.size() / 5);
    ring.release(span.size());
    taken.store(lines, std::memory_order_release);
    if (!span.empty() || !ring.request_wake(1)) continue;
    while (wakes.load(std::memory_order_acquire) == woken) std::this_thread::yield();
    woken = wakes.load(std::memory_order_acquire);
  }
  worker.join();
  EXPECT_EQ(ring.dropped(), 0u);
}

}  // namespace
}  // namespace telemetry
