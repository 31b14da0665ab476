// What is taken for an issuer's discovery document and what is not.
#include <gtest/gtest.h>

#include "access/oidc.h"

namespace auth {
namespace {

constexpr std::string_view kIssuer = "https://id.example/realms/a";

std::string document(std::string_view issuer, std::string_view more = "") {
  return "{\"issuer\":\"" + std::string(issuer) +
         "\",\"authorization_endpoint\":\"https://id.example/authorize\","
         "\"token_endpoint\":\"https://tokens.example/token\",\"jwks_uri\":\"https://id.example/jwks\"" +
         std::string(more) + "}";
}

TEST(IssuerMetadata, IsReadWhole) {
  auto read = parse_issuer_metadata(
      document(
          kIssuer,
          ",\"userinfo_endpoint\":\"https://id.example/me\",\"end_session_endpoint\":\"https://id.example/"
          "out?x=1\",\"revocation_endpoint\":\"https://id.example/revoke\","
          "\"authorization_response_iss_parameter_supported\":true,"
          "\"scopes_supported\":[\"openid\",\"offline_access\"],\"unknown\":{\"a\":[1]}"),
      kIssuer);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->issuer, kIssuer);
  EXPECT_EQ(read->authorization_endpoint, "https://id.example/authorize");
  EXPECT_EQ(read->token_endpoint, "https://tokens.example/token");
  EXPECT_EQ(read->jwks_uri, "https://id.example/jwks");
  EXPECT_EQ(read->userinfo_endpoint, "https://id.example/me");
  EXPECT_EQ(read->end_session_endpoint, "https://id.example/out?x=1");
  EXPECT_EQ(read->revocation_endpoint, "https://id.example/revoke");
  EXPECT_TRUE(read->says_iss);
  EXPECT_TRUE(read->offers_offline_access);
}

TEST(IssuerMetadata, WhatIsOptionalMayBeMissing) {
  auto read = parse_issuer_metadata(document(kIssuer, ",\"userinfo_endpoint\":null"), kIssuer);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->userinfo_endpoint, "");
  EXPECT_EQ(read->end_session_endpoint, "");
  EXPECT_EQ(read->revocation_endpoint, "");
  EXPECT_FALSE(read->says_iss);
  EXPECT_FALSE(read->offers_offline_access);
}

TEST(IssuerMetadata, OfAnotherIssuerIsRefused) {
  for (std::string_view other :
       {"https://id.example/realms/b", "https://id.example/realms/a/", "https://ID.example/realms/a",
        "http://id.example/realms/a", "https://id.example:443/realms/a", ""}) {
    auto read = parse_issuer_metadata(document(other), kIssuer);
    ASSERT_FALSE(read) << other;
    EXPECT_NE(read.error().find(kIssuer), std::string::npos) << read.error();
  }
}

TEST(IssuerMetadata, EndpointsAreUrlsAndAsSecureAsTheIssuer) {
  const struct {
    std::string_view issuer;
    std::string_view url;
    bool good;
  } cases[] = {
      {"https://id.example", "https://id.example/x", true},
      {"https://id.example", "https://id.example", true},
      {"https://id.example", "https://id.example:8443/x?a=b", true},
      {"http://127.0.0.1:9400", "http://127.0.0.1:9400/x", true},
      {"http://127.0.0.1:9400", "https://id.example/x", true},
      {"https://id.example", "http://id.example/x", false},
      {"https://id.example", "", false},
      {"https://id.example", "https://", false},
      {"https://id.example", "https:///x", false},
      {"https://id.example", "/x", false},
      {"https://id.example", "//id.example/x", false},
      {"https://id.example", "javascript:alert(1)", false},
      {"https://id.example", "data:text/html,x", false},
      {"https://id.example", "file:///etc/passwd", false},
      {"https://id.example", "https://user:password@id.example/x", false},
      {"https://id.example", "https://id.example\\\\@evil.example/x", false},
      {"https://id.example", "https://id.example/x#fragment", false},
      {"https://id.example", "https://id.example/x y", false},
      {"https://id.example", "https://id.example/x\\r\\nSet-Cookie: a=b", false},
      {"https://id.example", "https://id.example/\\u0000", false},
      {"https://id.example", "https://id.example/\xC3\xA9", false},
      {"https://id.example", "https://id.example/<x>", false},
  };
  for (const auto& c : cases) {
    for (std::string_view name : {"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint",
                                  "end_session_endpoint", "revocation_endpoint"}) {
      std::string json = "{\"issuer\":\"" + std::string(c.issuer) + "\"";
      for (std::string_view other : {"authorization_endpoint", "token_endpoint", "jwks_uri"}) {
        if (other != name) json += ",\"" + std::string(other) + "\":\"https://id.example/other\"";
      }
      json += ",\"" + std::string(name) + "\":\"" + std::string(c.url) + "\"}";
      auto read = parse_issuer_metadata(json, c.issuer);
      EXPECT_EQ(read.has_value(), c.good) << json;
      if (!read) EXPECT_NE(read.error().find(name), std::string::npos) << read.error();
    }
  }
}

TEST(IssuerMetadata, WhatIsMissingOrNoDocumentIsNamed) {
  const struct {
    std::string json;
    std::string_view problem;
  } cases[] = {
      {"", "cannot be read"},
      {"<html></html>", "cannot be read"},
      {"[]", "not a JSON object"},
      {document(kIssuer) + "x", "cannot be read"},
      {document(kIssuer, ",\"issuer\":\"https://evil.example\""), "cannot be read"},  // twice
      {"{\"issuer\":\"" + std::string(kIssuer) + "\"}", "authorization_endpoint"},
      {document(kIssuer, ",\"x\":\"" + std::string(kMetadataBytesMax, 'x') + "\""), "cannot be read"},
      {"{\"issuer\":[\"" + std::string(kIssuer) + "\"]}", "is of the issuer"},
  };
  for (const auto& c : cases) {
    auto read = parse_issuer_metadata(c.json, kIssuer);
    ASSERT_FALSE(read) << c.json.substr(0, 200);
    EXPECT_NE(read.error().find(c.problem), std::string::npos) << read.error();
  }
}

TEST(IssuerMetadata, StandsAtAnAddressOfTheIssuers) {
  EXPECT_EQ(discovery_url("https://id.example"), "https://id.example/.well-known/openid-configuration");
  EXPECT_EQ(discovery_url("https://id.example/"), "https://id.example/.well-known/openid-configuration");
  EXPECT_EQ(discovery_url("https://id.example/realms/a"),
            "https://id.example/realms/a/.well-known/openid-configuration");
}

TEST(Registration, IsOfOneIssuerAndOneClient) {
  auto of = [](std::string issuer, std::string client) {
    OidcSpec spec;
    spec.issuer = std::move(issuer);
    spec.client.id = std::move(client);
    return name_registration(spec);
  };
  EXPECT_EQ(of("https://id.example", "gate"), of("https://id.example", "gate"));
  EXPECT_NE(of("https://id.example", "gate"), of("https://id.example/", "gate"));
  EXPECT_NE(of("https://id.example", "gate"), of("https://id.example", "gate2"));
  EXPECT_NE(of("https://id.example", "gate"), of("https://id.exampleg", "ate"));
}

}  // namespace
}  // namespace auth
