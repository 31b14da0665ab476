// What an authorization server is asked, to the byte, and what its answers are taken for.
#include "control/token_endpoint.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "control/test_fetcher.h"
#include "control/test_issuer.h"
#include "io/sim.h"

namespace control {
namespace {

using testing::answered;
using testing::header_of;
using testing::unanswered;

constexpr std::string_view kTokens = R"({"access_token":"a","token_type":"Bearer","expires_in":60})";

struct World {
  World() {
    policy.spec.client = {.id = "gate house", .secret = "s:e/c%r+t", .auth = auth::ClientAuth::basic};
    metadata.token_endpoint = "https://id.example/token";
    metadata.userinfo_endpoint = "https://id.example/me";
    metadata.revocation_endpoint = "https://id.example/revoke";
    fetcher.answer = [](const FetchRequest&) { return answered(200, std::string(kTokens)); };
  }
  TokenEndpoint::Issuer issuer() const { return {.policy = policy, .metadata = metadata}; }
  template <class T>
  T wait(io::Task<T> task) {
    std::optional<T> out;
    auto run = [&]() -> io::Task<> { out.emplace(co_await std::move(task)); };
    io::Task<> running = run();
    running.start();
    while (!out) sim.run_for(base::milliseconds(1));
    return std::move(*out);
  }
  const FetchRequest& last() const { return fetcher.asked.back(); }

  io::SimWorld sim{1};
  testing::ScriptedFetcher fetcher{sim.loop};
  TokenEndpoint endpoint{fetcher};
  auth::OidcPolicy policy;
  auth::IssuerMetadata metadata;
};

TEST(TokenEndpoint, EveryGrantIsAskedForAsItsStandardSays) {
  World world;
  world.policy.spec.resource = "https://api.example/";
  auto form = [&](auto call) {
    EXPECT_TRUE(world.wait(call()));
    const FetchRequest& asked = world.last();
    EXPECT_EQ(asked.url, "https://id.example/token");
    EXPECT_EQ(asked.method, FetchMethod::post);
    EXPECT_EQ(header_of(asked, "Content-Type"), "application/x-www-form-urlencoded");
    EXPECT_EQ(header_of(asked, "Accept"), "application/json");
    return asked.body;
  };
  auto issuer = world.issuer();
  TokenEndpoint& endpoint = world.endpoint;
  EXPECT_EQ(form([&] {
              return endpoint.exchange_code(
                  issuer, {.code = "4/x&y=z", .verifier = "v~1", .redirect_uri = "https://a/cb?x=1"});
            }),
            "grant_type=authorization_code&code=4%2Fx%26y%3Dz&redirect_uri=https%3A%2F%2Fa%2Fcb%3Fx%3D1"
            "&code_verifier=v~1&resource=https%3A%2F%2Fapi.example%2F");
  EXPECT_EQ(form([&] { return endpoint.refresh(issuer, "r+1"); }),
            "grant_type=refresh_token&refresh_token=r%2B1&resource=https%3A%2F%2Fapi.example%2F");
  EXPECT_EQ(form([&] { return endpoint.client_credentials(issuer, {}); }), "grant_type=client_credentials");
  EXPECT_EQ(form([&] {
              return endpoint.client_credentials(
                  issuer, {.audience = "orders", .resource = "https://o/", .scopes = {"a:read", "b"}});
            }),
            "grant_type=client_credentials&audience=orders&resource=https%3A%2F%2Fo%2F&scope=a%3Aread%20b");
  EXPECT_EQ(form([&] { return endpoint.exchange_token(issuer, "x.y.z", {.audience = "orders"}); }),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=x.y.z"
            "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
            "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&audience=orders");
}

// RFC 6749 §2.3.1: form-encoded first, so that a colon in the id cannot move where the secret begins.
TEST(TokenEndpoint, TheGateShowsItselfAsItsClientSays) {
  const struct {
    auth::ClientSpec client;
    std::string authorization;
    std::string form;
  } cases[] = {
      {{.id = "gate house", .secret = "s:e/c%r+t"},
       "Basic " + base::base64_encode("gate%20house:s%3Ae%2Fc%25r%2Bt"),
       "grant_type=refresh_token&refresh_token=r"},
      {{.id = "a:b", .secret = "c"},
       "Basic " + base::base64_encode("a%3Ab:c"),
       "grant_type=refresh_token&refresh_token=r"},
      {{.id = "gate house", .secret = "s&e", .auth = auth::ClientAuth::post},
       "",
       "grant_type=refresh_token&refresh_token=r&client_id=gate%20house&client_secret=s%26e"},
      {{.id = "public", .secret = ""}, "", "grant_type=refresh_token&refresh_token=r&client_id=public"},
  };
  for (const auto& c : cases) {
    World world;
    world.policy.spec.client = c.client;
    EXPECT_TRUE(world.wait(world.endpoint.refresh(world.issuer(), "r")));
    EXPECT_EQ(header_of(world.last(), "Authorization"), c.authorization);
    EXPECT_EQ(world.last().body, c.form);
  }
}

// A session is given up when its issuer says no, and only then.
TEST(TokenEndpoint, OnlyAnIssuerThatSaysNoHasSaidNo) {
  const struct {
    FetchResult answer;
    bool unreachable;
  } cases[] = {
      {unanswered(), true},
      {answered(500, "{}"), true},
      {answered(503, R"({"error":"invalid_grant"})"), true},
      {answered(429, "{}"), true},
      {answered(408, ""), true},
      {answered(200, "<html>maintenance</html>"), true},
      {answered(200, "{}"), true},
      {answered(403, "<html>blocked</html>"), true},
      {answered(404, ""), true},
      {answered(302, ""), true},
      {answered(400, R"({"error":"temporarily_unavailable"})"), true},
      {answered(400, R"({"error":"server_error"})"), true},
      {answered(400, R"({"error":"invalid_grant"})"), false},
      {answered(401, R"({"error":"invalid_client"})"), false},
      {answered(200, R"({"error":"invalid_grant"})"), false},
  };
  for (const auto& c : cases) {
    World world;
    world.fetcher.answer = [&](const FetchRequest&) { return c.answer; };
    auto outcome = world.wait(world.endpoint.refresh(world.issuer(), "secret-token"));
    ASSERT_FALSE(outcome) << c.answer.body;
    EXPECT_EQ(outcome.error().unreachable, c.unreachable) << c.answer.status << " " << c.answer.body;
    EXPECT_FALSE(outcome.error().sentence.empty());
    EXPECT_EQ(outcome.error().sentence.find("secret-token"), std::string::npos);
  }
}

TEST(TokenEndpoint, UserinfoIsAskedWithTheToken) {
  World world;
  world.fetcher.answer = [](const FetchRequest&) {
    return answered(200, R"({"sub":"alice"})", "Application/JSON; charset=utf-8");
  };
  auto body = world.wait(world.endpoint.fetch_userinfo(world.issuer(), "tok"));
  ASSERT_TRUE(body) << body.error().sentence;
  EXPECT_EQ(*body, R"({"sub":"alice"})");
  EXPECT_EQ(world.last().url, "https://id.example/me");
  EXPECT_EQ(world.last().method, FetchMethod::get);
  EXPECT_EQ(header_of(world.last(), "Authorization"), "Bearer tok");
  for (const FetchResult& other : {answered(200, "eyJ.x.y", "application/jwt"), answered(200, "{}", ""),
                                   answered(401, "{}"), unanswered()}) {
    world.fetcher.answer = [&](const FetchRequest&) { return other; };
    EXPECT_FALSE(world.wait(world.endpoint.fetch_userinfo(world.issuer(), "tok")));
  }
}

TEST(TokenEndpoint, TokensAreRevokedAndIntrospected) {
  World world;
  auto revoke = [&]() -> io::Task<bool> {
    co_await world.endpoint.revoke(world.issuer(), "r+1");
    co_return true;
  };
  EXPECT_TRUE(world.wait(revoke()));
  EXPECT_EQ(world.last().url, "https://id.example/revoke");
  EXPECT_EQ(world.last().body, "token=r%2B1&token_type_hint=refresh_token");
  EXPECT_NE(header_of(world.last(), "Authorization"), "");

  auth::IntrospectionPolicy policy;
  policy.spec.url = "https://id.example/introspect";
  policy.spec.client = {.id = "g", .secret = "s"};
  world.fetcher.answer = [](const FetchRequest&) { return answered(200, R"({"active":false})"); };
  auto body = world.wait(world.endpoint.introspect(policy, "t&k=1"));
  ASSERT_TRUE(body);
  EXPECT_EQ(*body, R"({"active":false})");
  EXPECT_EQ(world.last().url, "https://id.example/introspect");
  EXPECT_EQ(world.last().body, "token=t%26k%3D1&token_type_hint=access_token");
  EXPECT_EQ(header_of(world.last(), "Authorization"), "Basic " + base::base64_encode("g:s"));
  world.fetcher.answer = [](const FetchRequest&) { return answered(401, "{}"); };
  EXPECT_FALSE(world.wait(world.endpoint.introspect(policy, "t")));
}

// The same over a socket.
TEST(TokenEndpoint, AnIssuerOfFleshAndBlood) {
  testing::TestIssuer issuer([](const testing::Asked& asked) {
    bool known = asked.body.find("code=good") != asked.body.npos &&
                 asked.head.find("Authorization: Basic ") != asked.head.npos;
    return known ? testing::http_answer("200 OK", "Content-Type: application/json\r\n", kTokens)
                 : testing::http_answer("400 Bad Request", "Content-Type: application/json\r\n",
                                        R"({"error":"invalid_grant"})");
  });
  testing::FetchWorld world;
  TokenEndpoint endpoint(world.fetcher());
  auth::OidcPolicy policy;
  policy.spec.client = {.id = "gatehouse", .secret = "s"};
  auth::IssuerMetadata metadata;
  metadata.token_endpoint = issuer.url("/token");
  auto exchange = [&](std::string code) {
    std::optional<CallResult<auth::TokenAnswer>> out;
    auto run = [&]() -> io::Task<> {
      out = co_await endpoint.exchange_code({.policy = policy, .metadata = metadata},
                                            {.code = code, .verifier = "v", .redirect_uri = "https://a/"});
    };
    world.scope.spawn(run());
    while (!out) world.turn();
    return *out;
  };
  auto good = exchange("good");
  ASSERT_TRUE(good) << good.error().sentence;
  EXPECT_EQ(good->access_token, "a");
  EXPECT_EQ(good->expires_in, base::seconds(60));
  auto bad = exchange("bad");
  ASSERT_FALSE(bad);
  EXPECT_FALSE(bad.error().unreachable);
  EXPECT_NE(bad.error().sentence.find("invalid_grant"), std::string::npos);
}

}  // namespace
}  // namespace control
