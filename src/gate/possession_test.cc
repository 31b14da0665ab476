// Bound tokens on the request path: a proof is asked for with every request, also of a token the worker
// knows; what proves is not passed on; and an open connection is not asked again when a generation comes.
#include "access/jwks.h"
#include "access/test_tokens.h"
#include "gate/test_world.h"

namespace gate::test {
namespace {

using auth::testing::proof_claims;
using auth::testing::ProofOf;
using auth::testing::sign_proof;
using crypto::Algorithm;

constexpr std::string_view kOpen = "http://a.example/a/open";

const crypto::SigningKey& callers_key() { return auth::testing::signing_key(Algorithm::es256); }

std::string bound_token() {
  static const std::string token =
      auth::testing::sign_token(Algorithm::eddsa, R"(,"cnf":{"jkt":")" + callers_key().kid() + "\"}");
  return token;
}

std::string proof(ProofOf of) {
  std::string token = bound_token();
  if (of.token.empty()) of.token = token;
  return sign_proof(callers_key(), proof_claims(of));
}

std::string get(std::string_view headers, std::string_view method = "GET",
                std::string_view path = "/a/open") {
  return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: a.example\r\n" +
         std::string(headers) + "\r\n";
}
std::string dpop(std::string_view token, std::string_view proof) {
  return "Authorization: DPoP " + std::string(token) + "\r\nDPoP: " + std::string(proof) + "\r\n";
}
std::string with_proof(const ProofOf& of) { return dpop(bound_token(), proof(of)); }

int status_of(const std::string& answer) { return answer.size() < 12 ? 0 : std::atoi(answer.c_str() + 9); }
bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

class Possession : public ::testing::Test {
 protected:
  Possession() { serve(); }

  void serve() {
    auth::KeySetSpec keys{.inline_json = auth::testing::key_set_json(
                              {auth::testing::signing_key(Algorithm::eddsa).public_jwk()})};
    auto providers = auth::testing::compile_one(
        auth::testing::jwt_provider("partners", std::move(keys), {Algorithm::eddsa}));
    world_.serve({{.path = "/a"}}, [&](Snapshot& s) {
      s.providers = providers;
      s.listeners[0].trusted_proxies = {*base::parse_network(trusted_)};
    });
  }
  std::string reason_of_last() {
    std::vector<std::string> records = world_.records();
    return records.empty() ? "none" : field(records.back(), "reason");
  }

  std::string trusted_ = "192.0.2.0/24";
  GateWorld world_;
};

TEST_F(Possession, AProofIsGoodForOneRequest) {
  std::string request = get(with_proof({.id = "1", .url = kOpen}));
  EXPECT_EQ(status_of(world_.ask(request)), 200);
  std::string again = world_.ask(request);
  EXPECT_EQ(status_of(again), 401);
  EXPECT_TRUE(
      has(again, "error=\"invalid_dpop_proof\", error_description=\"the DPoP proof was used before\""))
      << again;
  EXPECT_EQ(reason_of_last(), "proof_invalid");
  EXPECT_EQ(status_of(world_.ask(get(with_proof({.id = "2", .url = kOpen})))), 200);
  EXPECT_EQ(world_.seen.size(), 2u);
}

TEST_F(Possession, WhatProvesIsNotPassedOn) {
  EXPECT_EQ(status_of(world_.ask(get(with_proof({.url = kOpen})))), 200);
  ASSERT_EQ(world_.seen.size(), 1u);
  EXPECT_FALSE(has(world_.seen[0].head, "Authorization")) << world_.seen[0].head;
  EXPECT_FALSE(has(world_.seen[0].head, "DPoP")) << world_.seen[0].head;
  EXPECT_TRUE(has(world_.seen[0].head, "Gatehouse-Identity: "));
}

// The cache knows the token from the first request, and still each has to prove.
TEST_F(Possession, AKnownTokenIsNotLetInWithoutAProof) {
  EXPECT_EQ(status_of(world_.ask(get(with_proof({.url = kOpen})))), 200);
  const std::string refused[] = {
      get("Authorization: Bearer " + bound_token() + "\r\n"),
      get("Authorization: Bearer " + bound_token() + "\r\nDPoP: " + proof({.id = "b", .url = kOpen}) +
          "\r\n"),
      get("Authorization: DPoP " + bound_token() + "\r\n"),
      get(with_proof({.id = "c", .url = "http://a.example/a/other"})),
      get(with_proof({.id = "d", .url = "http://b.example/a/open"})),
      get(with_proof({.id = "e", .url = "https://a.example/a/open"})),
      get(with_proof({.id = "f", .method = "POST", .url = kOpen})),
      get(with_proof({.token = "another", .id = "g", .url = kOpen})),
      get(with_proof({.id = "h", .url = kOpen}), "PUT"),
      get(with_proof({.id = "i", .url = kOpen}) + "DPoP: " + proof({.id = "j", .url = kOpen}) + "\r\n"),
  };
  for (const std::string& request : refused) {
    std::string answer = world_.ask(request);
    EXPECT_EQ(status_of(answer), 401) << request;
    EXPECT_TRUE(has(answer, "WWW-Authenticate: ")) << answer;
  }
  EXPECT_EQ(world_.worker->metrics().value(telemetry::Counter::token_cache_misses), 1u);
  EXPECT_EQ(world_.seen.size(), 1u);
}

TEST_F(Possession, TheAddressIsTheOneTheClientSees) {
  const std::string forwarded = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n";
  auto request = [&](std::string_view id, std::string_view url) {
    return get(with_proof({.id = id, .url = url}) + forwarded);
  };
  // Nobody's word but a trusted proxy's counts.
  EXPECT_EQ(status_of(world_.ask(request("1", "https://shop.example/a/open"))), 401);
  EXPECT_EQ(status_of(world_.ask(request("2", kOpen))), 200);
  trusted_ = "0.0.0.0/1";
  serve();
  EXPECT_EQ(status_of(world_.ask(request("3", "https://shop.example/a/open"))), 200);
  EXPECT_EQ(status_of(world_.ask(request("4", kOpen))), 401);
}

TEST_F(Possession, OnlyABoundTokenComesWithAProof) {
  std::string unbound = auth::testing::sign_token(Algorithm::eddsa);
  EXPECT_EQ(status_of(world_.ask(get("Authorization: Bearer " + unbound + "\r\n"))), 200);
  std::string answer = world_.ask(get(dpop(unbound, proof({.token = unbound, .url = kOpen}))));
  EXPECT_EQ(status_of(answer), 401);
  EXPECT_EQ(reason_of_last(), "credential_invalid");
  EXPECT_TRUE(has(answer, "WWW-Authenticate: Bearer realm=\"a\"\r\n")) << answer;
  EXPECT_TRUE(has(answer, "WWW-Authenticate: DPoP realm=\"a\", algs=")) << answer;
  EXPECT_TRUE(has(answer, "error=\"invalid_token\"")) << answer;
  EXPECT_EQ(status_of(world_.ask(get(dpop(world_.key, proof({.token = world_.key, .url = kOpen}))))), 401);
}

TEST_F(Possession, ATokenBoundToACertificateNeedsOne) {
  std::string token =
      auth::testing::sign_token(Algorithm::eddsa, R"(,"cnf":{"x5t#S256":")" + callers_key().kid() + "\"}");
  std::string answer = world_.ask(get("Authorization: Bearer " + token + "\r\n"));
  EXPECT_EQ(status_of(answer), 401);
  EXPECT_TRUE(has(answer, "the token is bound to a client certificate, and none was shown")) << answer;
}

// The proof was for opening the connection; by the next generation it is old and used.
TEST_F(Possession, AnOpenConnectionIsNotAskedToProveAgain) {
  Client client(world_.sim);
  client.send(get(with_proof({.url = kOpen}) + "X-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n"));
  ASSERT_TRUE(world_.sim.run_until([&] { return has(client.received, "101 Switching"); })) << client.received;
  world_.sim.run_for(base::seconds(100));
  serve();
  world_.sim.run_for(base::seconds(1));
  EXPECT_FALSE(client.ended()) << client.ending;
  client.send("hello");
  client.half_close();
  EXPECT_TRUE(world_.sim.run_until([&] { return has(client.received, "heard hello"); })) << client.received;
}

}  // namespace
}  // namespace gate::test
