#include "http/header_id.h"

#include <gtest/gtest.h>

#include <string>

namespace http {
namespace {

constexpr std::string_view kNames[] = {
#define X(id, name) name,
    GATEHOUSE_HEADERS(X)
#undef X
};

std::string with_underscores(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c == '-' ? '_' : c;
  return out;
}

std::string in_capitals(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
  return out;
}

TEST(HeaderId, EverySpellingOfAKnownNameIsRecognised) {
  int number = 0;
  for (std::string_view name : kNames) {
    const auto id = static_cast<HeaderId>(++number);
    EXPECT_EQ(header_name(id), name);
    EXPECT_EQ(find_header_id(name), id) << name;
    EXPECT_EQ(find_header_id(in_capitals(name)), id) << name;
    EXPECT_EQ(find_header_id(with_underscores(name)), id) << name;
    EXPECT_EQ(find_header_id(in_capitals(with_underscores(name))), id) << name;
    std::string mixed(name);
    if (const size_t dash = mixed.rfind('-'); dash != std::string::npos) mixed[dash] = '_';
    mixed[0] = in_capitals(mixed)[0];
    EXPECT_EQ(find_header_id(mixed), id) << mixed;
  }
  EXPECT_EQ(header_name(HeaderId::other), "");
}

// Any single byte changed makes another name, unless it is a letter's case or '_' for '-'.
TEST(HeaderId, NothingElseIsRecognised) {
  for (std::string_view name : kNames) {
    const HeaderId id = find_header_id(name);
    for (size_t at = 0; at < name.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed(name);
        changed[at] = static_cast<char>(byte);
        const std::string_view one = std::string_view(changed).substr(at, 1);
        const bool same = one == name.substr(at, 1) || one == in_capitals(name.substr(at, 1)) ||
                          one == with_underscores(name.substr(at, 1));
        EXPECT_EQ(find_header_id(changed) == id, same) << changed;
      }
    }
    EXPECT_EQ(find_header_id(name.substr(1)) == id, false) << name;
    EXPECT_EQ(find_header_id(std::string(name) + "x"), HeaderId::other) << name;
    EXPECT_EQ(find_header_id(std::string(name) + "-"), HeaderId::other) << name;
  }
  for (std::string_view name : {"", "x", "-", "x-forwarded", "content-encoding",
                                "a-name-far-longer-than-any-of-those-that-are-known"}) {
    EXPECT_EQ(find_header_id(name), HeaderId::other) << name;
  }
}

}  // namespace
}  // namespace http
