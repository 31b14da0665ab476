// What an issuer has to answer about a token (RFC 7662 §2.2) for the token to count: each row changes one
// thing about a good answer.
#include "access/introspection.h"

#include <gtest/gtest.h>

#include "access/test_tokens.h"

namespace auth {
namespace {

using base::Reason;
using testing::kNow;

IntrospectionPolicy policy() {
  IntrospectionPolicy out;
  out.provider = "legacy";
  out.spec.issuer = "https://id.example";
  out.spec.audience = {"orders", "billing"};
  return out;
}

constexpr std::string_view kGood =
    R"("active":true,"iss":"https://id.example","aud":"orders","sub":"alice","exp":1800000300)";

// kGood with one member replaced, added or, without a value, taken away.
std::string with(std::string_view name, std::string_view value) {
  auto tree = parse_json("{" + std::string(kGood) + "}", {});
  std::string out = "{";
  for (JsonValue each = tree->root().first(); each; each = each.next()) {
    if (each.name() != name) append_json_member(out, each);
  }
  if (!value.empty()) out.append(",\"").append(name).append("\":").append(value);
  return out + "}";
}

std::string outcome(std::string_view json, const IntrospectionPolicy& held_against) {
  auto read = read_introspection(json, held_against, kNow);
  if (read) return "";
  return std::string(base::reason_name(read.error().reason)) + ": " + read.error().detail;
}

TEST(Introspection, SaysWhoItIs) {
  auto read = read_introspection(
      "{" + std::string(kGood) +
          R"(,"scope":"orders:read orders:write","groups":["support"],"username":"al","jti":"t1","token_type":"bearer"})",
      policy(), kNow);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->identity->provider, "legacy");
  EXPECT_EQ(read->identity->subject, "alice");
  EXPECT_EQ(read->identity->scopes, (std::vector<std::string>{"orders:read", "orders:write"}));
  EXPECT_EQ(read->identity->groups, (std::vector<std::string>{"support"}));
  EXPECT_EQ(read->identity->credential_id, "t1");
  EXPECT_EQ(read->identity->claims.root().member("username").text(), "al");
  EXPECT_EQ(read->identity->expires.unix_seconds(), 1800000300);
}

TEST(Introspection, ClaimsHaveTheNamesOfTheProvider) {
  IntrospectionPolicy named = policy();
  named.spec.claims = {
      .subject = "client_id", .scopes = "rights", .groups = "org.roles", .groups_separator = ","};
  auto read = read_introspection(
      "{" + std::string(kGood) + R"(,"client_id":"robot","rights":["a"],"org":{"roles":"x,y"}})", named,
      kNow);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->identity->subject, "robot");
  EXPECT_EQ(read->identity->scopes, (std::vector<std::string>{"a"}));
  EXPECT_EQ(read->identity->groups, (std::vector<std::string>{"x", "y"}));
}

TEST(Introspection, IsKeptAsLongAsTheProviderSaysAndNeverBeyondTheEnd) {
  const struct {
    int64_t cache_seconds;
    std::string_view exp;
    int64_t until;  // from kNow, seconds
  } cases[] = {{30, "1800000300", 30},  {300, "1800000300", 300}, {3600, "1800000300", 300},
               {3600, "1800000001", 1}, {0, "1800000300", 0},     {30, "", 30}};
  for (const auto& c : cases) {
    IntrospectionPolicy kept = policy();
    kept.spec.cache = base::seconds(c.cache_seconds);
    auto read = read_introspection(with("exp", c.exp), kept, kNow);
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(read->valid_until.ns, kNow.ns + base::seconds(c.until).ns) << c.exp;
  }
}

TEST(Introspection, WhatIsNotForThisGateIsRefused) {
  constexpr std::string_view kRefused = "credential_invalid: ";
  const struct {
    std::string json;
    std::string_view detail;  // empty: taken
  } cases[] = {
      {with("x", "1"), ""},
      {R"({"active":false})", "the token is not active"},
      {with("active", "false"), "the token is not active"},
      // Who for, who from.
      {with("aud", R"("billing")"), ""},
      {with("aud", R"(["other","orders"])"), ""},
      {with("aud", R"("other")"), "the token is for another audience"},
      {with("aud", R"("orders2")"), "the token is for another audience"},
      {with("aud", "[]"), "the token is for another audience"},
      {with("aud", "null"), "the token is for another audience"},
      {with("aud", R"({"orders":true})"), "the token is for another audience"},
      {with("aud", ""), "the token is for another audience"},
      {with("iss", R"("https://id.example/")"), "the token's issuer is not accepted"},
      {with("iss", R"(["https://id.example"])"), "the token's issuer is not accepted"},
      // When. kNow is 1800000000.
      {with("exp", "1800000000"), "the token has expired"},
      {with("exp", "1800000001"), ""},
      {with("exp", "1799990000"), "the token has expired"},
      {with("exp", R"("1800000300")"), "the token does not say when it expires"},
      {with("exp", "-1"), "the token does not say when it expires"},
      {with("nbf", "1800000030"), ""},
      {with("nbf", "1800000031"), "the token is not valid yet"},
      {with("nbf", "[]"), "a date in the token cannot be read"},
      // What it is: refresh and ID tokens are active as well.
      {with("token_type", R"("Bearer")"), ""},
      {with("token_type", R"("DPoP")"), ""},
      {with("token_type", R"("access_token")"), ""},
      {with("token_type", "null"), ""},
      {with("token_type", R"("refresh_token")"), "the token is of another type"},
      {with("token_type", R"("mac")"), "the token is of another type"},
      {with("token_type", R"(["Bearer"])"), "the token is of another type"},
      {with("token_use", R"("access_token")"), ""},
      {with("token_use", R"("refresh_token")"), "the token is of another type"},
      {with("token_use", R"("id")"), "the token is of another type"},
      {with("typ", R"("Bearer")"), ""},
      {with("typ", R"("at+jwt")"), ""},
      {with("typ", R"("Refresh")"), "the token is of another type"},
      {with("typ", R"("Offline")"), "the token is of another type"},
      {with("typ", R"("ID")"), "the token is of another type"},
      // Who it is.
      {with("sub", ""), "the token does not say whom it is about"},
      {with("sub", "7"), "the token does not say whom it is about"},
      {with("sub", R"("a\nb")"), "the token does not say whom it is about"},
      {with("groups", R"([1])"), "the token's groups cannot be read"},
      {with("scope", R"({"a":1})"), "the token's scopes cannot be read"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(outcome(c.json, policy()), c.detail.empty() ? "" : std::string(kRefused).append(c.detail))
        << c.json;
  }
}

TEST(Introspection, TheIssuerIsComparedWhereItIsNamed) {
  IntrospectionPolicy any = policy();
  EXPECT_EQ(outcome(with("iss", ""), any), "");  // optional, RFC 7662 §2.2
  any.spec.issuer = "";
  EXPECT_EQ(outcome(with("iss", ""), any), "");
  EXPECT_EQ(outcome(with("iss", R"("https://other.example")"), any), "");
}

TEST(Introspection, ABindingIsKeptAndMayBeAskedFor) {
  const std::string bound = with(
      "cnf", R"({"x5t#S256":")" + base::base64url_encode(crypto::as_text(crypto::sha256("der"))) + "\"}");
  auto read = read_introspection(bound, policy(), kNow);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->identity->confirmation.certificate, crypto::sha256("der"));
  EXPECT_TRUE(outcome(with("cnf", R"({"unknown":"x"})"), policy()).starts_with("credential_invalid"));
  IntrospectionPolicy strict = policy();
  strict.spec.sender_constrained = SenderConstrained::required;
  EXPECT_EQ(outcome(bound, strict), "");
  EXPECT_TRUE(outcome(with("x", "1"), strict).starts_with("credential_invalid"));
}

TEST(Introspection, WhatIsNoAnswerSaysNothingAboutTheToken) {
  for (std::string json :
       {std::string(""), std::string("<html>"), std::string("[]"), std::string("true"), std::string("{}"),
        with("active", R"("true")"), with("active", "1"), with("active", "null"),
        std::string(R"({"active":false,"active":true})"), "{" + std::string(kGood) + "}{}",
        with("x", "\"" + std::string(kIntrospectionBytesMax, 'x') + "\"")}) {
    EXPECT_TRUE(outcome(json, policy()).starts_with("introspection_unavailable: ")) << json.substr(0, 100);
  }
}

}  // namespace
}  // namespace auth
