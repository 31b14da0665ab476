#include "access/challenge.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;

TEST(Challenge, SaysWhatTheSpecificationsAsk) {
  constexpr std::string_view kAlgs = R"(algs="ES256 ES384 ES512 EdDSA PS256 PS384 PS512 RS256 RS384 RS512")";
  const StepUp step_up{.acr_values = "urn:a urn:b", .amr = "mfa", .max_age = base::seconds(900)};
  const StepUp stronger{.acr_values = "urn:a", .amr = {}, .max_age = {}};
  struct Case {
    Challenge challenge;
    std::string bearer;
    std::string dpop;
  } const cases[] = {
      {{.reason = Reason::credential_missing}, R"(Bearer realm="gatehouse")", R"(DPoP realm="gatehouse", $)"},
      {{.reason = Reason::credential_missing, .description = "never shown", .scope = "a"},
       R"(Bearer realm="gatehouse")",
       R"(DPoP realm="gatehouse", $)"},
      {{.reason = Reason::session_ended, .description = "never shown"},
       R"(Bearer realm="gatehouse")",
       R"(DPoP realm="gatehouse", $)"},
      {{.realm = "orders", .reason = Reason::credential_invalid, .description = "the token has expired"},
       R"(Bearer realm="orders", error="invalid_token", error_description="the token has expired")",
       R"(DPoP realm="orders", $)"},
      {{.reason = Reason::credential_invalid, .used = AuthScheme::dpop, .description = "it has expired"},
       R"(Bearer realm="gatehouse")",
       R"(DPoP realm="gatehouse", $, error="invalid_token", error_description="it has expired")"},
      {{.reason = Reason::proof_invalid, .used = AuthScheme::dpop, .description = "too old"},
       R"(Bearer realm="gatehouse")",
       R"(DPoP realm="gatehouse", $, error="invalid_dpop_proof", error_description="too old")"},
      {{.reason = Reason::credential_malformed},
       R"(Bearer realm="gatehouse", error="invalid_request")",
       R"(DPoP realm="gatehouse", $)"},
      {{.reason = Reason::credential_conflict},
       R"(Bearer realm="gatehouse", error="invalid_request")",
       R"(DPoP realm="gatehouse", $)"},
      {{.reason = Reason::scope_insufficient, .scope = "orders:read orders:write"},
       R"(Bearer realm="gatehouse", error="insufficient_scope", scope="orders:read orders:write")",
       R"(DPoP realm="gatehouse", $)"},
      {{.reason = Reason::step_up_required, .step_up = &step_up},
       R"(Bearer realm="gatehouse", error="insufficient_user_authentication", acr_values="urn:a urn:b", max_age="900")",
       R"(DPoP realm="gatehouse", $)"},
      {{.reason = Reason::step_up_required, .used = AuthScheme::dpop, .step_up = &stronger},
       R"(Bearer realm="gatehouse")",
       R"(DPoP realm="gatehouse", $, error="insufficient_user_authentication", acr_values="urn:a")"},
      {{.reason = Reason::credential_missing, .resource_metadata = "https://a/.well-known/x"},
       R"(Bearer realm="gatehouse", resource_metadata="https://a/.well-known/x")",
       R"(DPoP realm="gatehouse", $, resource_metadata="https://a/.well-known/x")"},
      {{.realm = "a\"b\\c\r\nd\xC3", .reason = Reason::credential_missing, .resource_metadata = "a\"b"},
       R"(Bearer realm="a'b'c''d'", resource_metadata="a'b")",
       R"(DPoP realm="a'b'c''d'", $, resource_metadata="a'b")"},
  };
  for (const Case& c : cases) {
    std::string out = "before ";
    append_challenge(out, AuthScheme::bearer, c.challenge);
    EXPECT_EQ(out, "before " + c.bearer);
    std::string expected = c.dpop;
    expected.replace(expected.find('$'), 1, kAlgs);
    out.clear();
    append_challenge(out, AuthScheme::dpop, c.challenge);
    EXPECT_EQ(out, expected);
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
