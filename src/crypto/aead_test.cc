#include "crypto/aead.h"

#include <openssl/err.h>

#include <thread>

#include "base/bytes.h"
#include "gtest/gtest.h"

namespace crypto {
namespace {

std::string from_hex(std::string_view hex) { return *base::hex_decode(hex); }

AeadKey key_of(std::string_view hex) {
  AeadKey key;
  const std::string bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

class FixedRandom final : public RandomSource {
 public:
  explicit FixedRandom(std::string bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<uint8_t> out) override {
    ASSERT_EQ(out.size(), bytes_.size());
    std::copy(bytes_.begin(), bytes_.end(), out.begin());
  }

 private:
  std::string bytes_;
};

constexpr std::string_view kKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";

// Test cases 13, 14 and 16 of the GCM specification that NIST SP 800-38D refers to.
TEST(Aead, GivesThePublishedValues) {
  struct Case {
    std::string key, nonce, plain, additional, sealed, tag;
  } const cases[] = {
      {std::string(64, '0'), std::string(24, '0'), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {std::string(64, '0'), std::string(24, '0'), std::string(32, '0'), "",
       "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
      {std::string(kKey), "cafebabefacedbaddecaf888",
       "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
       "b16aedf5aa0de657ba637b39",
       "feedfacedeadbeeffeedfacedeadbeefabaddad2",
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
       "c5f61e6393ba7a0abcc9f662",
       "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (int round = 0; round < 2; ++round) {  // the thread's context is used again
    for (const Case& c : cases) {
      FixedRandom random(from_hex(c.nonce));
      const AeadKey key = key_of(c.key);
      const std::string sealed = aead_seal(key, from_hex(c.plain), from_hex(c.additional), random);
      EXPECT_EQ(base::hex_encode(sealed), c.nonce + c.sealed + c.tag);
      EXPECT_EQ(aead_open(key, sealed, from_hex(c.additional)), from_hex(c.plain));
    }
  }
}

TEST(Aead, AnyBitChangedOpensNothing) {
  SystemRandom random;
  const AeadKey key = key_of(kKey);
  const std::string sealed = aead_seal(key, "who it is", "for whom", random);
  ASSERT_EQ(sealed.size(), 9 + kAeadOverhead);
  for (size_t at = 0; at < sealed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = sealed;
      changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
      EXPECT_FALSE(aead_open(key, changed, "for whom")) << at << "." << bit;
    }
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(aead_open(key, sealed.substr(0, size), "for whom")) << size;
    EXPECT_FALSE(aead_open(key, sealed.substr(sealed.size() - size), "for whom")) << size;
  }
  EXPECT_FALSE(aead_open(key, sealed + '\0', "for whom"));
  for (size_t at = 0; at < key.bytes.size(); ++at) {
    AeadKey other = key;
    other.bytes[at] ^= 1;
    EXPECT_FALSE(aead_open(other, sealed, "for whom")) << at;
  }
  for (std::string_view additional : {"", "for who", "for whom ", "for whoM", "or whom"}) {
    EXPECT_FALSE(aead_open(key, sealed, additional)) << additional;
  }
  EXPECT_EQ(ERR_peek_error(), 0u);  // what fails here is not found by who looks for a connection's error
  EXPECT_EQ(aead_open(key, sealed, "for whom"), "who it is");
}

TEST(Aead, BoundsWhatItOpens) {
  const AeadKey key = key_of(kKey);
  SystemRandom random;
  const std::string largest(kAeadBytesMax, 'x');
  const std::string sealed = aead_seal(key, largest, largest, random);
  EXPECT_EQ(aead_open(key, sealed, largest), largest);
  EXPECT_FALSE(aead_open(key, sealed + "x", largest));
  EXPECT_FALSE(aead_open(key, sealed, largest + "x"));
}

TEST(Aead, EverySealIsAnother) {
  SystemRandom random;
  const AeadKey key = key_of(kKey);
  const std::string first = aead_seal(key, "text", "", random);
  const std::string second = aead_seal(key, "text", "", random);
  EXPECT_NE(first.substr(0, 12), second.substr(0, 12));
  EXPECT_NE(first.substr(12), second.substr(12));
}

TEST(Aead, WorksOnEveryThread) {
  const AeadKey key = key_of(kKey);
  std::string sealed[4];
  std::vector<std::thread> threads;
  for (std::string& place : sealed) {
    threads.emplace_back([&place, &key] {
      SystemRandom random;
      place = aead_seal(key, "text", "for whom", random);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : sealed) EXPECT_EQ(aead_open(key, text, "for whom"), "text");
}

TEST(AeadKey, NamesItself) {
  // The beginning of SHA-256 of 32 zeros.
  EXPECT_EQ(key_of(std::string(64, '0')).id(), (std::array<uint8_t, 4>{0x66, 0x68, 0x7a, 0xad}));
  EXPECT_NE(key_of(std::string(63, '0') + "1").id(), key_of(std::string(64, '0')).id());
}

std::string derived(std::string_view secret, std::string_view purpose) {
  const AeadKey key = derive_aead_key(secret, purpose);
  return base::hex_encode({reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
}

// RFC 5869 appendix A.3, which has neither salt nor info: its first 32 bytes.
TEST(DeriveAeadKey, GivesThePublishedValue) {
  EXPECT_EQ(derived(std::string(22, '\x0b'), ""),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

TEST(DeriveAeadKey, IsAnotherForEverySecretAndPurpose) {
  const std::string key = derived("secret", "purpose");
  EXPECT_EQ(derived("secret", "purpose"), key);
  EXPECT_NE(derived("secret", "purposes"), key);
  EXPECT_NE(derived("secretp", "urpose"), key);
  EXPECT_NE(derived("Secret", "purpose"), key);
}

}  // namespace
}  // namespace crypto
