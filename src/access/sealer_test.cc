#include "access/sealer.h"

#include "base/bytes.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

crypto::AeadKey key(uint8_t first) {
  crypto::AeadKey made;
  made.bytes[0] = first;
  return made;
}

constexpr Sealer::Binding kBinding{.purpose = "session", .provider = "staff", .host = "a.example"};

TEST(Sealer, OpensWhatItSealed) {
  crypto::SystemRandom random;
  Sealer sealer({key(1)});
  for (size_t size = 0; size < 70; ++size) {
    const std::string plain(size, 'x');
    const std::string sealed = sealer.seal(plain, kBinding, random);
    EXPECT_EQ(sealed.size(), sealed_size(size));
    EXPECT_EQ(sealed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
    EXPECT_EQ(sealer.open(sealed, kBinding), plain);
    EXPECT_NE(sealer.seal(plain, kBinding, random), sealed);
  }
}

TEST(Sealer, EveryPartOfTheBindingCounts) {
  crypto::SystemRandom random;
  Sealer sealer({key(1)});
  const std::string sealed = sealer.seal("who", kBinding, random);
  const Sealer::Binding others[] = {
      {"login", "staff", "a.example"},
      {"session", "staf", "a.example"},
      {"session", "staff", "b.example"},
      {"session", "staff", "A.example"},
      {"session", "staff", ""},
      {"", "", ""},
      // The same letters in other places.
      {"sessions", "taff", "a.example"},
      {"session", "staffa", ".example"},
      {"sessionstaffa.example", "", ""},
      {"staff", "session", "a.example"},
  };
  for (const Sealer::Binding& other : others) {
    EXPECT_FALSE(sealer.open(sealed, other)) << other.purpose << other.provider << other.host;
  }
}

TEST(Sealer, AnyCharacterChangedOpensNothing) {
  crypto::SystemRandom random;
  Sealer sealer({key(1), key(2)});
  const std::string sealed = sealer.seal("who", kBinding, random);
  for (size_t at = 0; at < sealed.size(); ++at) {
    for (char c : {'A', 'B', '_', '=', '.', ' ', '\0', '\xFF'}) {
      std::string changed = sealed;
      changed[at] = c;
      if (changed != sealed) EXPECT_FALSE(sealer.open(changed, kBinding)) << at << c;
    }
    EXPECT_FALSE(sealer.open(sealed.substr(0, at), kBinding)) << at;
    EXPECT_FALSE(sealer.open(sealed.substr(at + 1), kBinding)) << at;
  }
  for (std::string added : {"A", "AA", "AAAA", "=", " ", "."}) {
    EXPECT_FALSE(sealer.open(sealed + added, kBinding)) << added;
  }
  EXPECT_FALSE(sealer.open("", kBinding));
}

TEST(Sealer, TheFirstKeySealsAndAllOpen) {
  crypto::SystemRandom random;
  const std::string before = Sealer({key(1)}).seal("who", kBinding, random);
  Sealer rotated({key(2), key(1)});
  EXPECT_EQ(rotated.open(before, kBinding), "who");
  const std::string after = rotated.seal("who", kBinding, random);
  EXPECT_EQ(Sealer({key(2)}).open(after, kBinding), "who");
  EXPECT_FALSE(Sealer({key(1)}).open(after, kBinding));
  EXPECT_FALSE(Sealer({key(2)}).open(before, kBinding));
}

TEST(Sealer, EachIsAnother) {
  Sealer first({key(1)});
  Sealer second({key(1)});
  EXPECT_NE(first.serial(), second.serial());
}

}  // namespace
}  // namespace auth
