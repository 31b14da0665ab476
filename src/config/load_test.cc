#include "config/load.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace config {
namespace {

constexpr std::string_view kService = "access: [{ allow: anyone }]\n";

class Reloading : public testing::Test {
 protected:
  void SetUp() override {
    files.write("gatehouse.yaml", "listen: [{ address: \":8080\" }]\n");
    files.write("services/a.yaml", kService);
    files.write("services/b.yaml", kService);
    files.write("environments/local.yaml", "a: 127.0.0.1:1\nb: 127.0.0.1:2\n");
    first = loader.load();
    ASSERT_EQ(first.services.size(), 2U) << format_text(first.diagnostics, Style::plain);
  }
  LoadedGate reload(std::vector<std::string> paths) { return loader.reload(paths); }
  static std::shared_ptr<const ServiceSettings> find(const LoadedGate& loaded, std::string_view name) {
    for (const auto& service : loaded.services) {
      if (service->name == name) return service;
    }
    return nullptr;
  }

  MemoryFiles files;
  Loader loader{files, "local"};
  LoadedGate first;
};

TEST_F(Reloading, NothingChangedIsTheVerySame) {
  uint64_t reads = files.reads();
  LoadedGate again = loader.load();
  EXPECT_EQ(again.gate, first.gate);
  EXPECT_EQ(again.services, first.services);
  EXPECT_LE(files.reads() - reads, 1U);  // the environment
}

TEST_F(Reloading, OneServiceChangedLeavesTheOthers) {
  files.write("services/a.yaml", "access: [{ deny: anyone }]\n");
  uint64_t reads = files.reads();
  LoadedGate again = reload({"services/a.yaml"});
  EXPECT_EQ(files.reads() - reads, 1U);
  EXPECT_EQ(again.gate, first.gate);
  EXPECT_EQ(find(again, "b"), find(first, "b"));
  ASSERT_TRUE(find(again, "a"));
  EXPECT_NE(find(again, "a"), find(first, "a"));
  EXPECT_EQ(find(again, "a")->access[0].effect, auth::Effect::deny);
}

TEST_F(Reloading, AWrongSuffixIsReportedUntilItIsRenamed) {
  for (std::string path : {"services/c.yml", "services/c.YAML", "services/c.Yml"}) {
    files.write(path, kService);
    LoadedGate with = reload({path});
    ASSERT_EQ(with.diagnostics.size(), 1U) << path;
    EXPECT_EQ(*with.diagnostics[0].source.file, path);
    EXPECT_EQ(with.diagnostics[0].hint, "rename it to `c.yaml`");
    files.remove(path);
    EXPECT_EQ(format_text(reload({path}).diagnostics, Style::plain), "") << path;
  }
}

TEST_F(Reloading, WrittenButEqualIsTheVerySame) {
  files.write("services/a.yaml", kService);
  EXPECT_EQ(find(reload({"services/a.yaml"}), "a"), find(first, "a"));
  files.write("services/a.yaml", kService);
  EXPECT_EQ(find(loader.load(), "a"), find(first, "a"));
}

TEST_F(Reloading, AddedAndRemoved) {
  files.write("services/c.yaml", "forward: { to: 127.0.0.1:3 }\naccess: [{ allow: anyone }]\n");
  LoadedGate again = reload({"services/c.yaml"});
  EXPECT_EQ(again.services.size(), 3U);
  files.remove("services/a.yaml");
  again = reload({"services/a.yaml"});
  EXPECT_EQ(again.services.size(), 2U);
  EXPECT_FALSE(find(again, "a"));
  EXPECT_EQ(find(again, "b"), find(first, "b"));
  ASSERT_EQ(again.diagnostics.size(), 1U);  // the value `a` is left over
  EXPECT_EQ(again.diagnostics[0].key, "a");
}

TEST_F(Reloading, BrokenIsNamedAndComesBack) {
  files.write("services/a.yaml", "access: [\n");
  LoadedGate again = reload({"services/a.yaml"});
  EXPECT_TRUE(again.loaded());
  ASSERT_EQ(again.broken.size(), 1U);
  EXPECT_EQ(again.broken[0].name, "a");
  EXPECT_EQ(find(again, "b"), find(first, "b"));
  files.write("services/a.yaml", kService);
  again = reload({"services/a.yaml"});
  EXPECT_TRUE(again.broken.empty());
  EXPECT_TRUE(find(again, "a"));
}

TEST_F(Reloading, AFileThatMayNotBeReadIsBrokenAndNotGone) {
  files.deny("services/a.yaml");
  LoadedGate again = reload({"services/a.yaml"});
  EXPECT_TRUE(again.loaded());
  ASSERT_EQ(again.broken.size(), 1U);
  EXPECT_EQ(again.broken[0].name, "a");
  EXPECT_EQ(find(again, "b"), find(first, "b"));
  files.permit("services/a.yaml");
  EXPECT_TRUE(find(reload({"services/a.yaml"}), "a"));
}

TEST_F(Reloading, AFolderThatMayNotBeReadTakesNothingAway) {
  files.deny("services");
  LoadedGate again = loader.load();
  EXPECT_TRUE(again.loaded());
  EXPECT_EQ(again.services, first.services);
  ASSERT_TRUE(has_errors(again.diagnostics));
  EXPECT_EQ(format_line(again.diagnostics[0]),
            "services:1:1: error: the folder cannot be read: permission denied");
  files.permit("services");
  again = loader.load();
  EXPECT_FALSE(has_errors(again.diagnostics));
  EXPECT_EQ(again.services, first.services);
}

TEST_F(Reloading, OneValueChangedTouchesItsUsersOnly) {
  files.write("environments/local.yaml", "# a line more\nb: 127.0.0.1:2\na: 127.0.0.1:9\n");
  LoadedGate again = reload({"environments/local.yaml"});
  EXPECT_EQ(again.gate, first.gate);
  EXPECT_EQ(find(again, "b"), find(first, "b"));
  ASSERT_TRUE(find(again, "a"));
  EXPECT_EQ(find(again, "a")->forward.to[0].port, 9);
}

TEST_F(Reloading, AValueThatWasMissing) {
  files.write("environments/local.yaml", "b: 127.0.0.1:2\n");
  LoadedGate again = reload({"environments/local.yaml"});
  ASSERT_EQ(again.broken.size(), 1U);
  files.write("environments/local.yaml", "a: 127.0.0.1:1\nb: 127.0.0.1:2\n");
  again = reload({"environments/local.yaml"});
  EXPECT_TRUE(again.broken.empty());
  EXPECT_EQ(find(again, "b"), find(first, "b"));
}

TEST_F(Reloading, ABrokenGateIsRefusedAndDisturbsNothing) {
  files.write("gatehouse.yaml", "listen: [\n");
  EXPECT_FALSE(reload({"gatehouse.yaml"}).loaded());
  files.write("gatehouse.yaml", "listen: [{ address: \":8080\" }]\nworker: 3\n");
  files.write("services/a.yaml", "access: [{ deny: anyone }]\n");
  EXPECT_FALSE(reload({"gatehouse.yaml", "services/a.yaml"}).loaded());
  files.write("gatehouse.yaml", "listen: [{ address: \":8080\" }]\nworkers: 3\n");
  LoadedGate again = reload({"gatehouse.yaml"});
  ASSERT_TRUE(again.loaded());
  EXPECT_EQ(again.gate->workers, 3U);
  EXPECT_EQ(find(again, "b"), find(first, "b"));
  EXPECT_EQ(find(again, "a")->access[0].effect, auth::Effect::deny);  // changed while the gate was broken
}

TEST_F(Reloading, ABrokenEnvironmentIsRefused) {
  files.write("environments/local.yaml", "a: [\n");
  EXPECT_FALSE(reload({"environments/local.yaml"}).loaded());
  files.write("environments/local.yaml", "a: 127.0.0.1:7\nb: 127.0.0.1:2\n");
  LoadedGate again = reload({"environments/local.yaml"});
  ASSERT_TRUE(again.loaded());
  EXPECT_EQ(find(again, "a")->forward.to[0].port, 7);
}

TEST_F(Reloading, DefaultsReachEveryService) {
  files.write("gatehouse.yaml", "listen: [{ address: \":8080\" }]\ndefaults: { limits: { body: 1KiB } }\n");
  LoadedGate again = reload({"gatehouse.yaml"});
  ASSERT_TRUE(again.loaded());
  EXPECT_EQ(find(again, "a")->limits.body_bytes_max, 1024U);
}

TEST_F(Reloading, KeysAreReadAgain) {
  std::string digest = "sha256:" + std::string(64, 'a');
  files.write("keys.yaml", "keys: []\n");
  files.write("gatehouse.yaml",
              "listen: [{ address: \":8080\" }]\nproviders: { robots: { api_keys: { file: keys.yaml } } }\n");
  LoadedGate again = reload({"gatehouse.yaml"});
  ASSERT_TRUE(again.loaded());
  EXPECT_EQ(again.referenced_files, std::vector<std::string>{"keys.yaml"});
  files.write("keys.yaml", "keys: [{ id: a, owner: b, digest: \"" + digest + "\" }]\n");
  LoadedGate third = reload({"keys.yaml"});
  ASSERT_TRUE(third.loaded());
  EXPECT_EQ(third.gate->providers[0].api_keys->keys.size(), 1U);
  EXPECT_EQ(find(third, "a"), find(again, "a"));
}

TEST_F(Reloading, ASecretFileReachesItsUsers) {
  files.write("environments/local.yaml", "a: { file: address }\nb: 127.0.0.1:2\n");
  files.write("address", "127.0.0.1:5\n");
  LoadedGate again = reload({"environments/local.yaml"});
  EXPECT_EQ(find(again, "a")->forward.to[0].port, 5);
  files.write("address", "127.0.0.1:6\n");
  LoadedGate third = reload({"address"});
  EXPECT_EQ(find(third, "a")->forward.to[0].port, 6);
  EXPECT_EQ(find(third, "b"), find(again, "b"));
  EXPECT_EQ(third.gate, again.gate);
}

TEST(InlineServices, UnchangedStayTheSame) {
  MemoryFiles files;
  std::string head =
      "listen: [{ address: \":8080\" }]\nservices:\n  a: { forward: { to: 127.0.0.1:1 }, access: [] }\n";
  files.write("gatehouse.yaml", head);
  Loader loader(files, "local");
  LoadedGate first = loader.load();
  ASSERT_EQ(first.services.size(), 1U);
  files.write("gatehouse.yaml", head + "  b: { forward: { to: 127.0.0.1:1 }, access: [] }\n");
  LoadedGate again = loader.load();
  ASSERT_EQ(again.services.size(), 2U);
  EXPECT_EQ(again.services[0], first.services[0]);
}

TEST(InlineServices, MoveToAFileAndBack) {
  MemoryFiles files;
  std::string listen = "listen: [{ address: \":8080\" }]\n";
  std::string inlined = listen + "services:\n  a: { forward: { to: 127.0.0.1:1 }, access: [] }\n";
  files.write("gatehouse.yaml", inlined);
  Loader loader(files, "local");
  loader.load();
  files.write("gatehouse.yaml", listen);
  files.write("services/a.yaml", "forward: { to: 127.0.0.1:2 }\naccess: []\n");
  std::vector<std::string> both{"gatehouse.yaml", "services/a.yaml"};
  LoadedGate moved = loader.reload(both);
  ASSERT_EQ(moved.services.size(), 1U) << format_text(moved.diagnostics, Style::plain);
  EXPECT_EQ(moved.services[0]->forward.to[0].port, 2);
  files.write("gatehouse.yaml", inlined);
  files.remove("services/a.yaml");
  moved = loader.reload(both);
  ASSERT_EQ(moved.services.size(), 1U) << format_text(moved.diagnostics, Style::plain);
  EXPECT_EQ(moved.services[0]->forward.to[0].port, 1);
}

TEST(Environments, AreListedFromBothPlaces) {
  MemoryFiles files;
  files.write("gatehouse.yaml", "environments: { b: {}, a: {} }\n");
  files.write("environments/c.yaml", "");
  files.write("environments/.d.yaml", "");
  EXPECT_EQ(list_environments(files), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(AttachLines, FillsInWhatControlFound) {
  MemoryFiles files;
  files.write("services/a.yaml", "one\ntwo\n");
  Diagnostics diagnostics{{.source = {std::make_shared<const std::string>("services/a.yaml"), 2, 1},
                           .key = {},
                           .message = "m",
                           .hint = {},
                           .line = {}}};
  attach_lines(files, diagnostics);
  EXPECT_EQ(diagnostics[0].line, "two");
}

}  // namespace
}  // namespace config
