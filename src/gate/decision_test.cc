#include "gate/decision.h"

#include <gtest/gtest.h>

namespace {

using gate::strip_prefix;

TEST(StripPrefix, TakesWholeSegmentsOnly) {
  EXPECT_EQ(strip_prefix("/orders/7", "/orders"), "/7");
  EXPECT_EQ(strip_prefix("/orders", "/orders"), "/");
  EXPECT_EQ(strip_prefix("/orders-old/7", "/orders"), "/orders-old/7");
  EXPECT_EQ(strip_prefix("/other", "/orders"), "/other");
  EXPECT_EQ(strip_prefix("/other", ""), "/other");
}

TEST(PathChoices, RefuseUnlessTheServiceOptedIn) {
  gate::Service strict;
  gate::Service lax;
  lax.accepts_encoded_slash = lax.accepts_parameters = true;
  for (http::Target target : {http::Target{.path = "/a%2Fb", .query = {}, .has_encoded_slash = true},
                              http::Target{.path = "/a;b", .query = {}, .has_parameters = true}}) {
    auto refused = gate::check_path_choices(strict, target);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, base::Reason::path_refused);
    EXPECT_TRUE(gate::check_path_choices(lax, target));
  }
  EXPECT_TRUE(gate::check_path_choices(strict, {.path = "/a", .query = {}}));
}

TEST(Denial, KeepsReasonsThatHaveAChallengeAndCallsTheRestDenied) {
  EXPECT_EQ(gate::denial_of({.reason = base::Reason::credential_missing}).reason,
            base::Reason::credential_missing);
  EXPECT_EQ(gate::denial_of({.reason = base::Reason::scope_insufficient}).reason,
            base::Reason::scope_insufficient);
  EXPECT_EQ(gate::denial_of({}).reason, base::Reason::rule_denied);
}

}  // namespace
