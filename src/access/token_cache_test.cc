#include "access/token_cache.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

CachedToken token(std::string_view text, int64_t until) {
  Identity identity;
  identity.subject = text;
  return {.digest = crypto::sha256(text),
          .provider_version = 1,
          .basis_version = 2,
          .valid_from = {100},
          .valid_until = {until},
          .provider = 3,
          .identity = make_identity(std::move(identity))};
}

TEST(TokenCache, FindsWithinItsTimesOnly) {
  TokenCache cache;
  cache.insert(token("a", 200));
  EXPECT_EQ(cache.find(crypto::sha256("b"), {150}), nullptr);
  EXPECT_EQ(cache.find(crypto::sha256("a"), {99}), nullptr);
  EXPECT_EQ(cache.find(crypto::sha256("a"), {200}), nullptr);
  for (int64_t at : {100, 150, 199}) {
    const CachedToken* found = cache.find(crypto::sha256("a"), {at});
    ASSERT_NE(found, nullptr) << at;
    EXPECT_EQ(found->identity->subject, "a");
    EXPECT_EQ(found->provider_version, 1u);
    EXPECT_EQ(found->basis_version, 2u);
    EXPECT_EQ(found->provider, 3u);
  }
}

TEST(TokenCache, ANewerEntryReplacesTheOld) {
  TokenCache cache;
  cache.insert(token("a", 200));
  size_t bytes = cache.bytes();
  CachedToken newer = token("a", 300);
  newer.basis_version = 9;
  cache.insert(newer);
  EXPECT_EQ(cache.entries(), 1u);
  EXPECT_EQ(cache.bytes(), bytes);
  EXPECT_EQ(cache.find(crypto::sha256("a"), {250})->basis_version, 9u);
}

TEST(TokenCache, StaysWithinItsEntries) {
  TokenCache cache({.entries = 64, .bytes = 1 << 20});
  for (int i = 0; i < 10'000; ++i) {
    cache.insert(token(std::to_string(i), 1'000 + i));
    ASSERT_LE(cache.entries(), 64u);
    ASSERT_NE(cache.find(crypto::sha256(std::to_string(i)), {500}), nullptr) << "the newest is always kept";
  }
  EXPECT_EQ(cache.entries(), 64u);
}

TEST(TokenCache, StaysWithinItsBytes) {
  const size_t one = memory_bytes(*token("x", 1).identity);
  TokenCache cache({.entries = 1024, .bytes = one * 10});
  for (int i = 0; i < 1000; ++i) {
    cache.insert(token(std::to_string(i), 1'000));
    ASSERT_LE(cache.bytes(), one * 10);
    ASSERT_NE(cache.find(crypto::sha256(std::to_string(i)), {500}), nullptr);
  }
  CachedToken huge = token(std::string(one * 20, 'x'), 1'000);
  const crypto::Sha256 digest = huge.digest;
  cache.insert(std::move(huge));
  EXPECT_EQ(cache.find(digest, {500}), nullptr);
  EXPECT_GT(cache.entries(), 0u) << "what never fits throws nothing out";
}

TEST(TokenCache, LetsGoOfWhatItEvicts) {
  TokenCache cache({.entries = 8, .bytes = 1 << 20});
  CachedToken first = token("first", 200);
  std::weak_ptr<const Identity> watch = first.identity;
  cache.insert(std::move(first));
  EXPECT_FALSE(watch.expired());
  for (int i = 0; i < 8; ++i) cache.insert(token(std::to_string(i), 300));
  EXPECT_TRUE(watch.expired()) << "the one that ends first goes first";
}

}  // namespace
}  // namespace auth
