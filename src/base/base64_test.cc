#include "base/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace base {
namespace {

std::string encoded(std::string_view bytes) {
  std::string out(base64_length(bytes.size()) + 1, '!');
  const size_t length = encode_base64(bytes, out.data());
  EXPECT_EQ(length + 1, out.size());
  EXPECT_EQ(out.back(), '!') << "wrote past its length";
  out.resize(length);
  return out;
}

struct Decoded {
  bool valid = true;
  bool complete = false;
  std::string bytes;
  bool operator==(const Decoded&) const = default;
};

// In pieces of text through an output of `room` bytes.
Decoded decoded(std::string_view text, size_t piece, size_t room) {
  Base64Decoder decoder;
  Decoded result;
  std::string out(room, '\0');
  while (!text.empty()) {
    const auto step = decoder.decode(text.substr(0, piece), out);
    if (!step) return {.valid = false, .bytes = {}};
    EXPECT_GT(step->consumed, 0u);
    EXPECT_LE(step->written, room);
    result.bytes.append(out, 0, step->written);
    text.remove_prefix(step->consumed);
  }
  result.complete = decoder.complete();
  return result;
}

// RFC 4648 §10.
TEST(Base64, PublishedValuesBothWays) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xFB\xFF\xBF", "+/+/"},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(encoded(bytes), text);
    EXPECT_EQ(decoded(text, 100, 100), (Decoded{.complete = true, .bytes = std::string(bytes)}));
  }
}

TEST(Base64, EveryByteValueAndLengthComesBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (size_t length = 0; length <= all.size(); ++length) {
    const std::string bytes = all.substr(all.size() - length);
    EXPECT_EQ(decoded(encoded(bytes), 1000, 300), (Decoded{.complete = true, .bytes = bytes}));
  }
}

TEST(Base64, GroupsPaddedInTheMiddleAreOneText) {
  EXPECT_EQ(decoded("Zg==Zm8=Zm9vZg==", 100, 100).bytes, "ffofoof");
}

TEST(Base64, CutAnywhereAndThroughAnySpace) {
  const std::string_view texts[] = {
      "Zg==Zm8=Zm9vYmFyZg==", "Zm9v", "Zm9vYg", "Zm9vYg=", "Zm9v=", "Zm9=vYg=", "Zm9vYm\nFy"};
  for (std::string_view text : texts) {
    const Decoded whole = decoded(text, 100, 100);
    for (size_t piece = 1; piece <= text.size(); ++piece) {
      for (size_t room : {3, 4, 5, 7, 100}) EXPECT_EQ(decoded(text, piece, room), whole) << text;
    }
  }
}

TEST(Base64, RefusesWhatIsNotBase64) {
  for (std::string_view text : {"=", "Z=", "Z===", "Zg=v", "Zg=A", "Zm9v=", "====", "Zm9 ", "Zm9\n", "Zm-_",
                                "Zm9.", "Zh==", "Zm9=", "Zg==="}) {
    const Decoded result = decoded(text, 100, 100);
    EXPECT_FALSE(result.valid && result.complete) << text;
  }
  EXPECT_FALSE(decoded("Zh==", 1, 3).valid) << "stray bits";
  EXPECT_FALSE(decoded(std::string_view("Zm9\0", 4), 4, 3).valid);
  EXPECT_FALSE(decoded("Zm9\xFF", 4, 3).valid);
}

TEST(Base64, ACutGroupIsNotComplete) {
  for (std::string_view text : {"Z", "Zm", "Zm9", "Zg=", "Zm9vZ"}) {
    const Decoded result = decoded(text, 100, 100);
    EXPECT_TRUE(result.valid) << text;
    EXPECT_FALSE(result.complete) << text;
  }
}

}  // namespace
}  // namespace base
