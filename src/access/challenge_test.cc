#include "access/challenge.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;

TEST(Challenge, SaysWhatRfc6750Asks) {
  struct Case {
    Challenge challenge;
    std::string_view text;
  } const cases[] = {
      {{.reason = Reason::credential_missing}, R"(Bearer realm="gatehouse")"},
      {{.reason = Reason::credential_missing, .description = "never shown", .scope = "a"},
       R"(Bearer realm="gatehouse")"},
      {{.realm = "orders", .reason = Reason::credential_invalid, .description = "the token has expired"},
       R"(Bearer realm="orders", error="invalid_token", error_description="the token has expired")"},
      {{.reason = Reason::credential_malformed}, R"(Bearer realm="gatehouse", error="invalid_request")"},
      {{.reason = Reason::credential_conflict}, R"(Bearer realm="gatehouse", error="invalid_request")"},
      {{.reason = Reason::scope_insufficient, .scope = "orders:read orders:write"},
       R"(Bearer realm="gatehouse", error="insufficient_scope", scope="orders:read orders:write")"},
      {{.realm = "a\"b\\c\r\nd\xC3", .reason = Reason::credential_missing}, R"(Bearer realm="a'b'c''d'")"},
  };
  for (const Case& c : cases) {
    std::string out = "before ";
    append_challenge(out, c.challenge);
    EXPECT_EQ(out, "before " + std::string(c.text));
  }
}

TEST(Challenge, GoesWithCredentialsOnly) {
  for (int i = 0; i < base::kReasonCount; ++i) {
    auto reason = static_cast<Reason>(i);
    int status = base::reason_status(reason);
    bool about_credentials = status == 401 || reason == Reason::credential_malformed ||
                             reason == Reason::credential_conflict || reason == Reason::scope_insufficient;
    EXPECT_EQ(needs_challenge(reason), about_credentials) << base::reason_name(reason);
  }
}

}  // namespace
}  // namespace auth
