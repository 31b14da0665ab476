#include "access/login_state.h"

#include "base/bytes.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;

constexpr base::WallTime kNow{1'800'000'000'000'000'000};
constexpr SessionPlace kPlace{.provider = "staff", .host = "a.example"};

Sealer make_sealer(uint8_t first = 1) {
  crypto::AeadKey key;
  key.bytes[0] = first;
  return Sealer({key});
}

LoginState make_login() {
  crypto::SystemRandom random;
  LoginState login = make_login_state(random);
  login.provider = "staff";
  login.host = "a.example";
  login.return_to = "/orders?page=2";
  login.asked = "acr=mfa";
  login.began = kNow;
  return login;
}

TEST(LoginState, IsThreeSecretsOf256Bits) {
  const LoginState login = make_login();
  for (const std::string* text : {&login.state, &login.nonce, &login.verifier}) {
    EXPECT_EQ(text->size(), 43u);
    EXPECT_EQ(base::base64url_decode(*text)->size(), 32u);
  }
  EXPECT_NE(login.state, login.nonce);
  EXPECT_NE(login.nonce, login.verifier);
  EXPECT_NE(login.state, login.verifier);
  EXPECT_NE(make_login().state, login.state);
}

// RFC 7636 appendix B.
TEST(LoginState, HasAChallengeAsPublished) {
  EXPECT_EQ(pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST(LoginCookie, IsNamedByTheState) {
  EXPECT_EQ(login_cookie_name("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "__Host-gatehouse.login.dBjftJeZ");
  for (std::string_view state :
       {"", "dBjftJeZ", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkA", "dBjf;JeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "dBjf\r\nZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkk", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX="}) {
    EXPECT_EQ(login_cookie_name(state), "") << state;
  }
}

TEST(LoginCookie, HoldsTheLogin) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  const LoginState login = make_login();
  const std::string cookie = seal_login(login, sealer, random);
  const auto opened =
      open_login({.cookie = cookie, .state = login.state, .place = kPlace, .now = kNow}, sealer);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(*opened, login);
}

TEST(LoginCookie, CountsOnlyForItsOwnReturn) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  const LoginState login = make_login();
  const std::string cookie = seal_login(login, sealer, random);
  const std::string other_state = make_login().state;
  const base::WallTime last = kNow + kLoginTime + base::nanoseconds(-1);
  const Sealer other_sealer = make_sealer(2);
  // As a session's cookie, and for another place outside than inside.
  const std::string as_session = sealer.seal("x", {"session", "staff", "a.example"}, random);
  LoginState foreign = login;
  foreign.host = "b.example";
  foreign.return_to = "https://evil.example/";
  const std::string foreign_cookie = seal_login(foreign, sealer, random);
  struct Case {
    LoginReturn back;
    const Sealer& sealer;
    std::string_view detail;
  } const cases[] = {
      {{cookie, login.state, kPlace, last}, sealer, ""},
      {{cookie, login.state, kPlace, kNow + kLoginTime}, sealer, "the login took too long"},
      {{cookie, other_state, kPlace, kNow}, sealer, "the login is another one"},
      {{cookie, login.state, {.provider = "staff", .host = "a.example", .registration = "another"}, kNow},
       sealer,
       "the login was begun with another issuer or client"},
      {{cookie, "", kPlace, kNow}, sealer, "the login is another one"},
      {{cookie, std::string_view(login.state).substr(0, 8), kPlace, kNow},
       sealer,
       "the login is another one"},
      {{cookie, login.state, {"staff", "b.example"}, kNow},
       sealer,
       "the login was not begun in this browser"},
      {{cookie, login.state, {"crew", "a.example"}, kNow}, sealer, "the login was not begun in this browser"},
      {{cookie, login.state, kPlace, kNow}, other_sealer, "the login was not begun in this browser"},
      {{"", login.state, kPlace, kNow}, sealer, "the login was not begun in this browser"},
      {{as_session, login.state, kPlace, kNow}, sealer, "the login was not begun in this browser"},
      {{foreign_cookie, login.state, {"staff", "b.example"}, kNow},
       sealer,
       "the login does not say where to return to"},
  };
  for (const Case& c : cases) {
    const auto opened = open_login(c.back, c.sealer);
    ASSERT_EQ(opened.has_value(), c.detail.empty()) << c.detail;
    if (opened) continue;
    EXPECT_EQ(opened.error().reason, Reason::login_state_invalid);
    EXPECT_EQ(opened.error().detail, c.detail);
  }
}

TEST(LoginCookie, IsReadStrictly) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  const Sealer::Binding binding{"login", kPlace.provider, kPlace.host};
  const LoginState login = make_login();
  const std::string plain = *sealer.open(seal_login(login, sealer, random), binding);
  const auto opens = [&](std::string_view inside) {
    const std::string cookie = sealer.seal(inside, binding, random);
    return open_login({.cookie = cookie, .state = login.state, .place = kPlace, .now = kNow}, sealer)
        .has_value();
  };
  EXPECT_TRUE(opens(plain));
  for (size_t size = 0; size < plain.size(); ++size) EXPECT_FALSE(opens(plain.substr(0, size))) << size;
  EXPECT_FALSE(opens(plain + '\0'));
  std::string other_form = plain;
  other_form[0] = 3;
  EXPECT_FALSE(opens(other_form));
}

TEST(LoginCookie, FitsWhatABrowserKeeps) {
  crypto::SystemRandom random;
  LoginState login = make_login();
  login.host.assign(253, 'h');
  login.provider.assign(64, 'p');
  login.asked.assign(200, 'a');
  login.return_to = "/" + std::string(kReturnToBytesMax - 1, 'r');
  ASSERT_TRUE(check_return_to(login.return_to));
  const size_t size = seal_login(login, make_sealer(), random).size();
  EXPECT_LT(size + login_cookie_name(login.state).size() + 100, 4096u);
}

TEST(ReturnTo, IsAPathOfTheSameHost) {
  for (std::string_view path : {
           "/",
           "/?",
           "/orders",
           "/orders/",
           "/orders/7?page=2&sort=a",
           "/my%20files/Report%202.pdf?x=a%20b+c",
           "/caf%C3%A9",
           "/%E4%BD%A0",
           "/.hidden",
           "/.well-known/other",
           "/.well-known/gatehouse2/x",
           "/a;v=1/b",
           "/groups%2Fa",
           "/a:b@c",
           "/-/merge_requests/!1,2$&'()*+=~_",
           "/x?to=https://b.example//c/../d\"<>|^`{}[]",
           "/x?100%",
       }) {
    EXPECT_TRUE(check_return_to(path)) << path;
  }
}

TEST(ReturnTo, IsNothingThatLeadsElsewhere) {
  const std::string_view cases[] = {
      // No path.
      "",
      "orders",
      "?a",
      "#a",
      "*",
      ".",
      "..",
      "evil.example",
      ".evil.example",
      "@evil.example",
      " /",
      "\t/",
      // Another host or scheme.
      "https://evil.example",
      "https:evil.example",
      "https:/evil.example",
      "https:///evil.example",
      "HTTPS://a.example/",
      "http://a.example@evil.example/",
      "javascript:alert(1)",
      "data:text/html,x",
      "mailto:x",
      "//",
      "///",
      "//evil.example",
      "///evil.example",
      "////evil.example/..",
      "//evil.example/%2F..",
      "//a.example/",
      "/x//evil.example",
      "/x//",
      "/https://evil.example",
      // A backslash is a slash to browsers.
      "\\",
      "\\\\evil.example",
      "\\/evil.example",
      "/\\evil.example",
      "/\\/evil.example",
      "/x\\y",
      "/.\\evil.example",
      "/%5Cevil.example",
      "/%5cevil.example",
      "/%5C%5Cevil.example",
      "/x/%5C/y",
      "//%5Cevil.example",
      // A slash that is encoded, once or twice.
      "%2F%2Fevil.example",
      "/%2Fevil.example",
      "/%2fevil.example",
      "/%2F/evil.example",
      "/%2F%2Fevil.example",
      "/%252Fevil.example",
      "/%252F%252Fevil.example",
      "/%25%32%46evil.example",
      "/%255Cevil.example",
      "/%C0%AFevil.example",
      "/%E0%80%AFevil.example",
      "/%u002Fevil.example",
      // What browsers and readers drop.
      "/\t/evil.example",
      "/\r/evil.example",
      "/\n/evil.example",
      "/\v/evil.example",
      "/\f/evil.example",
      "/ /evil.example",
      "/ ",
      "/a b",
      "/%09/evil.example",
      "/%0A/evil.example",
      "/%0D/evil.example",
      "/%0B/evil.example",
      "/%0C/evil.example",
      "/%20/evil.example",
      "/%20evil.example",
      "/%00/evil.example",
      "/%7F/evil.example",
      "/x%0D%0ALocation:%20https://evil.example",
      "/x?a=%0D%0ASet-Cookie:b",
      "/x?a=%0a",
      "/x?%00",
      "/x?%7f",
      "/x?a b",
      "/x?a\tb",
      "/x\r\nSet-Cookie: a=b",
      "/x?\r\n",
      "/\x01",
      "/\x7F",
      // Dot segments.
      "/.",
      "/..",
      "/./",
      "/../",
      "/.//evil.example",
      "/..//evil.example",
      "/./evil.example",
      "/../evil.example",
      "/x/../evil",
      "/x/..//evil.example",
      "/x/.",
      "/%2E/evil",
      "/%2E%2E/evil",
      "/%2e%2e//evil.example",
      "/..;/evil",
      "/.%2Fevil",
      "/..%2F..%2Fevil",
      "/.;/evil.example",
      // Fragments, and what is not ASCII.
      "/#",
      "/x#//evil.example",
      "/x?a#b",
      "/%23",
      "/caf\xC3\xA9",
      "/\xE2\x88\x95"
      "evil.example",
      "/\xEF\xBC\x8F"
      "evil.example",
      "//evil\xE3\x80\x82"
      "example",
      "/\xA0/evil.example",
      "/\x80",
      "/x?\xC3\xA9",
      // Other encodings of what has a plainer one, and broken ones.
      "/%61",
      "/%c3%a9",
      "/x%",
      "/x%2",
      "/x%zz",
      // Beginnings that decode to something with a meaning.
      "/%3A%2F%2Fevil.example",
      "/%40evil.example",
      "/%3Fx",
      // The gate's own.
      "/.well-known/gatehouse",
      "/.well-known/gatehouse/",
      "/.well-known/gatehouse/login?to=/",
      "/.well-known/gatehouse/logout",
      "/.well-known/gatehouse/callback/staff?code=x",
      "/.well-known/%67atehouse/login",
      "/.well-known//gatehouse/login",
      "/x/../.well-known/gatehouse/login",
      "/.well-known/gatehouse?",
  };
  for (std::string_view path : cases) EXPECT_FALSE(check_return_to(path)) << path;
  EXPECT_FALSE(check_return_to(std::string_view("/\0/evil.example", 16)));
  EXPECT_FALSE(check_return_to(std::string_view("/x\0", 3)));
}

TEST(ReturnTo, IsBounded) {
  EXPECT_TRUE(check_return_to("/" + std::string(kReturnToBytesMax - 1, 'a')));
  EXPECT_FALSE(check_return_to("/" + std::string(kReturnToBytesMax, 'a')));
  EXPECT_FALSE(check_return_to("/?" + std::string(kReturnToBytesMax - 1, 'a')));
}

}  // namespace
}  // namespace auth
