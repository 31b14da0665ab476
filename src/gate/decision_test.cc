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

TEST(Head, WhatNoServiceAnswersIsRefused) {
  const struct {
    http::Method method;
    std::string_view target;
    bool expectation_unknown;
    base::Reason reason;
  } cases[] = {
      {http::Method::get, "/", false, base::Reason::none},
      {http::Method::get, "/", true, base::Reason::expectation_failed},
      {http::Method::trace, "/", false, base::Reason::http_request_error},
      {http::Method::options, "*", false, base::Reason::no_route},
  };
  for (const auto& c : cases) {
    http::RequestHead head;
    head.method = c.method;
    head.target = c.target;
    head.expectation_unknown = c.expectation_unknown;
    auto accepted = gate::check_head(head);
    EXPECT_EQ(accepted ? base::Reason::none : accepted.error().reason, c.reason);
  }
}

TEST(Limits, AreTheServicesOwn) {
  using Kind = http::BodyLength::Kind;
  gate::Service service;
  service.head_bytes_max = 100;
  EXPECT_TRUE(gate::check_head_bytes(service, 100));
  EXPECT_FALSE(gate::check_head_bytes(service, 101));
  EXPECT_TRUE(gate::check_announced_body(service, {.kind = Kind::sized, .bytes = uint64_t{1} << 40}));
  service.body_bytes_max = 10;
  EXPECT_TRUE(gate::check_announced_body(service, {.kind = Kind::sized, .bytes = 10}));
  EXPECT_FALSE(gate::check_announced_body(service, {.kind = Kind::sized, .bytes = 11}));
  EXPECT_TRUE(gate::check_announced_body(service, {.kind = Kind::chunked}));
}

TEST(Denial, KeepsReasonsThatHaveAChallengeAndCallsTheRestDenied) {
  EXPECT_EQ(gate::denial_of({.reason = base::Reason::credential_missing}).reason,
            base::Reason::credential_missing);
  EXPECT_EQ(gate::denial_of({.reason = base::Reason::scope_insufficient}).reason,
            base::Reason::scope_insufficient);
  EXPECT_EQ(gate::denial_of({}).reason, base::Reason::rule_denied);
}

}  // namespace
