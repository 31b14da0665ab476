// ID tokens, logout tokens and userinfo: each row changes one thing about a good one.
#include <gtest/gtest.h>

#include "access/oidc.h"
#include "access/test_tokens.h"

namespace auth {
namespace {

using base::Reason;
using testing::kNow;
using testing::signing_key;

constexpr std::string_view kGood =
    R"("iss":"https://id.example","aud":"gatehouse","sub":"alice","exp":1800000300,"iat":1799999990)";
constexpr std::string_view kLogout =
    R"("events":{"http://schemas.openid.net/event/backchannel-logout":{}},"jti":"l1")";

OidcPolicy policy() {
  OidcPolicy out;
  out.provider = "staff";
  out.spec.issuer = "https://id.example";
  out.spec.client.id = "gatehouse";
  for (Algorithm each :
       {Algorithm::es256, Algorithm::rs256, Algorithm::rs384, Algorithm::ps512, Algorithm::eddsa}) {
    out.algorithms.add(each);
  }
  return out;
}

const KeySet& keys() {
  static const KeySetPtr set = [] {
    // The RSA algorithms share a key, so that it must not say which of them it is for.
    std::string rsa = signing_key(Algorithm::rs256).public_jwk();
    std::string_view alg = R"(,"alg":"RS256")";
    rsa.erase(rsa.find(alg), alg.size());
    return *parse_key_set(testing::key_set_json({rsa, signing_key(Algorithm::es256).public_jwk(),
                                                 signing_key(Algorithm::es384).public_jwk(),
                                                 signing_key(Algorithm::eddsa).public_jwk()}));
  }();
  return *set;
}

std::string header(std::string_view type, Algorithm algorithm = Algorithm::es256) {
  const crypto::SigningKey& key = signing_key(algorithm);
  std::string typ = type.empty() ? "" : "\"typ\":\"" + std::string(type) + "\",";
  return "{" + typ + "\"alg\":\"" + std::string(crypto::algorithm_name(algorithm)) + "\",\"kid\":\"" +
         key.kid() + "\"}";
}

std::string sign(std::string_view claims, std::string_view type = "",
                 Algorithm algorithm = Algorithm::es256) {
  return testing::sign_raw(signing_key(algorithm), header(type, algorithm), "{" + std::string(claims) + "}");
}

// kGood with one claim replaced, added or, without a value, taken away.
std::string with(std::string_view claim, std::string_view value, std::string_view more = "") {
  auto tree = parse_json("{" + std::string(kGood) + std::string(more) + "}", {});
  std::string out;
  for (JsonValue each = tree->root().first(); each; each = each.next()) {
    if (each.name() == claim) continue;
    std::string member = "{";
    append_json_member(member, each);
    out += (out.empty() ? "" : ",") + member.substr(1);
  }
  if (!value.empty()) out += ",\"" + std::string(claim) + "\":" + std::string(value);
  return out;
}

struct Asked {
  std::string_view nonce = "";
  std::string_view access_token = "";
  std::optional<base::Duration> max_age = {};
};
base::Result<IdToken> verify(std::string_view token, const Asked& asked = {}) {
  return verify_id_token(token, {.policy = policy(),
                                 .keys = keys(),
                                 .nonce = asked.nonce,
                                 .access_token = asked.access_token,
                                 .max_age = asked.max_age,
                                 .now = kNow});
}
std::string detail(const base::Result<IdToken>& outcome) {
  return outcome ? ""
                 : std::string(base::reason_name(outcome.error().reason)) + ": " + outcome.error().detail;
}

TEST(IdToken, OfEveryAlgorithmIsRead) {
  for (Algorithm algorithm :
       {Algorithm::es256, Algorithm::rs256, Algorithm::rs384, Algorithm::ps512, Algorithm::eddsa}) {
    auto token = verify(
        sign(std::string(kGood) + R"(,"sid":"s1","nonce":"n","groups":["a"],"n":1.0)", "JWT", algorithm),
        {.nonce = "n"});
    ASSERT_TRUE(token) << detail(token);
    EXPECT_EQ(token->subject, "alice");
    EXPECT_EQ(token->session, "s1");
    EXPECT_EQ(token->expires.unix_seconds(), 1800000300);
    EXPECT_EQ(token->issued.unix_seconds(), 1799999990);
    EXPECT_EQ(token->claims, "{" + std::string(kGood) + R"(,"sid":"s1","nonce":"n","groups":["a"],"n":1})");
  }
}

TEST(IdToken, ClaimsAreHeldAgainstWhatWasAsked) {
  constexpr std::string_view kPass = "";
  const struct {
    std::string claims;
    Asked asked;
    std::string_view detail;  // of login_refused; empty: it passes
  } cases[] = {
      {std::string(kGood), {}, kPass},
      // Who, for whom.
      {with("iss", R"("https://id.example/")"), {}, "the token's issuer is not accepted"},
      {with("iss", R"("https://ID.example")"), {}, "the token's issuer is not accepted"},
      {with("iss", ""), {}, "the token's issuer is not accepted"},
      {with("iss", R"(["https://id.example"])"), {}, "the token's issuer is not accepted"},
      {with("aud", R"("other")"), {}, "the token is for another audience"},
      {with("aud", ""), {}, "the token is for another audience"},
      {with("aud", "[]"), {}, "the token is for another audience"},
      {with("aud", R"("gatehouse2")"), {}, "the token is for another audience"},
      {with("aud", R"({"gatehouse":1})"), {}, "the token is for another audience"},
      {with("aud", R"(["gatehouse"])"), {}, kPass},
      {with("aud", R"(["gatehouse","other"])"), {}, "the token was given to another client"},
      {with("aud", R"(["gatehouse","other"])", R"(,"azp":"other")"),
       {},
       "the token was given to another client"},
      {with("aud", R"(["other","gatehouse"])", R"(,"azp":"gatehouse")"), {}, kPass},
      {with("aud", R"(["other"])", R"(,"azp":"gatehouse")"), {}, "the token is for another audience"},
      {with("azp", R"("gatehouse")"), {}, kPass},
      {with("azp", R"("other")"), {}, "the token was given to another client"},
      {with("azp", R"(["gatehouse"])"), {}, "the token was given to another client"},
      {with("azp", "null"), {}, "the token was given to another client"},
      // When. kNow is 1800000000; the skew is 30 s.
      {with("exp", ""), {}, "the token does not say when it expires"},
      {with("exp", R"("1800000300")"), {}, "the token does not say when it expires"},
      {with("exp", "1799999971"), {}, kPass},
      {with("exp", "1799999970"), {}, "the token has expired"},
      {with("iat", ""), {}, "the token does not say when it was issued"},
      {with("iat", "1800000030"), {}, kPass},
      {with("iat", "1800000031"), {}, "the token is not valid yet"},
      {with("iat", R"("1799999990")"), {}, "a date in the token cannot be read"},
      {with("nbf", "1800000031"), {}, "the token is not valid yet"},
      // This login's, and no other's.
      {with("nonce", R"("n1")"), {.nonce = "n1"}, kPass},
      {with("nonce", R"("n2")"), {.nonce = "n1"}, "the ID token is not of this login"},
      {with("nonce", R"("n1n1")"), {.nonce = "n1"}, "the ID token is not of this login"},
      {with("nonce", R"("")"), {.nonce = "n1"}, "the ID token is not of this login"},
      {with("nonce", R"(["n1"])"), {.nonce = "n1"}, "the ID token is not of this login"},
      {std::string(kGood), {.nonce = "n1"}, "the ID token is not of this login"},
      {with("nonce", R"("n1")"), {}, kPass},  // a renewal
      // Who it is.
      {with("sub", ""), {}, "the ID token does not say whom it is about"},
      {with("sub", R"("")"), {}, "the ID token does not say whom it is about"},
      {with("sub", "7"), {}, "the ID token does not say whom it is about"},
      {with("sub", R"("a\nb")"), {}, "the ID token does not say whom it is about"},
      {with("sub", "\"" + std::string(1025, 's') + "\""), {}, "the ID token does not say whom it is about"},
      {with("sid", R"("")"), {}, "the ID token's session cannot be read"},
      {with("sid", "7"), {}, "the ID token's session cannot be read"},
      // How long ago.
      {with("auth_time", "1799999900"), {.max_age = base::seconds(100)}, kPass},
      {with("auth_time", "1799999870"), {.max_age = base::seconds(100)}, kPass},  // the skew
      {with("auth_time", "1799999869"),
       {.max_age = base::seconds(100)},
       "the login is older than was asked for"},
      {with("auth_time", "1800000031"), {.max_age = base::seconds(100)}, "the login's time is in the future"},
      {with("auth_time", R"("1799999900")"),
       {.max_age = base::seconds(100)},
       "the ID token does not say when the login was"},
      {std::string(kGood), {.max_age = base::seconds(100)}, "the ID token does not say when the login was"},
      // Which token it came with: the value is what the openssl command makes of it.
      {with("at_hash", R"("BZzoafH6eYFttnCKN5N_Sw")"), {.access_token = "an.access-token_1"}, kPass},
      {with("at_hash", R"("BZzoafH6eYFttnCKN5N_Sw")"),
       {.access_token = "an.access-token_2"},
       "the ID token is not of this access token"},
      {with("at_hash", R"("BZzoafH6eYFttnCKN5N_Sw==")"),
       {.access_token = "an.access-token_1"},
       "the ID token is not of this access token"},
      {with("at_hash", "7"), {.access_token = "x"}, "the ID token is not of this access token"},
      {std::string(kGood), {.access_token = "x"}, kPass},
      // Another kind of token.
      {std::string(kGood) + "," + std::string(kLogout), {}, "the token is no ID token"},
  };
  for (const auto& c : cases) {
    auto outcome = verify(sign(c.claims), c.asked);
    EXPECT_EQ(detail(outcome), c.detail.empty() ? "" : "login_refused: " + std::string(c.detail)) << c.claims;
  }
}

TEST(IdToken, AccessTokensAreHashedAsTheSignatureIs) {
  const struct {
    Algorithm algorithm;
    size_t half;  // of the hash, in bytes
  } cases[] = {
      {Algorithm::es256, 16}, {Algorithm::rs384, 24}, {Algorithm::ps512, 32}, {Algorithm::eddsa, 32}};
  for (const auto& c : cases) {
    std::string hash = crypto::hash_of(c.algorithm, "token");
    ASSERT_EQ(hash.size(), 2 * c.half);
    std::string claims = with("at_hash", "\"" + base::base64url_encode(hash.substr(0, c.half)) + "\"");
    auto outcome = verify(sign(claims, "", c.algorithm), {.access_token = "token"});
    EXPECT_TRUE(outcome) << detail(outcome);
    EXPECT_FALSE(verify(sign(claims, "", c.algorithm), {.access_token = "tokem"}));
  }
}

TEST(IdToken, OfAnotherTypeIsRefused) {
  const struct {
    std::string_view type;
    bool good;
  } cases[] = {{"", true},
               {"JWT", true},
               {"jwt", true},
               {"application/jwt", true},
               {"at+jwt", false},
               {"AT+JWT", false},
               {"application/at+jwt", false},
               {"logout+jwt", false},
               {"dpop+jwt", false},
               {"secevent+jwt", false}};
  for (const auto& c : cases) EXPECT_EQ(verify(sign(kGood, c.type)).has_value(), c.good) << c.type;
}

TEST(IdToken, KeysAndAlgorithmsAreTheIssuers) {
  auto raw = [](const crypto::SigningKey& key, std::string_view head) {
    return testing::sign_raw(key, head, "{" + std::string(kGood) + "}");
  };
  const crypto::SigningKey& es = signing_key(Algorithm::es256);
  auto foreign = *crypto::SigningKey::generate(Algorithm::es256);
  // Not one that the provider accepts, though its key is in the set.
  EXPECT_EQ(detail(verify(sign(kGood, "", Algorithm::es384))),
            "login_refused: the token's algorithm is not accepted");
  EXPECT_EQ(detail(verify(raw(es, R"({"alg":"none"})"))),
            "login_refused: the JWT's algorithm is not accepted");
  EXPECT_EQ(detail(verify(raw(es, R"({"alg":"HS256","kid":")" + es.kid() + "\"}"))),
            "login_refused: the JWT's algorithm is not accepted");
  EXPECT_EQ(detail(verify(raw(es, R"({"alg":"RS256","kid":")" + es.kid() + "\"}"))),
            "login_refused: the token's algorithm does not fit its key");
  EXPECT_EQ(detail(verify(raw(foreign, header("")))), "login_refused: the token's signature is not valid");
  // A key that may be in a newer set: worth another look.
  EXPECT_EQ(detail(verify(raw(foreign, R"({"alg":"ES256","kid":"other"})"))),
            "key_set_unavailable: the token's key is not one of the issuer's");
  EXPECT_EQ(detail(verify(raw(foreign, R"({"alg":"ES256","jwk":)" + foreign.public_jwk() + "}"))),
            "login_refused: the token's signature is not valid");
  std::string good = sign(kGood);
  EXPECT_EQ(detail(verify(good.substr(0, good.rfind('.') + 1))),
            "login_refused: the JWT's signature is not base64url");
  EXPECT_EQ(detail(verify("")), "login_refused: it is not a signed JWT of three parts");
}

// A token that could never pass asks for no key.
TEST(IdToken, OfSomebodyElseIsNotWorthALookForKeys) {
  auto foreign = *crypto::SigningKey::generate(Algorithm::es256);
  std::string token =
      testing::sign_raw(foreign, R"({"alg":"ES256","kid":"other"})", "{" + with("aud", R"("other")") + "}");
  EXPECT_EQ(detail(verify(token)), "login_refused: the token is for another audience");
}

IdToken id_token(std::string claims) {
  IdToken out;
  out.subject = "alice";
  out.claims = std::move(claims);
  return out;
}

TEST(Userinfo, AddsToTheIdTokenAndNeverReplaces) {
  auto joined = join_claims(
      id_token(R"({"sub":"alice","email":"a@x.example","groups":["a"]})"),
      R"({"sub":"alice","email":"b@x.example","groups":["admin"],"name":"A \"B\"","address":{"city":["C"]}})");
  ASSERT_TRUE(joined);
  EXPECT_EQ(
      *joined,
      R"({"sub":"alice","email":"a@x.example","groups":["a"],"name":"A \"B\"","address":{"city":["C"]}})");
}

TEST(Userinfo, SaysNothingOfTheTokenOrTheLogin) {
  auto joined = join_claims(id_token(R"({"sub":"alice"})"),
                            R"({"sub":"alice","acr":"high","amr":["mfa"],"auth_time":1,"sid":"s","iss":"i",)"
                            R"("aud":"x","exp":9,"iat":9,"nbf":9,"azp":"x","nonce":"n","jti":"j","cnf":{},)"
                            R"("events":{},"at_hash":"h","c_hash":"h","locale":"en"})");
  ASSERT_TRUE(joined);
  EXPECT_EQ(*joined, R"({"sub":"alice","locale":"en"})");
}

TEST(Userinfo, OfSomebodyElseOrUnreadableIsRefused) {
  const struct {
    std::string userinfo;
    std::string_view detail;
  } cases[] = {
      {R"({"sub":"bob"})", "userinfo is about somebody else"},
      {R"({"sub":"Alice"})", "userinfo is about somebody else"},
      {R"({"name":"A"})", "userinfo is about somebody else"},
      {R"({"sub":["alice"]})", "userinfo is about somebody else"},
      {R"({"sub":"alice","sub":"bob"})", "userinfo is not a JSON object"},
      {"eyJ.eyJ.x", "userinfo is not a JSON object"},
      {"", "userinfo is not a JSON object"},
      {R"({"sub":"alice","x":")" + std::string(16'300, 'x') + "\"}",
       "the ID token's claims and userinfo's are too many"},
  };
  for (const auto& c : cases) {
    auto joined =
        join_claims(id_token(R"({"sub":"alice","y":")" + std::string(200, 'y') + "\"}"), c.userinfo);
    ASSERT_FALSE(joined) << c.userinfo.substr(0, 100);
    EXPECT_EQ(joined.error().reason, Reason::login_refused);
    EXPECT_EQ(joined.error().detail, c.detail);
  }
}

std::string logout_claims(std::string_view more = R"(,"sid":"s1")") {
  return std::string(kGood) + "," + std::string(kLogout) + std::string(more);
}
base::Result<LogoutToken> verify_logout(std::string_view token) {
  return verify_logout_token(token, policy(), keys(), kNow);
}

TEST(LogoutToken, IsReadWhole) {
  for (std::string_view type : {"logout+jwt", "application/logout+jwt", "JWT", ""}) {
    auto token = verify_logout(sign(logout_claims(), type));
    ASSERT_TRUE(token) << token.error().detail;
    EXPECT_EQ(token->subject, "alice");
    EXPECT_EQ(token->session, "s1");
    EXPECT_EQ(token->id, "l1");
    EXPECT_EQ(token->expires.unix_seconds(), 1800000330);  // as long as it would be accepted
  }
}

TEST(LogoutToken, OneOfSubjectAndSessionIsEnough) {
  auto token = verify_logout(sign(with("sub", "", "," + std::string(kLogout) + R"(,"sid":"s1")")));
  ASSERT_TRUE(token) << token.error().detail;
  EXPECT_EQ(token->subject, "");
  token = verify_logout(sign(logout_claims("")));
  ASSERT_TRUE(token) << token.error().detail;
  EXPECT_EQ(token->session, "");
}

// Issuers of the drafts leave `exp` out: then it counts for two minutes, and the clocks' 30 s.
TEST(LogoutToken, WithoutExpirationItCountsForALittleWhile) {
  const struct {
    int64_t issued;
    std::string_view detail;
  } cases[] = {
      {1800000000, ""},
      {1800000029, ""},
      {1799999851, ""},
      {1800000031, "the token is not valid yet"},
      {1799999850, "the token has expired"},
      {1, "the token has expired"},
  };
  for (const auto& c : cases) {
    std::string claims = R"("iss":"https://id.example","aud":"gatehouse","sub":"alice","iat":)" +
                         std::to_string(c.issued) + "," + std::string(kLogout);
    auto token = verify_logout(sign(claims));
    EXPECT_EQ(token ? "" : std::string(token.error().detail), c.detail) << c.issued;
    if (token) EXPECT_EQ(token->expires.unix_seconds(), c.issued + 150);
  }
}

TEST(LogoutToken, WhatIsNoneIsRefused) {
  const std::string event = "," + std::string(kLogout);
  const struct {
    std::string claims;
    std::string_view type;
    std::string_view detail;
  } cases[] = {
      {logout_claims(R"(,"nonce":"n")"), "", "a logout token has no nonce"},
      {logout_claims(R"(,"nonce":null)"), "", "a logout token has no nonce"},
      {logout_claims(), "at+jwt", "the token is no logout token"},
      {logout_claims(), "dpop+jwt", "the token is no logout token"},
      {std::string(kGood) + R"(,"jti":"l1")", "", "the token is no logout token"},  // an ID token
      {with("events", R"({"http://schemas.openid.net/event/backchannel-logout":true})"), "",
       "the token is no logout token"},
      {with("events", R"({"other":{}})"), "", "the token is no logout token"},
      {with("events", R"(["http://schemas.openid.net/event/backchannel-logout"])"), "",
       "the token is no logout token"},
      {with("sub", "", event), "", "the logout token does not say whose session ends"},
      {with("sub", "7", event), "", "the logout token does not say whose session ends"},
      {with("jti", "", event), "", "the logout token has no id"},
      {with("jti", "7", event), "", "the logout token has no id"},
      {with("aud", R"("other")", event), "", "the token is for another audience"},
      {with("iss", R"("https://other.example")", event), "", "the token's issuer is not accepted"},
      {with("iat", "", event), "", "the token does not say when it was issued"},
      {with("iat", "\"1800000000\"", event), "", "a date in the token cannot be read"},
      {with("exp", "1799999970", event), "", "the token has expired"},
      {with("exp", "null", event), "", "the token does not say when it expires"},
  };
  for (const auto& c : cases) {
    auto token = verify_logout(sign(c.claims, c.type));
    ASSERT_FALSE(token) << c.claims;
    EXPECT_EQ(token.error().reason, Reason::credential_invalid);
    EXPECT_EQ(token.error().detail, c.detail) << c.claims;
  }
  auto foreign = *crypto::SigningKey::generate(Algorithm::es256);
  auto token = verify_logout(testing::sign_raw(foreign, header(""), "{" + logout_claims() + "}"));
  ASSERT_FALSE(token);
  EXPECT_EQ(std::string(token.error().detail), "the token's signature is not valid");
  token =
      verify_logout(testing::sign_raw(foreign, R"({"alg":"ES256","kid":"x"})", "{" + logout_claims() + "}"));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().reason, Reason::key_set_unavailable);
}

// Neither can stand in for the other, whatever their types say.
TEST(LogoutToken, IsNoIdTokenAndTheOtherWayRound) {
  EXPECT_FALSE(verify(sign(logout_claims())));
  EXPECT_FALSE(verify_logout(sign(kGood)));
}

}  // namespace
}  // namespace auth
