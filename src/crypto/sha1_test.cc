#include "crypto/sha1.h"

#include "base/bytes.h"
#include "gtest/gtest.h"

namespace crypto {
namespace {

// FIPS 180-4 examples.
TEST(Sha1ForWebSocket, GivesThePublishedValues) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
      {std::string(1'000'000, 'a'), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
  };
  for (const auto& [text, hex] : cases) {
    const Sha1 digest = sha1_for_websocket(text);
    EXPECT_EQ(base::hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}), hex);
  }
}

}  // namespace
}  // namespace crypto
