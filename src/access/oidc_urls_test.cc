// Where a browser is sent, and what it may come back with.
#include <gtest/gtest.h>

#include "access/oidc.h"

namespace auth {
namespace {

using base::Reason;

OidcPolicy policy() {
  OidcPolicy out;
  out.provider = "staff";
  out.spec.issuer = "https://id.example";
  out.spec.client.id = "gate house";
  return out;
}

IssuerMetadata metadata() {
  IssuerMetadata out;
  out.issuer = "https://id.example";
  out.authorization_endpoint = "https://id.example/authorize";
  out.end_session_endpoint = "https://id.example/out?realm=a";
  return out;
}

LoginState login() {
  LoginState out;
  out.state = "the-state";
  out.nonce = "the-nonce";
  out.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";  // RFC 7636 Appendix B
  return out;
}

TEST(AuthorizationUrl, AsksForACodeWithAllThatBindsIt) {
  OidcPolicy staff = policy();
  IssuerMetadata issuer = metadata();
  LoginState begun = login();
  AuthorizationRequest request{.policy = staff,
                               .metadata = issuer,
                               .login = begun,
                               .redirect_uri = "https://api.example/.well-known/gatehouse/callback/staff",
                               .acr_values = "",
                               .max_age = std::nullopt};
  EXPECT_EQ(authorization_url(request),
            "https://id.example/authorize?response_type=code&client_id=gate%20house"
            "&redirect_uri=https%3A%2F%2Fapi.example%2F.well-known%2Fgatehouse%2Fcallback%2Fstaff"
            "&scope=openid%20profile%20email&state=the-state&nonce=the-nonce"
            "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256");
}

TEST(AuthorizationUrl, HasWhatTheProviderAndTheRuleSay) {
  OidcPolicy staff = policy();
  IssuerMetadata issuer = metadata();
  LoginState begun = login();
  issuer.authorization_endpoint = "https://id.example/authorize?tenant=a";
  issuer.offers_offline_access = true;
  auto url = [&] {
    return authorization_url({.policy = staff,
                              .metadata = issuer,
                              .login = begun,
                              .redirect_uri = "https://a/",
                              .acr_values = "urn:mfa urn:hw",
                              .max_age = base::seconds(900)});
  };
  EXPECT_TRUE(url().starts_with("https://id.example/authorize?tenant=a&response_type=code&")) << url();
  EXPECT_NE(url().find("&scope=openid%20profile%20email%20offline_access&"), std::string::npos) << url();
  EXPECT_TRUE(url().ends_with("&acr_values=urn%3Amfa%20urn%3Ahw&max_age=900")) << url();
  staff.spec.scopes = {"openid", "orders:read"};
  staff.spec.resource = "https://api.example/";
  staff.spec.prompt = "consent";
  EXPECT_NE(url().find("&scope=openid%20orders%3Aread&"), std::string::npos) << url();
  EXPECT_NE(url().find("&resource=https%3A%2F%2Fapi.example%2F&prompt=consent&"), std::string::npos) << url();
}

// Nothing that comes in from outside may add a parameter of its own.
TEST(AuthorizationUrl, KeepsValuesInTheirPlaces) {
  OidcPolicy staff = policy();
  IssuerMetadata issuer = metadata();
  LoginState begun = login();
  std::string url = authorization_url({.policy = staff,
                                       .metadata = issuer,
                                       .login = begun,
                                       .redirect_uri = "https://a/?x=1&state=evil#f",
                                       .acr_values = "a&nonce=evil\r\n+%",
                                       .max_age = std::nullopt});
  EXPECT_NE(url.find("redirect_uri=https%3A%2F%2Fa%2F%3Fx%3D1%26state%3Devil%23f&"), std::string::npos)
      << url;
  EXPECT_TRUE(url.ends_with("acr_values=a%26nonce%3Devil%0D%0A%2B%25")) << url;
}

TEST(AuthorizationAnswer, IsReadStrictly) {
  const struct {
    std::string_view query;
    std::string_view read;  // "state code error iss"; empty: refused
  } cases[] = {
      {"state=s&code=c", "s|c||"},
      {"code=c&iss=https%3A%2F%2Fid.example&state=s&session_state=x", "s|c||https://id.example"},
      {"state=s&code=4%2F0Ab_-~", "s|4/0Ab_-~||"},
      {"error=access_denied&state=s&error_description=no+way", "s||access_denied|"},
      {"error=invalid_target&state=s", "s||invalid_target|"},
      {"error=unmet_authentication_requirements&state=s", "s||unmet_authentication_requirements|"},
      {"error=Access_Denied&state=s", "s||other|"},
      {"error=%3Cscript%3E&state=s", "s||other|"},
      {"", ""},
      {"state=s", ""},
      {"code=c", ""},
      {"state=&code=c", ""},
      {"state=s&code=", ""},
      {"state=s&code=c&error=access_denied", ""},
      {"state=s&state=s&code=c", ""},
      {"state=s&code=c&code=c", ""},
      {"state=s&code=c&%63ode=d", ""},
      {"state=s&code=c&iss=a&iss=a", ""},
      {"state=s&code=c&error=&error=x", ""},
      {"state=s&code=%", ""},
      {"state=s&code=c%00", ""},
      {"state=s%0D%0AX&code=c", ""},
      {"state=s&code=%C3%A9", ""},
  };
  for (const auto& c : cases) {
    auto answer = parse_authorization_answer(c.query);
    if (!answer) EXPECT_EQ(answer.error().reason, Reason::login_state_invalid);
    EXPECT_EQ(answer ? answer->state + "|" + answer->code + "|" + answer->error + "|" + answer->iss : "",
              c.read)
        << c.query;
  }
  EXPECT_FALSE(parse_authorization_answer("code=c&state=" + std::string(513, 's')));
  EXPECT_FALSE(parse_authorization_answer("state=s&code=" + std::string(4097, 'c')));
}

// RFC 9207 §2.4.
TEST(AuthorizationAnswer, IsFromTheIssuerTheLoginBeganWith) {
  const struct {
    std::string_view iss;
    bool says_iss;
    bool good;
  } cases[] = {
      {"https://id.example", true, true},
      {"https://id.example", false, true},
      {"", false, true},
      {"", true, false},
      {"https://id.example/", true, false},
      {"https://evil.example", true, false},
      {"https://evil.example", false, false},
  };
  for (const auto& c : cases) {
    IssuerMetadata issuer = metadata();
    issuer.says_iss = c.says_iss;
    AuthorizationAnswer answer;
    answer.iss = c.iss;
    auto checked = check_answer_issuer(answer, issuer);
    EXPECT_EQ(checked.has_value(), c.good) << c.iss;
    if (!checked) EXPECT_EQ(checked.error().reason, Reason::login_refused);
  }
}

TEST(EndSessionUrl, NamesTheSessionAndTheWayBack) {
  OidcPolicy staff = policy();
  IssuerMetadata issuer = metadata();
  auto url = [&](std::string_view id_token, std::string_view back) {
    return end_session_url({.policy = staff, .metadata = issuer, .id_token = id_token, .return_uri = back});
  };
  EXPECT_EQ(url("a.b.c", "https://api.example/bye?x=1"),
            "https://id.example/out?realm=a&id_token_hint=a.b.c&client_id=gate%20house"
            "&post_logout_redirect_uri=https%3A%2F%2Fapi.example%2Fbye%3Fx%3D1");
  EXPECT_EQ(url("", ""), "https://id.example/out?realm=a&client_id=gate%20house");
  issuer.end_session_endpoint = "";
  EXPECT_EQ(url("a.b.c", "https://api.example/"), "");
}

}  // namespace
}  // namespace auth
