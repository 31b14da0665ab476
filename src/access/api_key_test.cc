#include "access/api_key.h"

#include <set>

#include "gtest/gtest.h"

namespace auth {
namespace {

// Bytes that count upwards: the same keys on every run.
class CountingRandom final : public crypto::RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_++;
  }

 private:
  uint8_t next_ = 0;
};

TEST(ApiKey, HasItsShapeAndChecksum) {
  CountingRandom random;
  std::string key = make_api_key(random);
  EXPECT_EQ(key.substr(0, 46), "gh_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
  EXPECT_EQ(key.size(), kApiKeyChars);
  EXPECT_TRUE(is_well_formed_api_key(key));
  EXPECT_NE(make_api_key(random), key);
}

TEST(ApiKey, EveryTypoIsCaughtOffline) {
  CountingRandom random;
  const std::string key = make_api_key(random);
  for (size_t i = 0; i < key.size(); ++i) {
    std::string typo = key;
    typo[i] = typo[i] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(is_well_formed_api_key(typo)) << i;
    EXPECT_FALSE(is_well_formed_api_key(key.substr(0, i))) << i;
    if (i > 0 && key[i] != key[i - 1]) {
      std::string swapped = key;
      std::swap(swapped[i], swapped[i - 1]);
      EXPECT_FALSE(is_well_formed_api_key(swapped)) << i;
    }
  }
  for (const std::string& wrong :
       {key + "A", " " + key, key + "=", std::string(), std::string(kApiKeyChars, 'A')}) {
    EXPECT_FALSE(is_well_formed_api_key(wrong)) << wrong;
  }
}

TEST(ApiKey, KeysDiffer) {
  crypto::SystemRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(make_api_key(random)).second);
}

TEST(ApiKeyDigest, HasOneText) {
  std::string digest = api_key_digest("abc");
  EXPECT_EQ(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(parse_api_key_digest(digest), crypto::sha256("abc"));
  std::string upper = digest;
  upper[8] = 'A';
  for (const std::string& wrong : {std::string(), std::string("sha256:"), digest + "00", digest.substr(0, 70),
                                   upper, "SHA256:" + digest.substr(7), "sha512:" + digest.substr(7),
                                   digest.substr(7), digest + " ", " " + digest}) {
    EXPECT_FALSE(parse_api_key_digest(wrong)) << wrong;
  }
}

TEST(ApiKeyTable, FindsEveryKeyAndNoOther) {
  std::vector<ApiKey> keys(1000);
  std::vector<const ApiKey*> pointers;
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i].digest = crypto::sha256(std::to_string(i));
    pointers.push_back(&keys[i]);
  }
  ApiKeyTable table(pointers);
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(table.find(crypto::sha256(std::to_string(i))), &keys[i]);
  for (size_t i = 1000; i < 3000; ++i) EXPECT_EQ(table.find(crypto::sha256(std::to_string(i))), nullptr);
  EXPECT_EQ(ApiKeyTable().find(crypto::sha256("x")), nullptr);
  EXPECT_EQ(ApiKeyTable(std::vector<const ApiKey*>()).find(crypto::sha256("x")), nullptr);
  // Only the first bytes equal: the same place, not the same key.
  crypto::Sha256 near = keys[0].digest;
  near[31] ^= 1;
  EXPECT_EQ(table.find(near), nullptr);
}

}  // namespace
}  // namespace auth
