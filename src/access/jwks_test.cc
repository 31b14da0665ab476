#include "access/jwks.h"

#include "access/test_tokens.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using testing::key_set_json;
using testing::signing_key;

// A JWK of the algorithm's test key with "kid", "use" and "alg" replaced by extra (which begins with a
// comma).
std::string jwk(Algorithm algorithm, std::string_view extra) {
  std::string out = signing_key(algorithm).public_jwk();
  return out.substr(0, out.find(",\"kid\"")) + std::string(extra) + "}";
}

TEST(ParseKeySet, KeepsWhatItCanUse) {
  auto set = parse_key_set(key_set_json({
      jwk(Algorithm::es256, R"(,"kid":"a")"),
      jwk(Algorithm::rs256, R"(,"kid":"b","alg":"PS256","use":"sig","key_ops":["verify"])"),
      jwk(Algorithm::eddsa, ""),
      jwk(Algorithm::es512, R"(,"kid":"c","x5c":["ignored"],"unknown":{"a":1})"),
  }));
  ASSERT_TRUE(set) << set.error();
  ASSERT_EQ((*set)->keys().size(), 4u);
  EXPECT_EQ((*set)->keys()[1].algorithm, Algorithm::ps256);
  EXPECT_EQ((*set)->keys()[2].kid, "");
}

TEST(ParseKeySet, PassesOverWhatItMustNotUse) {
  const std::string good = jwk(Algorithm::es256, R"(,"kid":"good")");
  std::string short_rsa =
      R"({"kty":"RSA","e":"AQAB","n":")" + base::base64url_encode(std::string(128, '\xFF')) + "\"}";
  const std::string passed_over[] = {
      R"({"kty":"oct","k":"c2VjcmV0","alg":"HS256"})",
      jwk(Algorithm::es256, R"(,"kid":"x","d":"AAAA")"),
      jwk(Algorithm::es256, R"(,"kid":"x","use":"enc")"),
      jwk(Algorithm::es256, R"(,"kid":"x","use":7)"),
      jwk(Algorithm::es256, R"(,"kid":"x","key_ops":["sign"])"),
      jwk(Algorithm::es256, R"(,"kid":"x","key_ops":[])"),
      jwk(Algorithm::es256, R"(,"kid":"x","alg":"none")"),
      jwk(Algorithm::es256, R"(,"kid":"x","alg":"HS256")"),
      jwk(Algorithm::es256, R"(,"kid":"x","alg":"ECDH-ES")"),
      jwk(Algorithm::es256, R"(,"kid":"x","alg":"ES384")"),
      jwk(Algorithm::es256, R"(,"kid":"x","alg":"RS256")"),
      jwk(Algorithm::es256, R"(,"kid":7)"),
      jwk(Algorithm::es256, R"(,"kid":"")"),
      jwk(Algorithm::es256, ",\"kid\":\"" + std::string(257, 'k') + "\""),
      R"({"kty":"XYZ","kid":"x"})",
      R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})",
      R"({"kty":"OKP","crv":"X25519","x":"AA"})",
      R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})",
      R"({"kty":"RSA","n":"AA","e":"AQAB"})",
      R"({"kty":"RSA"})",
      R"({"kty":["RSA"]})",
      short_rsa,
      R"({})",
      "7",
      "null",
  };
  for (const std::string& each : passed_over) {
    auto set = parse_key_set(key_set_json({each, good}));
    ASSERT_TRUE(set) << each << ": " << set.error();
    ASSERT_EQ((*set)->keys().size(), 1u) << each;
    EXPECT_EQ((*set)->keys()[0].kid, "good") << each;
    EXPECT_FALSE(parse_key_set(key_set_json({each}))) << each;
  }
}

TEST(ParseKeySet, RefusesTheWholeSet) {
  std::string many = "{\"keys\":[";
  for (int i = 0; i < 101; ++i) many += i == 0 ? "{}" : ",{}";
  const std::string cases[] = {
      "",
      "[]",
      "{}",
      R"({"keys":{}})",
      R"({"keys":[]})",
      R"({"keys":[],"keys":[]})",
      key_set_json({jwk(Algorithm::es256, R"(,"kid":"a")"), jwk(Algorithm::eddsa, R"(,"kid":"a")")}),
      key_set_json({jwk(Algorithm::es256, R"(,"kid":"a","kid":"b")")}),
      many + "]}",
      key_set_json({jwk(Algorithm::es256, "")}) + std::string(kKeySetBytesMax, ' '),
      key_set_json({jwk(Algorithm::es256, "")}) + "x",
  };
  for (const std::string& c : cases) EXPECT_FALSE(parse_key_set(c)) << c.substr(0, 200);
}

TEST(ParseKeySet, TheErrorNamesTheKey) {
  auto set = parse_key_set(R"({"keys":[{"kty":"RSA","kid":"old","n":"AAAA","e":"AQAB"}]})");
  ASSERT_FALSE(set);
  EXPECT_EQ(
      set.error(),
      "it has no public signature key that the gate can use; key 1 (kid \"old\"): the RSA key has fewer than "
      "2048 bits");
}

TEST(KeySet, ChoosesExactlyOneKeyOrNone) {
  const std::string ec_a = jwk(Algorithm::es256, R"(,"kid":"a")");
  const std::string ec_none = jwk(Algorithm::es256, "");
  const std::string ec384_none = jwk(Algorithm::es384, "");
  const std::string rsa_b = jwk(Algorithm::rs256, R"(,"kid":"b","alg":"RS256")");
  const std::string rsa_c = jwk(Algorithm::rs256, R"(,"kid":"c")");
  using Match = KeySet::Match;
  struct Case {
    const char* what;
    std::initializer_list<std::string> keys;
    std::string_view kid;
    Algorithm algorithm;
    Match match;
    std::string_view chosen = "";
  } const cases[] = {
      {"by id", {ec_a, rsa_b, rsa_c}, "b", Algorithm::rs256, Match::found, "b"},
      {"the key's alg binds", {ec_a, rsa_b}, "b", Algorithm::rs384, Match::unfit},
      {"the key's type binds", {ec_a, rsa_b}, "a", Algorithm::rs256, Match::unfit},
      {"an id of nobody", {ec_a, rsa_b}, "z", Algorithm::rs256, Match::unknown},
      {"ids are exact", {ec_a}, "A", Algorithm::es256, Match::unknown},
      {"no id, one fits", {ec_a, rsa_b}, "", Algorithm::es256, Match::found, "a"},
      {"no id, two fit", {rsa_b, rsa_c}, "", Algorithm::rs256, Match::ambiguous},
      {"no id, three fit", {rsa_b, rsa_c, jwk(Algorithm::rs256, "")}, "", Algorithm::rs256, Match::ambiguous},
      {"no id, alg leaves one", {rsa_b, rsa_c}, "", Algorithm::ps256, Match::found, "c"},
      {"no id, none fits", {ec_a}, "", Algorithm::rs256, Match::unknown},
      {"key without id, one fits", {ec_none, ec384_none}, "z", Algorithm::es256, Match::found, ""},
      {"key without id, two fit", {ec_none, ec_none}, "z", Algorithm::es256, Match::unknown},
      {"a named key is not meant by another name", {ec_a}, "z", Algorithm::es256, Match::unknown},
      {"the named key goes before one without", {ec_none, ec_a}, "a", Algorithm::es256, Match::found, "a"},
  };
  for (const Case& c : cases) {
    auto set = parse_key_set(key_set_json(c.keys));
    ASSERT_TRUE(set) << c.what;
    auto choice = (*set)->choose(c.kid, c.algorithm);
    EXPECT_EQ(choice.match, c.match) << c.what;
    EXPECT_EQ(choice.key != nullptr, c.match == Match::found) << c.what;
    if (choice.key != nullptr) EXPECT_EQ(choice.key->kid, c.chosen) << c.what;
  }
}

TEST(KeySet, VersionFollowsTheText) {
  std::string text = key_set_json({jwk(Algorithm::es256, "")});
  EXPECT_EQ((*parse_key_set(text))->version(), (*parse_key_set(text))->version());
  EXPECT_NE((*parse_key_set(text))->version(), (*parse_key_set(text + " "))->version());
}

TEST(KeySets, HoldOneSetASlot) {
  auto a = *parse_key_set(key_set_json({jwk(Algorithm::es256, "")}));
  auto b = *parse_key_set(key_set_json({jwk(Algorithm::eddsa, "")}));
  KeySets sets;
  EXPECT_EQ(sets.find(1), nullptr);
  sets.put(1, a);
  sets.put(7, b);
  EXPECT_EQ(sets.find(1), a.get());
  EXPECT_EQ(sets.find(7), b.get());
  sets.put(1, b);
  EXPECT_EQ(sets.find(1), b.get());
  sets.drop(1);
  EXPECT_EQ(sets.find(1), nullptr);
  EXPECT_EQ(sets.find(7), b.get());
}

}  // namespace
}  // namespace auth
