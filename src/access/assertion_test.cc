#include "access/assertion.h"

#include "access/test_tokens.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using testing::kNow;

class CountingRandom final : public crypto::RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_;
    ++next_;
  }

 private:
  uint8_t next_ = 0;
};

AssertionSigner make_signer(base::Duration life = kAssertionLifeMax) {
  return AssertionSigner({.key = testing::signing_key(Algorithm::es256),
                          .earlier_jwks = {testing::signing_key(Algorithm::eddsa).public_jwk()},
                          .issuer = "https://gate.example",
                          .life = life});
}

Identity alice() {
  Identity identity;
  identity.provider = "partners";
  identity.subject = "alice \"a\"";
  identity.email = "a@x.example";
  identity.groups = {"support", "e\"u"};
  identity.scopes = {"orders:read"};
  identity.session_id = "s1";
  return identity;
}

base::WallTime at(int64_t seconds) { return {kNow.ns + seconds * 1'000'000'000}; }

TEST(AssertionSigner, ABackendCanVerifyIt) {
  AssertionSigner signer = make_signer();
  CountingRandom random;
  Identity identity = alice();
  auto assertion = signer.make_assertion({identity, "orders", kNow, random});
  ASSERT_TRUE(assertion);
  auto keys = parse_key_set(signer.key_set_json());
  ASSERT_TRUE(keys) << keys.error();
  EXPECT_EQ((*keys)->keys().size(), 2u);
  auto parsed = parse_jwt(*assertion);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  auto choice = (*keys)->choose(parsed->kid, parsed->algorithm);
  ASSERT_EQ(choice.match, KeySet::Match::found);
  JwtPolicy policy{.provider = "gate",
                   .issuer = "https://gate.example",
                   .audience = {"orders"},
                   .algorithms = {},
                   .clock_skew = {},
                   .claims = {.scopes = "scopes"}};
  policy.algorithms.add(Algorithm::es256);
  auto verified = verify_jwt(*parsed, *choice.key, policy, kNow);
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(verified->identity->subject, identity.subject);
  EXPECT_EQ(verified->identity->groups, identity.groups);
  EXPECT_EQ(verified->identity->scopes, identity.scopes);
  EXPECT_EQ(verified->identity->email, identity.email);
  EXPECT_EQ(verified->identity->session_id, "s1");
  EXPECT_EQ(verified->identity->claims.root().find("provider").text(), "partners");
  EXPECT_EQ(verified->identity->claims.root().find("iat").text(), "1800000000");
  EXPECT_EQ(verified->identity->claims.root().find("exp").text(), "1800000300");
  EXPECT_EQ(verified->identity->credential_id, "AAAAAAAAAAAAAAAAAAAAAA");
  parsed = parse_jwt(*assertion);
  policy.audience = {"billing"};
  EXPECT_FALSE(verify_jwt(*parsed, *choice.key, policy, kNow));
}

TEST(AssertionSigner, LivesNoLongerThanTheCredential) {
  struct Case {
    int64_t credential;  // seconds from now
    base::Duration life;
    int64_t expected;
  } const cases[] = {
      {1000, kAssertionLifeMax, 300}, {1000, base::seconds(60), 60}, {1000, base::seconds(9999), 300},
      {1000, base::seconds(1), 30},   {120, kAssertionLifeMax, 120}, {5, kAssertionLifeMax, 30},
      {-20, kAssertionLifeMax, 30},  // within the skew
  };
  for (const Case& c : cases) {
    Identity identity = alice();
    identity.expires = at(c.credential);
    EXPECT_EQ(make_signer(c.life).times(identity, {kNow.ns + 999}).expires.unix_seconds(),
              at(c.expected).unix_seconds())
        << c.credential;
  }
  EXPECT_EQ(make_signer().times(alice(), kNow).expires.unix_seconds(), at(300).unix_seconds());
}

TEST(AssertionCache, MakesEachOnceUntilHalfItsLifeIsGone) {
  AssertionSigner signer = make_signer();
  AssertionSigner rotated = make_signer();
  CountingRandom random;
  IdentityPtr a = make_identity(alice());
  IdentityPtr b = make_identity(alice());
  AssertionCache cache;
  auto get = [&](const AssertionSigner& by, const IdentityPtr& who, uint32_t slot, int64_t seconds) {
    return **cache.find_or_make({by, *who, slot, slot == 1 ? "orders" : "billing", at(seconds), random});
  };
  const std::string first = get(signer, a, 1, 0);
  EXPECT_EQ(get(signer, a, 1, 0), first);
  EXPECT_EQ(get(signer, a, 1, 149), first);
  EXPECT_NE(get(signer, b, 1, 149), first) << "another identity";
  EXPECT_NE(get(signer, a, 2, 149), first) << "another service";
  const std::string second = get(signer, a, 1, 150);
  EXPECT_NE(second, first) << "half of its life is gone";
  EXPECT_EQ(get(signer, a, 1, 200), second);
  EXPECT_NE(get(rotated, a, 1, 200), second) << "another key";
  EXPECT_NE(get(signer, a, 1, 100), second) << "the clock was set back";
}

TEST(AssertionCache, IsBounded) {
  AssertionSigner signer = make_signer();
  CountingRandom random;
  AssertionCache cache(16);
  for (int i = 0; i < 200; ++i) {
    IdentityPtr who = make_identity(alice());
    auto first = cache.find_or_make({signer, *who, 1, "orders", at(i), random});
    EXPECT_EQ(*cache.find_or_make({signer, *who, 1, "orders", at(i), random}), *first);
  }
  EXPECT_LE(cache.entries(), 16u);
  EXPECT_GE(cache.entries(), 8u);
}

}  // namespace
}  // namespace auth
