#include "http/query.h"

#include <gtest/gtest.h>

namespace http {
namespace {

TEST(FindParameter, DecodesTheOneOfThatName) {
  const std::string_view wrong_name = "a parameter's name has a broken percent escape";
  const std::string_view wrong_value = "a parameter has a broken percent escape";
  const std::string_view twice = "a parameter stands twice";
  struct Case {
    std::string_view form;
    std::optional<std::string> value;
    std::string_view error = {};
  } const cases[] = {
      {"", std::nullopt},
      {"&&", std::nullopt},
      {"other=1", std::nullopt},
      {"to", ""},
      {"to=", ""},
      {"to=/a", "/a"},
      {"a=1&to=/a&b=2", "/a"},
      {"to=%2Fa%3fb%3D1%26c", "/a?b=1&c"},
      {"to=a+b%2Bc", "a b+c"},
      {"to=a=b", "a=b"},
      {"to=a?to=b", "a?to=b"},
      {"to=%00%FF", std::string("\0\xFF", 2)},
      {"%74%6F=x", "x"},
      // Only '&' separates (RFC 1866's ';' is another reader's).
      {"a=1;to=x", std::nullopt},
      {"to=a;to=b", "a;to=b"},
      {"To=x&TO=y&to =z& to=w&to[]=v&t%6f%00=u", std::nullopt},
      {"?to=x", std::nullopt},
      // Escapes of others matter only in names.
      {"a=%zz&to=x", "x"},
      {"to=x&to=x", {}, twice},
      {"to=x&%74o=y", {}, twice},
      {"to&to=", {}, twice},
      {"to=%", {}, wrong_value},
      {"to=a%2", {}, wrong_value},
      {"to=%2&a=b", {}, wrong_value},
      {"to=%G0", {}, wrong_value},
      {"to=%0x", {}, wrong_value},
      {"to=%+1", {}, wrong_value},
      {"to=%u002f", {}, wrong_value},
      {"t%6=x", {}, wrong_name},
      {"to=x&%=y", {}, wrong_name},
  };
  for (const Case& c : cases) {
    const auto found = find_parameter(c.form, "to");
    ASSERT_EQ(found.has_value(), c.error.empty()) << c.form;
    if (found) {
      EXPECT_EQ(*found, c.value) << c.form;
    } else {
      EXPECT_EQ(found.error(), c.error) << c.form;
    }
  }
}

TEST(AppendForm, EncodesAllButUnreservedCharacters) {
  std::string out;
  append_form(out, "scope", "openid e-mail_x.y~");
  append_form(out, "a&b", "1=2+3/ü%\n");
  append_form(out, "empty", "");
  EXPECT_EQ(out, "scope=openid%20e-mail_x.y~&a%26b=1%3D2%2B3%2F%C3%BC%25%0A&empty=");
}

TEST(AppendForm, GoesOnWithAnUrl) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"https://id.example/authorize?", "https://id.example/authorize?a=1"},
      {"https://id.example/authorize?x=y", "https://id.example/authorize?x=y&a=1"},
      {"https://id.example/authorize?x=y&", "https://id.example/authorize?x=y&a=1"},
  };
  for (const auto& [begun, whole] : cases) {
    std::string out = begun;
    append_form(out, "a", "1");
    EXPECT_EQ(out, whole);
  }
}

TEST(AppendForm, EveryByteComesBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string form = "before=1";
  append_form(form, all, all);
  append_form(form, "after", "2");
  EXPECT_EQ(find_parameter(form, all), all);
  EXPECT_EQ(find_parameter(form, "after"), "2");
}

}  // namespace
}  // namespace http
