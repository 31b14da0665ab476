// Token endpoints' answers: RFC 6749 §5.1 and §5.2, with what issuers make of them.
#include <gtest/gtest.h>

#include "access/oidc.h"

namespace auth {
namespace {

TEST(TokenAnswer, IsReadWhole) {
  auto read = parse_token_answer(
      200, R"({"access_token":"a.b-c","token_type":"bearer","expires_in":3600,"refresh_token":"r~1",)"
           R"("id_token":"x.y.z","scope":"openid  orders:read","issued_token_type":"urn:x","more":[1]})");
  ASSERT_TRUE(read) << read.error().sentence;
  EXPECT_EQ(read->access_token, "a.b-c");
  EXPECT_EQ(read->refresh_token, "r~1");
  EXPECT_EQ(read->id_token, "x.y.z");
  EXPECT_EQ(read->scopes, (std::vector<std::string>{"openid", "orders:read"}));
  EXPECT_EQ(read->expires_in, base::seconds(3600));
  EXPECT_EQ(read->issued_token_type, "urn:x");
}

TEST(TokenAnswer, WhatIsNotSaidIsNothing) {
  for (std::string_view json :
       {R"({"access_token":"a","token_type":"Bearer"})",
        R"({"access_token":"a","token_type":"Bearer","refresh_token":null,"id_token":"","expires_in":null,)"
        R"("scope":null,"issued_token_type":null})"}) {
    auto read = parse_token_answer(200, json);
    ASSERT_TRUE(read) << read.error().sentence;
    EXPECT_EQ(read->refresh_token, "");
    EXPECT_EQ(read->id_token, "");
    EXPECT_TRUE(read->scopes.empty());
    EXPECT_FALSE(read->expires_in);
  }
}

TEST(TokenAnswer, Lives) {
  const struct {
    std::string_view expires_in;
    std::optional<base::Duration> life;  // nothing: refused
  } cases[] = {
      {"0", base::seconds(0)},       {"\"300\"", base::seconds(300)},
      {"300.0", base::seconds(300)}, {"18446744073709551615", base::seconds(10ll * 365 * 24 * 3600)},
      {"-1", std::nullopt},          {"1.5", std::nullopt},
      {"1e30", std::nullopt},        {"\"soon\"", std::nullopt},
      {"[300]", std::nullopt},       {"true", std::nullopt},
  };
  for (const auto& c : cases) {
    auto read = parse_token_answer(
        200, R"({"access_token":"a","token_type":"Bearer","expires_in":)" + std::string(c.expires_in) + "}");
    EXPECT_EQ(read.has_value(), c.life.has_value()) << c.expires_in;
    if (read && c.life) EXPECT_EQ(read->expires_in, c.life) << c.expires_in;
  }
}

TEST(TokenAnswer, WhatCannotBeReadNamesNoError) {
  const struct {
    int status;
    std::string json;
    std::string_view sentence;  // contained
  } cases[] = {
      {200, "", "no JSON object"},
      {502, "<html>", "status is 502"},
      {200, "[]", "no JSON object"},
      {200, "{}", "lacks a token"},
      {200, R"({"access_token":"a"})", "lacks a token"},
      {200, R"({"access_token":"","token_type":"Bearer"})", "lacks a token"},
      {200, R"({"access_token":7,"token_type":"Bearer"})", "lacks a token"},
      {200, R"({"access_token":"a b","token_type":"Bearer"})", "characters no token has"},
      {200, R"({"access_token":"a\r\nX: y","token_type":"Bearer"})", "characters no token has"},
      {200, "{\"access_token\":\"\xC3\xA9\",\"token_type\":\"Bearer\"}", "characters no token has"},
      {200, R"({"access_token":"a","token_type":"Bearer","refresh_token":["r"]})", "characters no token has"},
      {200, R"({"access_token":"a","token_type":"DPoP"})", "not Bearer"},
      {200, R"({"access_token":"a","token_type":"N_A"})", "not Bearer"},
      {200, R"({"access_token":"a","token_type":"Bearer","scope":["x"]})", "scope"},
      {200, R"({"access_token":"a","access_token":"b","token_type":"Bearer"})", "no JSON object"},
      {500, "{}", "status is 500 and names no error"},
      {400, R"({"error":7})", "names no error"},
      {400, R"({"error":""})", "names no error"},
      {400, R"({"error":"a b"})", "names no error"},
      {400, "{\"error\":\"" + std::string(65, 'e') + "\"}", "names no error"},
      // Tokens beside a status that says there are none.
      {400, R"({"access_token":"a","token_type":"Bearer"})", "status is 400"},
  };
  for (const auto& c : cases) {
    auto read = parse_token_answer(c.status, c.json);
    ASSERT_FALSE(read) << c.json;
    EXPECT_EQ(read.error().error, "") << c.json;
    EXPECT_NE(read.error().sentence.find(c.sentence), std::string::npos) << read.error().sentence;
  }
}

TEST(TokenAnswer, RefusalsAreTold) {
  auto read =
      parse_token_answer(400, R"({"error":"invalid_grant","error_description":"gone\nsince \u00e9t"})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().error, "invalid_grant");
  EXPECT_EQ(read.error().sentence, "the issuer refused: invalid_grant (gone?since ?\?t)");
  read = parse_token_answer(401, R"({"error":"invalid_client"})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().error, "invalid_client");
  // Some say it with a status of 200.
  read = parse_token_answer(200, R"({"error":"bad_code","access_token":"a","token_type":"Bearer"})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().error, "bad_code");
  read =
      parse_token_answer(400, "{\"error\":\"x\",\"error_description\":\"" + std::string(10'000, 'd') + "\"}");
  ASSERT_FALSE(read);
  EXPECT_LT(read.error().sentence.size(), 400u);
}

}  // namespace
}  // namespace auth
