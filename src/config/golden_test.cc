// Runs every case of tests/golden/config (its README says how one is written). With GATEHOUSE_UPDATE_GOLDEN=1
// the expectations are rewritten instead, for a person to read in the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/golden_dump.h"
#include "config/load.h"
#include "config/schema.h"

namespace config {
namespace {

std::string folder() {
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "tests/golden/config";
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

constexpr std::string_view kGate =
    "listen: [{ address: \":8080\" }]\n"
    "providers:\n"
    "  partners: { jwt: { issuer: https://id.example, audience: orders, jwks: https://id.example/jwks } }\n"
    "  robots: { jwt: { issuer: https://robots.example, audience: orders, jwks: https://robots.example/jwks "
    "} }\n";

struct Case {
  MemoryFiles files;
  std::string input;  // all before the expectation, as it stands in the file
  std::string expected;
  std::string environment = "local";
  bool check = false;
  bool text = false;
};

void take_option(Case& out, const std::string& line) {
  std::istringstream words(line);
  std::string option, name, value;
  words >> option >> name;
  std::getline(words >> std::ws, value);
  if (option == "environment") out.environment = name;
  if (option == "check") out.check = true;
  if (option == "text") out.text = true;
  if (option == "variable") out.files.set_variable(name, value);
}

Case parse_case(const std::string& path) {
  Case out;
  std::string section, body;
  bool gate_given = false;
  auto flush = [&] {
    if (section == "options") {
      std::istringstream lines(body);
      for (std::string line; std::getline(lines, line);) take_option(out, line);
    } else if (section == "expect") {
      out.expected = body;
    } else if (!section.empty()) {
      gate_given |= section == "gatehouse.yaml" || section == "no-gate";
      if (section != "no-gate") out.files.write(section, body);
    }
    body.clear();
  };
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("=== ")) {
      flush();
      section = line.substr(4);
      if (section == "expect") continue;
      out.input += line + "\n";
      continue;
    }
    if (section != "expect") out.input += line + "\n";
    body += line + "\n";
  }
  flush();
  if (!gate_given) out.files.write("gatehouse.yaml", kGate);
  return out;
}

// What the defaults add to every dump is left out of those that do not write a gatehouse.yaml.
std::string without_default_gate(std::string text) {
  MemoryFiles files;
  files.write("gatehouse.yaml", kGate);
  LoadedGate loaded = load_gate(files, "local");
  std::string usual = dump(loaded);
  if (text.starts_with(usual)) text.erase(0, usual.size());
  return text;
}

std::string run_case(Case& c) {
  std::string out;
  if (c.check) {
    CheckedGate checked = check_gate(c.files, c.environment);
    for (const Diagnostic& d : checked.diagnostics) out += format_line(d) + "\n";
    for (const LoadedGate& loaded : checked.environments) {
      out += "environment " + loaded.environment + (loaded.loaded() ? " loads" : " is refused") + "\n";
    }
    return out;
  }
  LoadedGate loaded = load_gate(c.files, c.environment);
  if (c.text) return format_text(loaded.diagnostics, Style::plain);
  for (const Diagnostic& d : loaded.diagnostics) out += format_line(d) + "\n";
  return out + without_default_gate(dump(loaded));
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".case") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, GivesWhatIsExpected) {
  std::string path = folder() + "/" + GetParam() + ".case";
  Case c = parse_case(path);
  std::string actual = run_case(c);
  if (std::getenv("GATEHOUSE_UPDATE_GOLDEN")) {
    std::ofstream(path, std::ios::binary) << c.input << "=== expect\n" << actual;
    return;
  }
  EXPECT_EQ(actual, c.expected) << path;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(all_cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char ch) { return !std::isalnum(static_cast<unsigned char>(ch)); }, '_');
  return name;
});

TEST(GoldenFolder, HoldsEnoughCases) { EXPECT_GE(all_cases().size(), 80U); }

// Every file of every case that loads without an error must also be right by the schema, and every example in
// a schema must be right by its own. python3-jsonschema judges.
TEST(Schema, AgreesWithTheLoader) {
  std::filesystem::path work =
      std::filesystem::temp_directory_path() / ("gatehouse-schemas-" + std::to_string(::getpid()));
  std::filesystem::create_directories(work);
  for (const char* kind : {"gate", "service", "environment", "keys"}) {
    std::ofstream(work / (std::string(kind) + ".json")) << *make_schema(kind);
  }
  EXPECT_FALSE(make_schema("gates"));
  std::string command =
      "/usr/bin/python3 " + folder() + "/check_schemas.py " + work.string() + " " + folder();
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::filesystem::remove_all(work);
}

}  // namespace
}  // namespace config
