#include "cli/access_tests.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace {

using cli::AccessTestRun;

// A gate on disk, as the commands open one; gone with the object.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gate-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    write("gatehouse.yaml",
          "listen: [{ address: \":0\" }]\n"
          "providers: { robots: { api_keys: { file: keys.yaml } } }\n"
          "access: [{ name: never, deny: anyone, from: [192.0.2.0/24] }]\n");
    write("keys.yaml", "keys: []\n");
    write("environments/local.yaml", "unused: 1\n");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  std::unique_ptr<cli::OpenedGate> open() {
    auto gate = cli::open_gate({.dir = path_.string()}, config::Loader::MissingSecrets::ignored);
    EXPECT_TRUE(gate != nullptr && gate->usable());
    return gate;
  }

 private:
  std::filesystem::path path_;
};

std::string orders(const std::string& tests) {
  return "match: { host: \"*.example.com\", path: /orders, headers: { X-Version: [\"2\"] } }\n"
         "forward: { to: [127.0.0.1:9001] }\n"
         "access:\n"
         "  - { name: public, allow: anyone, on: GET /orders/health }\n"
         "  - { name: robots, allow: { provider: robots }, on: POST /orders/** }\n"
         "tests:\n" +
         tests;
}

TEST(AccessTests, TellWhatPassesFromWhatFails) {
  const struct {
    const char* test;
    bool passes;
    const char* problem;
  } cases[] = {
      {"GET /orders/health -> allow by \"public\"", true, ""},
      {"GET /orders/health -> deny", false, ""},
      {"GET /orders/1 -> deny", true, ""},
      {"GET /orders/1 -> allow", false, ""},
      {"{ as: { provider: robots }, request: POST /orders/1, expect: allow by \"robots\" }", true, ""},
      {"{ as: { provider: robots }, request: POST /orders/1, expect: allow by \"public\" }", false, ""},
      {"{ request: GET /orders/health, expect: deny by \"never\", from: 192.0.2.7 }", true, ""},
      {"GET http://a.example.com/orders/health -> allow", true, ""},
      // A typo must not pass for a denial.
      {"GET /orderz -> deny", false, "reaches no service"},
      {"GET /other -> deny", false, "reaches the service `other`"},
      {"GET http://elsewhere/orders/1 -> deny", false, "reaches no service"},
  };
  for (const auto& c : cases) {
    Folder folder;
    folder.write("services/orders.yaml", orders(std::string("  - ") + c.test + "\n"));
    folder.write("services/other.yaml",
                 "match: { path: /other }\nforward: { to: [127.0.0.1:1] }\naccess: [{ allow: anyone }]\n");
    auto gate = folder.open();
    EXPECT_TRUE(gate->diagnostics.empty() || !config::has_errors(gate->diagnostics))
        << config::format_text(gate->diagnostics, config::Style::plain);
    AccessTestRun run = cli::run_access_tests(*gate, {});
    ASSERT_EQ(run.tests.size(), 1u) << c.test;
    EXPECT_EQ(run.tests[0].passed, c.passes) << c.test << ": " << run.tests[0].problem;
    EXPECT_NE(run.tests[0].problem.find(c.problem), std::string::npos)
        << c.test << ": " << run.tests[0].problem;
  }
}

TEST(AccessTests, CountTheRulesTheyReach) {
  Folder folder;
  folder.write("services/orders.yaml", orders("  - GET /orders/health -> allow\n"));
  auto gate = folder.open();
  AccessTestRun run = cli::run_access_tests(*gate, {});
  ASSERT_EQ(run.rules.size(), 3u);
  EXPECT_EQ(run.reached(), 1u);
  EXPECT_EQ(run.rules[0].place, "gatehouse.yaml:3:10");
  EXPECT_EQ(run.rules[1].rule->name(), "public");
  EXPECT_TRUE(run.rules[1].reached);
  EXPECT_NEAR(run.coverage(), 33.3, 0.1);
}

TEST(AccessTests, ARefusedServiceIsLeftOut) {
  Folder folder;
  folder.write("services/orders.yaml", orders("  - GET /orders/health -> allow\n"));
  folder.write("services/twin.yaml", orders("  - GET /orders/health -> allow\n"));
  auto gate = folder.open();
  EXPECT_EQ(gate->compiled.refused_services, (std::vector<std::string>{"orders", "twin"}));
  EXPECT_TRUE(cli::run_access_tests(*gate, {}).tests.empty());
}

}  // namespace
