#include "access/json.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

JsonTree tree_of(std::string_view text) {
  auto tree = parse_json(text, {});
  EXPECT_TRUE(tree) << text << ": " << tree.error();
  return tree ? std::move(*tree) : JsonTree();
}

TEST(ParseJson, ScalarsHaveOneText) {
  struct Case {
    std::string_view json;
    JsonKind kind;
    std::string_view text;
  } const cases[] = {
      {"\"a\\u0062\\n\"", JsonKind::string, "ab\n"},
      {"\"\"", JsonKind::string, ""},
      {"true", JsonKind::boolean, "true"},
      {"false", JsonKind::boolean, "false"},
      {"null", JsonKind::null, "null"},
      {"0", JsonKind::number, "0"},
      {"-0", JsonKind::number, "0"},
      {"-0.0", JsonKind::number, "0"},
      {"1.0", JsonKind::number, "1"},
      {"1e3", JsonKind::number, "1000"},
      {"100000.0", JsonKind::number, "100000"},
      {"0.1", JsonKind::number, "0.1"},
      {"-2.50", JsonKind::number, "-2.5"},
      {"9223372036854775807", JsonKind::number, "9223372036854775807"},
      {"-9223372036854775808", JsonKind::number, "-9223372036854775808"},
      {"18446744073709551615", JsonKind::number, "18446744073709551615"},
      {"1e300", JsonKind::number, "1e+300"},
      {"1e17", JsonKind::number, "100000000000000000"},
      {"1844674407370955167440.1", JsonKind::number, "1.8446744073709552e+21"},  // found by json_fuzz
  };
  for (const Case& c : cases) {
    JsonTree tree = tree_of(c.json);
    EXPECT_EQ(tree.root().kind(), c.kind) << c.json;
    EXPECT_EQ(tree.root().text(), c.text) << c.json;
  }
}

TEST(ParseJson, RefusesWhatIsNotStrict) {
  for (std::string_view text : {"",
                                " ",
                                "{",
                                "{}}",
                                "[1,]",
                                "{\"a\":1,}",
                                "{a:1}",
                                "01",
                                "+1",
                                ".5",
                                "1.",
                                "NaN",
                                "Infinity",
                                "'a'",
                                "\"\t\"",
                                "\"\\x\"",
                                "\"\\ud800\"",
                                "\"\\udc00\\ud800\"",
                                "tru",
                                "nulll",
                                "1 2",
                                "[1]x",
                                "// c\n1",
                                "\xEF\xBB\xBF{}",
                                "\"\xFF\"",
                                "\"\xC0\x80\"",
                                "\"\xED\xA0\x80\"",
                                "{\"a\" 1}",
                                "{1:2}",
                                "99999999999999999999999",
                                "1e999"}) {
    EXPECT_FALSE(parse_json(text, {})) << text;
  }
  EXPECT_FALSE(parse_json(std::string_view("{}\0", 3), {}));
}

TEST(ParseJson, RefusesANameThatStandsTwice) {
  for (std::string_view text :
       {R"({"a":1,"a":1})", R"({"a":1,"b":2,"a":3})", R"({"a":1,"\u0061":2})", R"({"x":{"a":1,"a":2}})",
        R"([{"a":1,"a":2}])", R"({"":1,"":2})", R"({"a":{"b":[{"c":1,"c":1}]}})"}) {
    auto tree = parse_json(text, {});
    ASSERT_FALSE(tree) << text;
    EXPECT_STREQ(tree.error(), "a name stands twice in a JSON object") << text;
  }
  EXPECT_TRUE(parse_json(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}],"A":1})", {}));
}

TEST(ParseJson, KeepsItsBounds) {
  JsonLimits limits{.bytes = 100, .depth = 3, .values = 8};
  EXPECT_TRUE(parse_json("[[[1]]]", limits));
  EXPECT_FALSE(parse_json("[[[[1]]]]", limits));
  EXPECT_FALSE(parse_json(R"({"a":{"b":{"c":{}}}})", limits));
  EXPECT_TRUE(parse_json("[1,2,3,4,5,6,7]", limits));
  EXPECT_FALSE(parse_json("[1,2,3,4,5,6,7,8]", limits));
  EXPECT_TRUE(parse_json(std::string(99, ' ') + "1", limits));
  EXPECT_FALSE(parse_json(std::string(100, ' ') + "1", limits));
  EXPECT_FALSE(parse_json(std::string(100'000, '['), {.bytes = 1 << 20}));
}

TEST(JsonValue, WalksInOrder) {
  JsonTree tree = tree_of(R"({"b":[1,[2],{}],"a":{}})");
  JsonValue b = tree.root().first();
  EXPECT_EQ(b.name(), "b");
  EXPECT_EQ(b.first().text(), "1");
  EXPECT_EQ(b.first().next().first().text(), "2");
  EXPECT_EQ(b.first().next().next().kind(), JsonKind::object);
  EXPECT_FALSE(b.first().next().next().next());
  EXPECT_EQ(b.next().name(), "a");
  EXPECT_FALSE(b.next().first());
  EXPECT_FALSE(b.next().next());
  EXPECT_FALSE(JsonValue().first());
  EXPECT_FALSE(JsonTree().root());
}

TEST(JsonValue, FindsExactNamesBeforeNestedOnes) {
  JsonTree tree = tree_of(R"({
    "https://x.example/roles": ["admin"],
    "realm": {"roles": {"list": [1]}, "a.b": {"c": 2}},
    "realm.roles": 3,
    "e": {"f": 4}, "e.f": {"g": 5},
    "p": 1, "p.q": {"r": 6}
  })");
  struct Case {
    std::string_view path;
    std::string_view text;
    bool there = true;
  } const cases[] = {
      {"realm.roles", "3"}, {"realm.a.b.c", "2"},   {"e.f.g", "5"},     {"p.q.r", "6"},
      {"p.x", "", false},   {"realm.x", "", false}, {"", "", false},    {".", "", false},
      {"e.f.", "", false},  {".e", "", false},      {"E.f", "", false},
  };
  for (const Case& c : cases) {
    JsonValue value = tree.root().find(c.path);
    EXPECT_EQ(static_cast<bool>(value), c.there) << c.path;
    if (c.there) EXPECT_EQ(value.text(), c.text) << c.path;
  }
  EXPECT_TRUE(tree.root().find("https://x.example/roles").holds("admin"));
  EXPECT_EQ(tree.root().find("realm.roles.list").first().text(), "1");
}

TEST(JsonValue, IsWrittenAsItWasRead) {
  for (std::string_view text :
       {R"({})", R"([])", R"([[],{},[[1]]])", R"({"a":[1,-2,"x",true,false,null],"b":{"c":{"d":""}}})",
        R"("\\\"\n\u0001é")", R"({"\"":"[","{":","})", "1.5", "1e+20", "18446744073709551615"}) {
    auto tree = parse_json(text, {});
    ASSERT_TRUE(tree) << text;
    std::string out;
    append_json(out, tree->root());
    EXPECT_EQ(out, text);
  }
  std::string nothing;
  append_json(nothing, JsonValue());
  EXPECT_EQ(nothing, "null");
}

TEST(JsonValue, HoldsScalarsAndElementsOfLists) {
  JsonTree tree = tree_of(
      R"({"s":"x","n":3,"t":true,"z":null,"l":["x",3,true,["deep"],{"a":"x2"}],"o":{"x":"x"},"e":[]})");
  struct Case {
    std::string_view path;
    std::string_view text;
    bool holds;
  } const cases[] = {
      {"s", "x", true},    {"s", "X", false}, {"n", "3", true}, {"n", "3.0", false}, {"t", "true", true},
      {"z", "null", true}, {"l", "x", true},  {"l", "3", true}, {"l", "true", true}, {"l", "deep", false},
      {"l", "x2", false},  {"o", "x", false}, {"o", "", false}, {"e", "", false},    {"absent", "", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(tree.root().find(c.path).holds(c.text), c.holds) << c.path << ' ' << c.text;
}

}  // namespace
}  // namespace auth
