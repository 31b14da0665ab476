#include "access/replay_guard.h"

#include <atomic>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace auth {
namespace {

using Claim = ReplayGuard::Claim;

constexpr base::WallTime kNow{1'800'000'000'000'000'000};

base::WallTime after(int64_t seconds) { return {kNow.ns + seconds * 1'000'000'000}; }

class ReplayGuardTest : public ::testing::Test {
 protected:
  Claim claim(ReplayGuard& guard, std::string_view id, base::WallTime until = after(60),
              base::WallTime now = kNow) {
    return guard.claim({.key = key_, .id = id, .until = until}, now);
  }
  crypto::SystemRandom random_;
  crypto::Sha256 key_{1};
};

TEST_F(ReplayGuardTest, AProofWorksOnce) {
  ReplayGuard guard(random_, 1 << 16);
  EXPECT_EQ(claim(guard, "a"), Claim::first);
  EXPECT_EQ(claim(guard, "a"), Claim::used);
  EXPECT_EQ(claim(guard, "b"), Claim::first);
  EXPECT_EQ(claim(guard, "a", after(90)), Claim::used);
  EXPECT_EQ(claim(guard, ""), Claim::first);
  EXPECT_EQ(claim(guard, std::string(kProofIdBytesMax, 'x')), Claim::first);
  EXPECT_EQ(claim(guard, std::string(kProofIdBytesMax, 'x')), Claim::used);
}

TEST_F(ReplayGuardTest, TheSameIdOfAnotherKeyIsAnotherProof) {
  ReplayGuard guard(random_, 1 << 16);
  crypto::Sha256 other{2};
  EXPECT_EQ(claim(guard, "a"), Claim::first);
  EXPECT_EQ(guard.claim({.key = other, .id = "a", .until = after(60)}, kNow), Claim::first);
}

TEST_F(ReplayGuardTest, ItIsRememberedUntilItsAgeRefusesIt) {
  ReplayGuard guard(random_, 1 << 16);
  base::WallTime until{after(60).ns + 999'999'999};
  EXPECT_EQ(claim(guard, "a", until), Claim::first);
  EXPECT_EQ(claim(guard, "a", until, {until.ns - 1}), Claim::used);
  EXPECT_EQ(claim(guard, "a", until, after(62)), Claim::first);
}

TEST_F(ReplayGuardTest, WhenItIsFullProofsAreRefusedAndNoneForgotten) {
  ReplayGuard guard(random_, 1024);
  int remembered = 0;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    Claim made = claim(guard, std::to_string(i));
    remembered += made == Claim::first;
    refused += made == Claim::full;
    ASSERT_NE(made, Claim::used) << i;
  }
  EXPECT_EQ(remembered, 1024);
  EXPECT_EQ(refused, 20'000 - 1024);
  int used = 0;
  for (int i = 0; i < 20'000; ++i) used += claim(guard, std::to_string(i)) == Claim::used;
  EXPECT_EQ(used, 1024);
  EXPECT_EQ(claim(guard, "later", after(200), after(100)), Claim::first);
}

TEST_F(ReplayGuardTest, HalfFullNearlyEveryProofFindsAPlace) {
  ReplayGuard guard(random_, 1 << 16);
  int refused = 0;
  for (int i = 0; i < 1 << 15; ++i) refused += claim(guard, std::to_string(i)) == Claim::full;
  EXPECT_LT(refused, (1 << 15) / 200);
}

// The clock moves on a second for each round, so that places are also freed and taken anew meanwhile.
TEST_F(ReplayGuardTest, OfManyThreadsExactlyOneIsTheFirst) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  constexpr int kIds = 200;
  ReplayGuard guard(random_, 1 << 16);
  std::vector<std::atomic<int>> firsts(kRounds * kIds);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        for (int i = 0; i < kIds; ++i) {
          int number = round * kIds + (i + t * 25) % kIds;
          Claim made = claim(guard, std::to_string(number), after(round + 60), after(round));
          EXPECT_NE(made, Claim::full);
          if (made == Claim::first) firsts[static_cast<size_t>(number)].fetch_add(1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < firsts.size(); ++i) EXPECT_EQ(firsts[i].load(), 1) << i;
}

}  // namespace
}  // namespace auth
