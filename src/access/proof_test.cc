// Every way of RFC 9449 §4.3 and §11 in which a proof must not pass, beside the few that must; and tokens
// that are bound, against what they are sent with.

#include "access/proof.h"

#include "access/jwks.h"
#include "access/test_tokens.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;
using testing::kNow;
using testing::proof_claims;
using testing::proof_header;
using testing::sign_proof;
using testing::sign_raw;
using testing::signing_key;

constexpr std::string_view kToken = "abc.def.ghi";

crypto::Sha256 thumbprint_of(const crypto::SigningKey& key) {
  return jwk_thumbprint(parse_json(key.public_jwk(), {})->root());
}

// A request with a bound token, good unless changed.
struct Sent {
  std::vector<std::string> proofs;
  Credential credential{CredentialKind::dpop, kToken};
  Confirmation confirmation;
  std::string_view method = "GET";
  http::Origin origin{.scheme = "https", .host = "api.example", .port = 0};
  std::string_view path = "/orders";
  std::optional<crypto::Sha256> certificate;
  std::optional<crypto::Sha256> proved;
  base::WallTime now = kNow;
};

Sent sent_with(std::string proof, Algorithm algorithm = Algorithm::es256) {
  Sent sent;
  sent.proofs = {std::move(proof)};
  sent.confirmation.key = thumbprint_of(signing_key(algorithm));
  return sent;
}

struct Judged {
  Reason reason = Reason::none;
  std::string why;
};

Judged judge_with(const Sent& sent, ReplayGuard& replays) {
  http::Headers headers;
  for (const std::string& proof : sent.proofs) {
    headers.add({.name = "DPoP", .value = proof, .id = http::HeaderId::dpop});
  }
  auto result = check_possession({.credential = sent.credential,
                                  .confirmation = sent.confirmation,
                                  .headers = headers,
                                  .method = sent.method,
                                  .origin = sent.origin,
                                  .path = sent.path,
                                  .certificate = sent.certificate ? &*sent.certificate : nullptr,
                                  .proved = sent.proved,
                                  .now = sent.now,
                                  .replays = replays});
  if (result) return {};
  return {result.error().reason, result.error().detail};
}

Judged judge(const Sent& sent) {
  crypto::SystemRandom random;
  ReplayGuard replays(random, 1024);
  return judge_with(sent, replays);
}

std::string why(std::string proof) {
  Judged judged = judge(sent_with(std::move(proof)));
  if (judged.reason != Reason::none) EXPECT_EQ(judged.reason, Reason::proof_invalid) << judged.why;
  return judged.why;
}

std::string why_claims(std::string_view claims) {
  return why(sign_proof(signing_key(Algorithm::es256), claims));
}
std::string why_extra(std::string_view extra) {
  return why_claims(proof_claims({.token = kToken, .extra = extra}));
}
std::string why_header(std::string_view header) {
  return why(sign_raw(signing_key(Algorithm::es256), header, proof_claims({.token = kToken})));
}

std::string good_proof(std::string_view id = "1") {
  return sign_proof(signing_key(Algorithm::es256), proof_claims({.token = kToken, .id = id}));
}

TEST(Proof, EveryAlgorithmPasses) {
  std::string names;
  for (int i = 0; i < crypto::kAlgorithmCount; ++i) {
    auto algorithm = static_cast<Algorithm>(i);
    std::string proof = sign_proof(signing_key(algorithm), proof_claims({.token = kToken}));
    EXPECT_EQ(judge(sent_with(proof, algorithm)).why, "") << crypto::algorithm_name(algorithm);
    std::string name = " " + std::string(crypto::algorithm_name(algorithm)) + " ";
    EXPECT_NE((" " + std::string(kProofAlgorithms) + " ").find(name), std::string::npos) << name;
  }
}

// The proof of RFC 9449 §7.1, as it stands there.
TEST(Proof, TheSpecificationsOwnExamplePasses) {
  constexpr std::string_view kProof =
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOX"
      "pDa0Rs"
      "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6Il"
      "AtMjU2"
      "In19."
      "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm"
      "90"
      "ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcW"
      "tzbVFF"
      "byJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
  auto claims = parse_json(R"({"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})", {});
  Sent sent;
  sent.proofs = {std::string(kProof)};
  sent.credential.text = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
  sent.confirmation = *read_confirmation(claims->root());
  sent.origin.host = "resource.example.org";
  sent.path = "/protectedresource";
  sent.now = {1'562'262'618'000'000'000};
  EXPECT_EQ(judge(sent).why, "");
}

TEST(Proof, AddressesThatAreTheSamePass) {
  for (std::string_view url :
       {"https://api.example/orders", "https://API.example:443/orders", "HTTPS://api.example/orders?a=b",
        "https://api.example/orders#x", "https://api.example/x/../orders", "https://api.example//%6frders"}) {
    std::string claims = proof_claims({.token = kToken});
    std::string_view own = "https://api.example/orders";
    EXPECT_EQ(why_claims(claims.replace(claims.find(own), own.size(), url)), "") << url;
  }
  Sent sent = sent_with(good_proof());
  sent.origin = {};
  EXPECT_EQ(judge(sent).why, "the DPoP proof is for another address") << "a request without a host";
}

TEST(Proof, ClaimsThatMustNotPass) {
  struct Case {
    std::string_view from, to, why;
  } const cases[] = {
      {R"("GET")", R"("POST")", "the DPoP proof is for another method"},
      {R"("GET")", R"("get")", "the DPoP proof is for another method"},
      {R"("GET")", "1", "the DPoP proof is for another method"},
      {R"("htm":"GET",)", "", "the DPoP proof is for another method"},
      {"/orders", "/orders/", "the DPoP proof is for another address"},
      {"/orders", "/orders/1", "the DPoP proof is for another address"},
      {"/orders", "/Orders", "the DPoP proof is for another address"},
      {"/orders", "", "the DPoP proof is for another address"},
      {"/orders", "/%2e%2e/orders", "the DPoP proof is for another address"},
      {"https:", "http:", "the DPoP proof is for another address"},
      {"api.example", "api.example:8443", "the DPoP proof is for another address"},
      {"api.example", "evil.example", "the DPoP proof is for another address"},
      {"api.example", "api.example@evil.example", "the DPoP proof is for another address"},
      {"api.example", "x@api.example", "the DPoP proof is for another address"},
      {R"("https://api.example/orders")", R"("/orders")", "the DPoP proof is for another address"},
      {R"("https://api.example/orders")", R"(["https://api.example/orders"])",
       "the DPoP proof is for another address"},
      {R"("ath":)", R"("x":)", "the DPoP proof is for another token"},
      {R"("ath":")", R"("ath":"A)", "the DPoP proof is for another token"},
      {R"("iat":1800000000)", R"("iat":1799999940)", "the DPoP proof is too old"},
      {R"("iat":1800000000)", R"("iat":1800000031)", "the DPoP proof was made in the future"},
      {R"("iat":1800000000)", R"("iat":"1800000000")", "the DPoP proof does not say when it was made"},
      {R"("iat":1800000000)", R"("iat":-1)", "the DPoP proof does not say when it was made"},
      {R"("iat":1800000000,)", "", "the DPoP proof does not say when it was made"},
      {R"("jti":"1")", R"("jti":"")", "the DPoP proof has no id of a usable length"},
      {R"("jti":"1")", R"("jti":1)", "the DPoP proof has no id of a usable length"},
      {R"("jti":"1",)", "", "the DPoP proof has no id of a usable length"},
      {R"("htm":"GET")", R"("htm":"GET","htm":"GET")", "the JWT's payload is not a strict JSON object"},
  };
  for (const Case& c : cases) {
    std::string claims = proof_claims({.token = kToken});
    ASSERT_NE(claims.find(c.from), std::string::npos) << c.from;
    claims.replace(claims.find(c.from), c.from.size(), c.to);
    EXPECT_EQ(why_claims(claims), c.why) << claims;
  }
  EXPECT_EQ(why_extra(""), "");
  EXPECT_EQ(why_extra(R"(,"nonce":"x","exp":1)"), "");  // not its clients' business
  EXPECT_EQ(why_claims(proof_claims({.token = kToken, .id = std::string(kProofIdBytesMax, 'x')})), "");
  EXPECT_EQ(why_claims(proof_claims({.token = kToken, .id = std::string(kProofIdBytesMax + 1, 'x')})),
            "the DPoP proof has no id of a usable length");
  EXPECT_EQ(why_claims(proof_claims({.token = "abc.def.ghj"})), "the DPoP proof is for another token");
}

TEST(Proof, TimesEndToTheNanosecond) {
  struct Case {
    int64_t after_ns;
    std::string_view why;
  } const cases[] = {
      {-kProofAheadMax.ns, ""},
      {-kProofAheadMax.ns - 1, "the DPoP proof was made in the future"},
      {kProofAgeMax.ns - 1, ""},
      {kProofAgeMax.ns, "the DPoP proof is too old"},
  };
  for (const Case& c : cases) {
    Sent sent = sent_with(good_proof());
    sent.now = {kNow.ns + c.after_ns};
    EXPECT_EQ(judge(sent).why, c.why) << c.after_ns;
  }
}

TEST(Proof, HeadersThatMustNotPass) {
  const crypto::SigningKey& key = signing_key(Algorithm::es256);
  const std::string jwk = key.public_jwk();
  const std::string good = proof_header(key, jwk);
  EXPECT_EQ(why_header(good), "");
  auto changed = [&](std::string_view from, std::string_view to) {
    std::string header = good;
    EXPECT_NE(header.find(from), std::string::npos) << from;
    return header.replace(header.find(from), from.size(), to);
  };
  auto with_member = [&](std::string_view member) {
    return proof_header(key, jwk.substr(0, jwk.size() - 1) + "," + std::string(member) + "}");
  };
  constexpr std::string_view kUnusable = "the DPoP proof's key is not a public key that can be used";
  struct Case {
    std::string header;
    std::string_view why;
  } const cases[] = {
      {changed("dpop+jwt", "JWT"), "the DPoP proof is of another type"},
      {changed("dpop+jwt", "at+jwt"), "the DPoP proof is of another type"},
      {changed(R"("typ":"dpop+jwt",)", ""), "the DPoP proof is of another type"},
      {changed(R"("alg":"ES256")", R"("alg":"none")"), "the JWT's algorithm is not accepted"},
      {changed(R"("alg":"ES256")", R"("alg":"HS256")"), "the JWT's algorithm is not accepted"},
      {changed(R"("alg":"ES256")", R"("alg":"RS256")"), "the DPoP proof's algorithm does not fit its key"},
      {changed(R"("alg":"ES256")", R"("alg":"ES384")"), "the DPoP proof's algorithm does not fit its key"},
      {changed(R"("alg":"ES256","jwk")", R"("alg":"ES256","kid")"), "the JWT's key id is not a short text"},
      {changed(R"("alg":"ES256",)", R"("alg":"ES256","crit":["x"],)"),
       "the JWT asks for extensions that are not known"},
      {proof_header(key, R"("x")"), kUnusable},
      {proof_header(key, "null"), kUnusable},
      {proof_header(key, R"({"kty":"oct","k":"AAAA"})"), kUnusable},
      {with_member(R"("d":"AAAA")"), kUnusable},
      {with_member(R"("p":"AAAA")"), kUnusable},
      {with_member(R"("k":"AAAA")"), kUnusable},
      {with_member(R"("key_ops":["sign"])"), kUnusable},
      {R"({"typ":"dpop+jwt","alg":"ES256"})", "the DPoP proof names no key"},
      {R"({"typ":"dpop+jwt","alg":"ES256","jku":"https://evil.example"})", "the DPoP proof names no key"},
      {proof_header(key, *&signing_key(Algorithm::es384).public_jwk()),
       "the DPoP proof was made with another key"},
  };
  for (const Case& c : cases) EXPECT_EQ(why_header(c.header), c.why) << c.header;
  EXPECT_EQ(why_header(changed("dpop+jwt", "application/DPoP+JWT")), "");
}

TEST(Proof, TheKeyIsTheOneTheTokenIsBoundTo) {
  crypto::SigningKey other = *crypto::SigningKey::generate(Algorithm::es256);
  EXPECT_EQ(why(sign_proof(other, proof_claims({.token = kToken}))),
            "the DPoP proof was made with another key");
  // The right key named, signed by another.
  std::string header = proof_header(other, signing_key(Algorithm::es256).public_jwk());
  EXPECT_EQ(why(sign_raw(other, header, proof_claims({.token = kToken}))),
            "the DPoP proof's signature is not valid");
  std::string proof = good_proof();
  for (size_t i = 0; i < proof.size(); ++i) {
    std::string changed = proof;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(why(changed), "") << i;
  }
}

TEST(Proof, ExactlyOneHeaderOfABoundedSize) {
  Sent sent = sent_with(good_proof());
  sent.proofs.clear();
  EXPECT_EQ(judge(sent).why, "the request carries no DPoP proof");
  sent.proofs = {good_proof("1"), good_proof("2")};
  EXPECT_EQ(judge(sent).why, "DPoP was sent more than once");
  sent.proofs = {good_proof("1") + ", " + good_proof("2")};
  EXPECT_EQ(judge(sent).why, "it is not a signed JWT of three parts");
  sent.proofs = {""};
  EXPECT_EQ(judge(sent).why, "it is not a signed JWT of three parts");
  sent.proofs = {std::string(kProofBytesMax + 1, 'x')};
  EXPECT_EQ(judge(sent).why, "the DPoP proof is too large");
}

TEST(Proof, IsGoodOnceAndForOneRequest) {
  crypto::SystemRandom random;
  ReplayGuard replays(random, 1024);
  Sent sent = sent_with(good_proof("1"));
  EXPECT_EQ(judge_with(sent, replays).why, "");
  EXPECT_EQ(judge_with(sent, replays).why, "the DPoP proof was used before");
  // Signed anew with the same id.
  sent.proofs = {
      sign_proof(signing_key(Algorithm::es256), proof_claims({.token = kToken, .extra = R"(,"x":1)"}))};
  EXPECT_EQ(judge_with(sent, replays).why, "the DPoP proof was used before");
  sent.proofs = {good_proof("2")};
  EXPECT_EQ(judge_with(sent, replays).why, "");
}

TEST(Proof, OneThatDoesNotHoldUsesNothingUp) {
  crypto::SystemRandom random;
  ReplayGuard replays(random, 1024);
  Sent sent = sent_with(good_proof());
  sent.method = "POST";
  EXPECT_EQ(judge_with(sent, replays).reason, Reason::proof_invalid);
  sent.method = "GET";
  sent.proofs[0].back() ^= 1;
  EXPECT_EQ(judge_with(sent, replays).reason, Reason::proof_invalid);
  EXPECT_EQ(judge_with(sent_with(good_proof()), replays).why, "");
}

TEST(Proof, WhatCannotBeRememberedIsRefused) {
  crypto::SystemRandom random;
  ReplayGuard replays(random, 1);  // a bucket in each shard
  Judged last;
  for (int i = 0; i < 2000 && last.reason == Reason::none; ++i) {
    last = judge_with(sent_with(good_proof(std::to_string(i))), replays);
  }
  EXPECT_EQ(last.reason, Reason::proof_memory_full);
}

TEST(Proof, TheSameRequestIsNotAskedTwice) {
  crypto::SystemRandom random;
  ReplayGuard replays(random, 1024);
  Sent sent = sent_with(good_proof());
  EXPECT_EQ(judge_with(sent, replays).why, "");
  sent.proved = sent.confirmation.key;
  EXPECT_EQ(judge_with(sent, replays).why, "");
  sent.proved = crypto::Sha256{1};
  EXPECT_EQ(judge_with(sent, replays).why, "the DPoP proof was used before");
}

TEST(Possession, OfEachBindingInEachWay) {
  constexpr std::string_view kFound = "";
  constexpr std::string_view kBearer = "the token is bound to a key and was sent without a proof (DPoP)";
  constexpr std::string_view kUnbound = "the token is not bound to a key and was sent as if it were";
  constexpr std::string_view kNone = "the token is bound to a client certificate, and none was shown";
  constexpr std::string_view kOther = "the token is bound to another client certificate";
  const crypto::Sha256 mine{1}, another{2};
  const crypto::Sha256 key = thumbprint_of(signing_key(Algorithm::es256));
  using Digest = std::optional<crypto::Sha256>;
  struct Case {
    Confirmation bound;
    CredentialKind kind;
    Digest shown;
    std::string_view why;
  } const cases[] = {
      {{}, CredentialKind::bearer, {}, kFound},
      {{}, CredentialKind::bearer, mine, kFound},
      {{}, CredentialKind::dpop, {}, kUnbound},
      {{.key = key}, CredentialKind::bearer, {}, kBearer},
      {{.key = key}, CredentialKind::dpop, {}, kFound},
      {{.certificate = mine}, CredentialKind::bearer, mine, kFound},
      {{.certificate = mine}, CredentialKind::bearer, another, kOther},
      {{.certificate = mine}, CredentialKind::bearer, {}, kNone},
      {{.certificate = mine}, CredentialKind::dpop, mine, kUnbound},
      {{.key = key, .certificate = mine}, CredentialKind::dpop, mine, kFound},
      {{.key = key, .certificate = mine}, CredentialKind::dpop, {}, kNone},
      {{.key = key, .certificate = mine}, CredentialKind::dpop, another, kOther},
      {{.key = key, .certificate = mine}, CredentialKind::bearer, mine, kBearer},
  };
  for (const Case& c : cases) {
    Sent sent = sent_with(good_proof());
    sent.confirmation = c.bound;
    sent.credential.kind = c.kind;
    sent.certificate = c.shown;
    Judged judged = judge(sent);
    EXPECT_EQ(judged.why, c.why);
    if (!c.why.empty()) EXPECT_EQ(judged.reason, Reason::credential_invalid);
  }
}

TEST(Confirmation, ReadsWhatItUnderstandsAndRefusesTheRest) {
  const std::string digest = base::base64url_encode(crypto::as_text(crypto::Sha256{7}));
  auto read = [&](std::string text) {
    while (text.find('$') != text.npos) text.replace(text.find('$'), 1, digest);
    auto tree = parse_json(text, {});
    return read_confirmation(tree->root());
  };
  auto none = read(R"({"sub":"a"})");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->is_bound());
  auto key = read(R"({"cnf":{"jkt":"$"}})");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->key, crypto::Sha256{7});
  EXPECT_FALSE(key->certificate);
  auto both = read(R"({"cnf":{"x5t#S256":"$","jkt":"$"}})");
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->key && both->certificate);
  for (const char* text :
       {R"({"cnf":{}})", R"({"cnf":null})", R"({"cnf":"$"})", R"({"cnf":["$"]})", R"({"cnf":{"jkt":""}})",
        R"({"cnf":{"jkt":"$A"}})", R"({"cnf":{"jkt":"$="}})", R"({"cnf":{"jkt":null}})",
        R"({"cnf":{"jkt":["$"]}})", R"({"cnf":{"x5t":"$"}})", R"({"cnf":{"x5t#s256":"$"}})",
        R"({"cnf":{"kid":"a"}})", R"({"cnf":{"jwk":{"kty":"EC"}}})", R"({"cnf":{"jkt":"$","kid":"a"}})"}) {
    auto refused = read(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().reason, Reason::credential_invalid);
  }
}

TEST(Confirmation, IsRequiredWhereItsProviderSaysSo) {
  Confirmation bound{.certificate = crypto::Sha256{1}};
  EXPECT_TRUE(check_binding({}, SenderConstrained::when_bound));
  EXPECT_TRUE(check_binding(bound, SenderConstrained::when_bound));
  EXPECT_TRUE(check_binding(bound, SenderConstrained::required));
  auto refused = check_binding({}, SenderConstrained::required);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::credential_invalid);
}

// RFC 7638 §3.1 and RFC 8037 appendix A.3.
TEST(Thumbprint, IsTheSpecifications) {
  struct Case {
    std::string_view jwk, thumbprint;
  } const cases[] = {
      {R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ)"
       R"(ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs)"
       R"(8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0)"
       R"(Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})",
       "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
       "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
  };
  for (const Case& c : cases) {
    auto tree = parse_json(c.jwk, {});
    ASSERT_TRUE(tree);
    EXPECT_TRUE(*parse_jwk(tree->root()));
    EXPECT_EQ(base::base64url_encode(crypto::as_text(jwk_thumbprint(tree->root()))), c.thumbprint);
  }
  for (int i = 0; i < crypto::kAlgorithmCount; ++i) {
    const crypto::SigningKey& key = signing_key(static_cast<Algorithm>(i));
    EXPECT_EQ(base::base64url_encode(crypto::as_text(thumbprint_of(key))), key.kid());
  }
}

}  // namespace
}  // namespace auth
