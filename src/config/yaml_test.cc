#include "config/yaml.h"

#include <gtest/gtest.h>

namespace config {
namespace {

Document parse(std::string text, Diagnostics& diagnostics) {
  return parse_yaml("t.yaml", std::move(text), diagnostics);
}

std::string first_message(std::string text) {
  Diagnostics diagnostics;
  parse(std::move(text), diagnostics);
  return diagnostics.empty() ? "" : diagnostics[0].message;
}

TEST(Yaml, GivesPlacesInBytes) {
  Diagnostics diagnostics;
  Document document = parse("\xEF\xBB\xBF# ü\r\nü: [a, \"b c\"]\r\nk:\r\n  - x\r\n", diagnostics);
  ASSERT_TRUE(document.readable);
  const Node* list = document.root.find("ü");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->items[1].line, 2);
  EXPECT_EQ(list->items[1].column, 9);
  EXPECT_EQ(list->items[1].width, 5);
  EXPECT_EQ(document.line(2), "ü: [a, \"b c\"]");
  EXPECT_EQ(document.line(99), "");
  EXPECT_EQ(document.root.find("k")->end_line, 4);
}

TEST(Yaml, TypesAreThoseOfTheCoreSchema) {
  struct {
    const char* text;
    ScalarType type;
  } cases[] = {{"yes", ScalarType::string},      {"on", ScalarType::string},
               {"true", ScalarType::boolean},    {"FALSE", ScalarType::boolean},
               {"tRue", ScalarType::string},     {"~", ScalarType::null},
               {"", ScalarType::null},           {"0o17", ScalarType::integer},
               {"017", ScalarType::integer},     {"0xfF", ScalarType::integer},
               {"0xg", ScalarType::string},      {"-1", ScalarType::integer},
               {"1_000", ScalarType::string},    {"1.5", ScalarType::number},
               {".5e-3", ScalarType::number},    {"1e", ScalarType::string},
               {".", ScalarType::string},        {"-.inf", ScalarType::number},
               {"12:30:45", ScalarType::string}, {"2026-01-31", ScalarType::string},
               {"127.0.0.1", ScalarType::string}};
  for (const auto& c : cases) {
    Node node;
    node.text = c.text;
    EXPECT_EQ(scalar_type(node), c.type) << c.text;
    node.typing = Node::Typing::quoted;
    EXPECT_EQ(scalar_type(node), ScalarType::string) << c.text;
  }
}

TEST(Yaml, IsBounded) {
  EXPECT_EQ(first_message(std::string(40, '[') + std::string(40, ']')),
            "more than 32 lists and maps stand within each other");
  EXPECT_EQ(first_message(std::string(32, '[') + std::string(32, ']')), "");
  EXPECT_EQ(first_message("a: " + std::string(kFileBytesMax, 'x')), "the file is larger than 4 MiB");
  std::string many = "a: [";
  for (size_t i = 0; i < kNodesMax; ++i) many += "1,";
  EXPECT_EQ(first_message(many + "]"), "the file holds more than 200000 values");
}

TEST(Yaml, RefusesWhatIsNoText) {
  EXPECT_EQ(first_message(std::string("a: \0b", 5)), "the file contains a control character");
  EXPECT_EQ(first_message("a: \xFF\xFE"), "the file is not UTF-8 text");
  EXPECT_EQ(first_message(std::string("\xFF\xFE"
                                      "a\0",
                                      4)),
            "the file is not UTF-8 text");
}

TEST(Yaml, RepeatedKeysAreFoundAtEveryDepth) {
  Diagnostics diagnostics;
  parse("a:\n  b: { c: 1, c: 2 }\n  b: 3\na: 4\n", diagnostics);
  ASSERT_EQ(diagnostics.size(), 3U);
  EXPECT_EQ(diagnostics[0].message, "`c` is written twice, here and on line 2");
  EXPECT_EQ(diagnostics[2].message, "`a` is written twice, here and on line 1");
}

TEST(Diagnostics, AsJson) {
  Diagnostics diagnostics;
  parse("a: 1\na: 2\n", diagnostics);
  EXPECT_EQ(
      format_json(diagnostics),
      R"([{"severity":"error","file":"t.yaml","line":2,"column":1,"key":"","message":"`a` is written twice, here and on line 1","hint":"keep one of them"}])");
}

}  // namespace
}  // namespace config
