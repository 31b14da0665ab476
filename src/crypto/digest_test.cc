#include "crypto/digest.h"

#include <thread>

#include "base/bytes.h"
#include "crypto/random.h"
#include "gtest/gtest.h"

namespace crypto {
namespace {

// FIPS 180-4 examples.
TEST(Sha256, GivesThePublishedValues) {
  struct Case {
    std::string text;
    std::string_view hex;
  } const cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (int round = 0; round < 2; ++round) {  // the thread's context is used again
    for (const Case& c : cases) EXPECT_EQ(base::hex_encode(as_text(sha256(c.text))), c.hex);
  }
}

TEST(Sha256, WorksOnEveryThread) {
  Sha256 expected = sha256("gate");
  Sha256 seen[4];
  std::vector<std::thread> threads;
  for (Sha256& place : seen) threads.emplace_back([&place] { place = sha256("gate"); });
  for (std::thread& thread : threads) thread.join();
  for (const Sha256& digest : seen) EXPECT_EQ(digest, expected);
}

// FIPS 180-4 examples, of "abc".
TEST(HashOf, IsThatOfTheAlgorithm) {
  const struct {
    Algorithm algorithm;
    std::string_view hex;  // begins so
    size_t bytes;
  } cases[] = {
      {Algorithm::rs256, "ba7816bf8f01cfea", 32}, {Algorithm::es256, "ba7816bf8f01cfea", 32},
      {Algorithm::es384, "cb00753f45a35e8b", 48}, {Algorithm::ps384, "cb00753f45a35e8b", 48},
      {Algorithm::es512, "ddaf35a193617aba", 64}, {Algorithm::eddsa, "ddaf35a193617aba", 64},
  };
  for (const auto& c : cases) {
    std::string hash = hash_of(c.algorithm, "abc");
    EXPECT_EQ(hash.size(), c.bytes);
    EXPECT_TRUE(base::hex_encode(hash).starts_with(c.hex)) << base::hex_encode(hash);
  }
}

TEST(EqualInConstantTime, ComparesLengthAndBytes) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

TEST(SystemRandom, FillsAndDiffers) {
  SystemRandom random;
  std::array<uint8_t, 32> a{};
  std::array<uint8_t, 32> b{};
  random.fill(a);
  random.fill(b);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace crypto
