// When what a connection writes leaves for the kernel: with the rest of its turn's, or at once.
#include "http1/outbound.h"

#include "io/sim.h"
#include "io/task.h"

namespace http1 {
namespace {

using io::IoResult;

// Takes what it is told to, and says when.
class Kernel final : public io::BaseStream {
 public:
  explicit Kernel(std::string& log) : log_(log) {}
  IoResult read(std::span<char>) override { return {}; }
  IoResult write(std::span<const iovec> pieces) override {
    if (error != 0) return {.kind = IoResult::Kind::failed, .error = error};
    size_t taken = 0;
    for (const iovec& piece : pieces) {
      size_t size = std::min(piece.iov_len, room);
      log_.append(static_cast<const char*>(piece.iov_base), size);
      taken += size;
      room -= size;
    }
    log_ += ";";
    if (taken == 0) return {};
    return {.kind = IoResult::Kind::bytes, .count = taken};
  }
  void shutdown_write() override { log_ += "end;"; }
  void reset_on_close() override {}
  int connect_error() override { return 0; }

  size_t room = SIZE_MAX;
  int error = 0;

 private:
  std::string& log_;
};

struct OutboundTest : testing::Test {
  io::SimWorld world{1};
  io::Loop& loop = world.loop;
  std::string log;
  Kernel kernel{log};
  Outbound out{loop, kernel, base::Side::backend};
  io::Scope scope;
  io::Signal start, other_start;

  void put(std::string_view text) {
    ASSERT_TRUE(out.reserve(text.size()));
    out.put(text);
  }
  // As every caller does: until all has left.
  io::Task<> send(std::string_view text) {
    co_await io::wait_for(loop, base::kNever, start);
    put(text);
    for (;;) {
      auto flushed = out.flush();
      if (!flushed) {
        log += flushed.error().retry == base::Retry::safe ? "failed, safe to retry;" : "failed;";
        co_return;
      }
      if (*flushed) break;
      log += "waits;";
      co_await io::wait_for(loop, base::kNever, kernel.writable());
    }
    log += "sent;";
  }
  io::Task<> other() {
    co_await io::wait_for(loop, base::kNever, other_start);
    log += "other;";
  }
  void turn() { loop.turn(base::Instant{}); }
};

TEST_F(OutboundTest, LeavesAtOnceWhenNobodyElseIsToRun) {
  scope.spawn(send("a"));
  start.fire();
  turn();
  EXPECT_EQ(log, "a;sent;");
}

TEST_F(OutboundTest, LeavesWhenTheOthersOfItsTurnHaveRun) {
  scope.spawn(send("a"));
  scope.spawn(other());
  start.fire();
  other_start.fire();
  turn();
  EXPECT_EQ(log, "waits;other;a;");
  turn();
  EXPECT_EQ(log, "waits;other;a;sent;");
}

TEST_F(OutboundTest, WhatDoesNotFitWaitsForTheKernel) {
  kernel.room = 2;
  scope.spawn(send("abc"));
  scope.spawn(other());
  start.fire();
  other_start.fire();
  turn();
  turn();
  EXPECT_EQ(log, "waits;other;ab;") << "nobody is woken for a rest that cannot leave";
  kernel.room = 100;
  kernel.writable().fire();
  turn();
  EXPECT_EQ(log, "waits;other;ab;c;sent;");
}

TEST_F(OutboundTest, AFailureAtTheEndOfTheTurnIsTold) {
  kernel.error = EPIPE;
  scope.spawn(send("a"));
  scope.spawn(other());
  start.fire();
  other_start.fire();
  turn();
  turn();
  EXPECT_EQ(log, "waits;other;failed, safe to retry;");
}

TEST_F(OutboundTest, FlushNowDoesNotWait) {
  auto send_now = [&]() -> io::Task<> {
    co_await io::wait_for(loop, base::kNever, start);
    put("a");
    EXPECT_FALSE(*out.flush());
    EXPECT_TRUE(*out.flush_now());
  };
  scope.spawn(send_now());
  scope.spawn(other());
  start.fire();
  other_start.fire();
  turn();
  turn();
  EXPECT_EQ(log, "a;other;") << "once";
}

TEST_F(OutboundTest, TheEndFollowsTheLastBytes) {
  out.shutdown_when_flushed();
  scope.spawn(send("a"));
  scope.spawn(other());
  start.fire();
  other_start.fire();
  turn();
  turn();
  EXPECT_EQ(log, "waits;other;a;end;sent;");
}

TEST_F(OutboundTest, NothingLeavesAfterItsEnd) {
  std::optional<Outbound> brief;
  brief.emplace(loop, kernel, base::Side::client);
  auto send_and_go = [&]() -> io::Task<> {
    co_await io::wait_for(loop, base::kNever, start);
    EXPECT_TRUE(brief->reserve(1));
    brief->put("a");
    EXPECT_FALSE(*brief->flush());
    brief.reset();
  };
  scope.spawn(send_and_go());
  scope.spawn(other());
  start.fire();
  other_start.fire();
  turn();
  turn();
  EXPECT_EQ(log, "other;");
}

}  // namespace
}  // namespace http1
