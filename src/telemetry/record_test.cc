#include "telemetry/record.h"

#include <gtest/gtest.h>

namespace telemetry {
namespace {

base::Instant at(int64_t ms) { return {1 + ms * 1'000'000}; }

TEST(PhaseTimes, AddsUpWhatWasReached) {
  PhaseTimes phases;
  phases.start(at(0));
  phases.enter(Phase::route, at(1));
  phases.enter(Phase::connect, at(3));
  phases.enter(Phase::wait, at(6));
  phases.enter(Phase::connect, at(10));  // a retry
  phases.enter(Phase::wait, at(15));
  phases.enter(Phase::done, at(21));
  phases.finish(at(28));
  EXPECT_EQ(phases.spent(Phase::receive).milliseconds(), 1);
  EXPECT_EQ(phases.spent(Phase::route).milliseconds(), 2);
  EXPECT_EQ(phases.spent(Phase::authenticate), kNotReached);
  EXPECT_EQ(phases.spent(Phase::connect).milliseconds(), 3 + 5);
  EXPECT_EQ(phases.spent(Phase::wait).milliseconds(), 4 + 6);
  EXPECT_EQ(phases.current(), Phase::done);
  EXPECT_EQ(phases.total().milliseconds(), 28);
}

TEST(PhaseTimes, KeepsThePhaseThatFailed) {
  PhaseTimes phases;
  phases.start(at(0));
  phases.enter(Phase::authorise, at(2));
  phases.finish(at(2));
  EXPECT_EQ(phases.current(), Phase::authorise);
  EXPECT_EQ(phases.spent(Phase::authorise).ns, 0) << "reached, and took no time";
  phases.start(at(50));
  EXPECT_EQ(phases.current(), Phase::receive);
  EXPECT_EQ(phases.spent(Phase::authorise), kNotReached) << "the next exchange begins anew";
}

TEST(ExchangeRecord, BoundsTheAttemptsKept) {
  ExchangeRecord record;
  for (uint16_t i = 1; i <= 6; ++i) record.add_attempt().status = i;
  EXPECT_EQ(record.attempts_made, 6u);
  EXPECT_EQ(record.attempts_kept(), 4u);
  EXPECT_EQ(record.attempts[0].status, 1);
  EXPECT_EQ(record.attempts[3].status, 6) << "the last is always there";
}

TEST(Names, AreThoseOfTheLog) {
  EXPECT_EQ(phase_name(Phase::receive), "receive");
  EXPECT_EQ(phase_name(Phase::authorise), "authorise");
  EXPECT_EQ(phase_name(Phase::done), "done");
  EXPECT_EQ(verdict_name(Verdict::none), "none");
  EXPECT_EQ(verdict_name(Verdict::deny), "deny");
}

}  // namespace
}  // namespace telemetry
