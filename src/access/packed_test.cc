#include "access/packed.h"

#include <rapidcheck/gtest.h>

namespace auth {
namespace {

std::string packed(uint64_t number) {
  Packer packer;
  packer.add_number(number);
  return packer.take();
}

TEST(Packed, NumbersHaveOneForm) {
  const std::pair<uint64_t, std::string> cases[] = {
      {0, std::string("\0", 1)},
      {127, "\x7F"},
      {128, "\x80\x01"},
      {300, "\xAC\x02"},
      {UINT64_MAX, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"},
  };
  for (const auto& [number, form] : cases) {
    EXPECT_EQ(packed(number), form);
    Unpacker unpacker(form);
    EXPECT_EQ(unpacker.take_number(), number);
    EXPECT_TRUE(unpacker.complete());
  }
  for (std::string form :
       {std::string(), std::string("\x80"), std::string("\x80\x00", 2), std::string("\xFF\x80\x00", 3),
        std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"),
        std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x01")}) {
    Unpacker unpacker(form);
    EXPECT_EQ(unpacker.take_number(), 0u);
    EXPECT_FALSE(unpacker.complete());
  }
}

TEST(Packed, ReadsBackWhatWasAdded) {
  Packer packer;
  packer.add_number(7);
  packer.add_text("");
  packer.add_texts({"a", "", std::string(300, 'b')});
  packer.add_texts({});
  packer.add_text(std::string("\0\xFF", 2));
  const std::string form = packer.take();
  Unpacker unpacker(form);
  EXPECT_EQ(unpacker.take_number(), 7u);
  EXPECT_EQ(unpacker.take_text(), "");
  EXPECT_EQ(unpacker.take_texts(), (std::vector<std::string>{"a", "", std::string(300, 'b')}));
  EXPECT_EQ(unpacker.take_texts(), std::vector<std::string>());
  EXPECT_FALSE(unpacker.complete());
  EXPECT_EQ(unpacker.take_text(), std::string("\0\xFF", 2));
  EXPECT_TRUE(unpacker.complete());
  EXPECT_EQ(unpacker.take_number(), 0u);
  EXPECT_FALSE(unpacker.complete());
}

TEST(Packed, AnyCutOrAdditionIsNoticed) {
  Packer packer;
  packer.add_text("provider");
  packer.add_texts({"one", "two"});
  packer.add_number(1000);
  const std::string form = packer.take();
  const auto reads = [](std::string_view text) {
    Unpacker unpacker(text);
    unpacker.take_text();
    unpacker.take_texts();
    unpacker.take_number();
    return unpacker.complete();
  };
  EXPECT_TRUE(reads(form));
  for (size_t size = 0; size < form.size(); ++size) EXPECT_FALSE(reads(form.substr(0, size))) << size;
  EXPECT_FALSE(reads(form + '\0'));
}

TEST(Packed, ALengthOrCountBeyondTheEndIsNoticed) {
  for (uint64_t count : {uint64_t{2}, uint64_t{1} << 40, UINT64_MAX}) {
    const std::string form = packed(count) + '\0';
    Unpacker text(form);
    EXPECT_EQ(text.take_text(), "");
    EXPECT_FALSE(text.complete());
    Unpacker texts(form);
    EXPECT_EQ(texts.take_texts().size(), 2u);
    EXPECT_FALSE(texts.complete());
  }
}

RC_GTEST_PROP(Packed, DifferentTextsAreNeverPackedAlike,
              (const std::vector<std::string>& a, const std::vector<std::string>& b)) {
  Packer first, second;
  for (const std::string& text : a) first.add_text(text);
  for (const std::string& text : b) second.add_text(text);
  RC_ASSERT((first.take() == second.take()) == (a == b));
}

}  // namespace
}  // namespace auth
