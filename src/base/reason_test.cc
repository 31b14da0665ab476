#include "base/reason.h"

#include <gtest/gtest.h>

#include <set>

#include "base/result.h"

namespace base {
namespace {

TEST(Reason, HasOneNameTitleAndStatusEach) {
  std::set<std::string_view> names;
  for (int i = 0; i < kReasonCount; ++i) {
    auto reason = static_cast<Reason>(i);
    EXPECT_TRUE(names.insert(reason_name(reason)).second) << reason_name(reason);
    EXPECT_EQ(reason_name(reason).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
    EXPECT_FALSE(reason_title(reason).empty());
    int status = reason_status(reason);
    EXPECT_TRUE(status == 0 || (status >= 400 && status < 600)) << reason_name(reason);
  }
}

TEST(Reason, AnswersAsTheSpecificationsSay) {
  EXPECT_EQ(reason_status(Reason::none), 0);
  EXPECT_EQ(reason_status(Reason::credential_missing), 401);  // RFC 6750 §3.1
  EXPECT_EQ(reason_status(Reason::credential_invalid), 401);
  EXPECT_EQ(reason_status(Reason::credential_malformed), 400);
  EXPECT_EQ(reason_status(Reason::scope_insufficient), 403);
  EXPECT_EQ(reason_status(Reason::request_head_too_large), 431);  // RFC 6585 §5
  EXPECT_EQ(reason_name(Reason::http_response_timeout), "http_response_timeout");
  EXPECT_EQ(reason_name(Reason::draining), "draining") << "the last row is still in step";
}

TEST(Result, CarriesTheError) {
  Result<int> result = backend_error(Reason::connection_refused, "refused", Retry::safe);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::connection_refused);
  EXPECT_EQ(result.error().side, Side::backend);
  EXPECT_EQ(result.error().retry, Retry::safe);
  Result<> refused = client_error(Reason::path_refused, "encoded slash");
  EXPECT_EQ(refused.error().side, Side::client);
  EXPECT_EQ(refused.error().retry, Retry::never);
}

}  // namespace
}  // namespace base
