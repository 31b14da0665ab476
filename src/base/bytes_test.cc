#include "base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace base {
namespace {

TEST(Bytes, ComparesIgnoringCase) {
  EXPECT_TRUE(equals_ignoring_case("Content-Length", "content-LENGTH"));
  EXPECT_TRUE(equals_ignoring_case("", ""));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("@", "`")) << "only letters have a case";
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
  EXPECT_EQ(lowercase("ABC-xyz[@Z\xc3\x84"), "abc-xyz[@z\xc3\x84");
}

TEST(Bytes, TrimsSpacesAndTabsOnly) {
  EXPECT_EQ(trim(" \t a b\t "), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("\r\na\v"), "\r\na\v");
}

TEST(Bytes, ParsesUnsignedNumbers) {
  EXPECT_EQ(parse_unsigned("0"), 0u);
  EXPECT_EQ(parse_unsigned("0042"), 42u);
  EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
  for (std::string_view text :
       {"", "18446744073709551616", "99999999999999999999999", "+1", "-1", " 1", "1 ", "0x1", "1.0"}) {
    EXPECT_FALSE(parse_unsigned(text)) << text;
  }
}

TEST(Bytes, TakesListElements) {
  std::string_view list = " a ,, b\t,,c d,";
  std::vector<std::string_view> taken;
  while (auto element = take_list_element(list)) taken.push_back(*element);
  EXPECT_EQ(taken, (std::vector<std::string_view>{"a", "b", "c d"}));
  std::string_view empty = " , ,";
  EXPECT_FALSE(take_list_element(empty));
}

TEST(Bytes, EncodesBase64) {
  // RFC 4648 §10.
  struct Case {
    std::string_view bytes;
    std::string_view padded;
    std::string_view url;
  };
  for (const Case& c : std::initializer_list<Case>{{"", "", ""},
                                                   {"f", "Zg==", "Zg"},
                                                   {"fo", "Zm8=", "Zm8"},
                                                   {"foo", "Zm9v", "Zm9v"},
                                                   {"foob", "Zm9vYg==", "Zm9vYg"},
                                                   {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
                                                   {"\xfb\xff\xfe", "+//+", "-__-"}}) {
    EXPECT_EQ(base64_encode(c.bytes), c.padded);
    EXPECT_EQ(base64url_encode(c.bytes), c.url);
    EXPECT_EQ(base64url_decode(c.url), c.bytes);
  }
}

TEST(Bytes, RefusesOtherWritingsOfTheSameBytes) {
  for (std::string_view text :
       {"Zg==", "Zg=", "Zh", "A", "AAAAA", "Zm 9v", "Zm9v\n", "+//+", "Zm9.", "Zm9v*"}) {
    EXPECT_FALSE(base64url_decode(text)) << text;
  }
  EXPECT_FALSE(base64url_decode("Zm9")) << "stray bits: 'Zm8' is the one writing of \"fo\"";
}

TEST(Bytes, RefusesForeignCharactersWhereverTheyStand) {
  const std::string text = "Zm9vYmFyZm8";
  for (size_t at = 0; at < text.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = text;
      changed[at] = static_cast<char>(c);
      const bool known = is_alpha(changed[at]) || is_digit(changed[at]) || c == '-' || c == '_';
      if (!known) EXPECT_FALSE(base64url_decode(changed)) << at << " " << c;
    }
  }
}

RC_GTEST_PROP(BytesProperty, ReadsBackWhatItWrote, (const std::string& bytes)) {
  RC_ASSERT(base64url_decode(base64url_encode(bytes)) == bytes);
  RC_ASSERT(hex_decode(hex_encode(bytes)) == bytes);
}

RC_GTEST_PROP(BytesProperty, HasOneWritingForAText, (const std::string& seed)) {
  std::string text;
  for (char c : seed) text += "ABCDEFabcdef0189-_"[static_cast<uint8_t>(c) % 18];
  if (auto bytes = base64url_decode(text)) RC_ASSERT(base64url_encode(*bytes) == text);
}

TEST(Bytes, ReadsHexInEitherCase) {
  EXPECT_EQ(hex_decode("00fFA0"), std::string("\x00\xff\xa0", 3));
  for (std::string_view text : {"0", "0g", "g0", " 0", "0x", "@0", "`0"})
    EXPECT_FALSE(hex_decode(text)) << text;
}

TEST(Bytes, MeasuresUtf8) {
  struct Case {
    std::string_view text;
    size_t length;
  };
  for (const Case& c : std::initializer_list<Case>{{"", 0},
                                                   {"a", 1},
                                                   {"\xc3\xa4", 2},
                                                   {"\xe2\x82\xac", 3},
                                                   {"\xf0\x9f\x98\x80", 4},
                                                   {"\xf4\x8f\xbf\xbf", 4},
                                                   {"\xed\x9f\xbf", 3},
                                                   {"\x80", 0},  // a continuation
                                                   {"\xc3", 0},  // cut
                                                   {"\xe2\x82", 0},
                                                   {"\xf0\x9f\x98", 0},
                                                   {"\xc0\xaf", 0},  // too long for '/'
                                                   {"\xe0\x9f\xbf", 0},
                                                   {"\xf0\x8f\xbf\xbf", 0},
                                                   {"\xed\xa0\x80", 0},      // a surrogate
                                                   {"\xf4\x90\x80\x80", 0},  // above U+10FFFF
                                                   {"\xf5\x80\x80\x80", 0},
                                                   {"\xff", 0}}) {
    EXPECT_EQ(utf8_length(c.text), c.length) << hex_encode(c.text);
  }
}

TEST(Bytes, EscapesJson) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\r\t\x01\x7f/"), R"("a\"b\\c\n\r\t\u0001\u007f/")");
  EXPECT_EQ(json_quoted("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
  EXPECT_EQ(json_quoted("\xff\xc3"), R"("\ufffd\ufffd")");
  EXPECT_EQ(json_quoted(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(Bytes, FindsTheNearestWord) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  constexpr std::string_view kWords[] = {"match", "forward", "access", "tests", "headers", "limits"};
  EXPECT_EQ(edit_distance("mtach", "match"), 1u);  // two letters swapped are one slip
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);
  EXPECT_EQ(nearest_word("mtach", kWords), "match");
  EXPECT_EQ(nearest_word("acess", kWords), "access");
  EXPECT_EQ(nearest_word("forwards", kWords), "forward");
  EXPECT_EQ(nearest_word("test", kWords), "tests");
  EXPECT_EQ(nearest_word("quota", kWords), "");
  EXPECT_EQ(nearest_word("", kWords), "");
}

TEST(Bytes, FormatsAndParsesTimes) {
  EXPECT_EQ(format_rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(1'769'851'800'123'999'999), "2026-01-31T09:30:00.123Z");
  EXPECT_EQ(format_rfc3339(-1'000'000), "1969-12-31T23:59:59.999Z");
  struct Case {
    std::string_view text;
    std::string_view same;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000Z"},
                                   {"2026-01-31t09:30:00.5z", "2026-01-31T09:30:00.500Z"},
                                   {"2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123Z"},
                                   {"2026-01-31T09:30:00.1234567899999Z", "2026-01-31T09:30:00.123Z"},
                                   {"2026-01-31T09:30:00+02:00", "2026-01-31T07:30:00.000Z"},
                                   {"2026-01-31T23:30:00-01:30", "2026-02-01T01:00:00.000Z"},
                                   {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"},
                                   {"1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"}}) {
    auto ns = parse_rfc3339(c.text);
    ASSERT_TRUE(ns) << c.text;
    EXPECT_EQ(format_rfc3339(*ns), c.same) << c.text;
  }
}

TEST(Bytes, RefusesTimesThatAreNone) {
  for (std::string_view text : {"",
                                "2026-01-31",
                                "2026-01-31T09:30:00",
                                "2026-01-31 09:30:00Z",
                                "2026-02-31T09:30:00Z",
                                "2026-13-01T09:30:00Z",
                                "2026-00-01T09:30:00Z",
                                "2025-02-29T00:00:00Z",
                                "2026-01-31T24:00:00Z",
                                "2026-01-31T09:60:00Z",
                                "2026-01-31T09:30:61Z",
                                "2026-01-31T09:30:00.Z",
                                "2026-01-31T09:30:00ZZ",
                                "2026-01-31T09:30:00+02",
                                "2026-01-31T09:30:00+0200",
                                "2026-01-31T09:30:00+02:60",
                                "2026-01-31T09:30:00+24:00",
                                "2026-01-31T09:30:00.5",
                                "2026-1-31T09:30:00ZZ",
                                "+026-01-31T09:30:00Z",
                                "9999-12-31T23:59:59Z",
                                "0001-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

}  // namespace
}  // namespace base
