// Files that settings name (certificates, keys, CAs): read with the settings, watched, and read again when
// they change, with nobody else disturbed.
#include <gtest/gtest.h>

#include "config/load.h"

namespace config {
namespace {

constexpr std::string_view kGatehouse = "listen: [{ address: \":8080\" }]\n";
constexpr std::string_view kSecured =
    "forward: { to: https://a.example, tls: { ca: ca.pem } }\naccess: [{ allow: anyone }]\n";
constexpr std::string_view kPlain = "forward: { to: 127.0.0.1:1 }\naccess: [{ allow: anyone }]\n";

class NamedFiles : public testing::Test {
 protected:
  void SetUp() override {
    files.write("gatehouse.yaml", kGatehouse);
    files.write("services/a.yaml", kSecured);
    files.write("services/b.yaml", kSecured);
    files.write("services/c.yaml", kPlain);
    files.write("ca.pem", "first");
    first = loader.load();
    ASSERT_EQ(first.services.size(), 3U) << format_text(first.diagnostics, Style::plain);
  }
  LoadedGate reload(std::vector<std::string> paths) { return loader.reload(paths); }
  static std::string ca(const LoadedGate& loaded, size_t service) {
    return loaded.services.at(service)->forward.tls.ca.text;
  }

  MemoryFiles files;
  Loader loader{files, "local"};
  LoadedGate first;
};

TEST_F(NamedFiles, AreWatched) { EXPECT_EQ(first.referenced_files, std::vector<std::string>{"ca.pem"}); }

TEST_F(NamedFiles, AChangeReachesTheirUsersOnly) {
  files.write("ca.pem", "second");
  LoadedGate again = reload({"ca.pem"});
  ASSERT_EQ(again.services.size(), 3U);
  EXPECT_EQ(ca(again, 0), "second");
  EXPECT_EQ(ca(again, 1), "second");
  EXPECT_NE(again.services[0], first.services[0]);
  EXPECT_EQ(again.services[2], first.services[2]);
  EXPECT_EQ(again.gate, first.gate);
  EXPECT_EQ(reload({"ca.pem"}).services, again.services);
}

TEST_F(NamedFiles, AChangeIsSeenByAFullLoad) {
  EXPECT_EQ(loader.load().services, first.services);
  files.write("ca.pem", "second");
  EXPECT_EQ(ca(loader.load(), 1), "second");
}

TEST_F(NamedFiles, OneThatGoesBreaksItsUsersUntilItIsBack) {
  files.remove("ca.pem");
  LoadedGate without = reload({"ca.pem"});
  EXPECT_TRUE(without.loaded());
  EXPECT_EQ(without.broken.size(), 2U);
  ASSERT_EQ(without.services.size(), 1U);
  EXPECT_EQ(without.services[0], first.services[2]);
  EXPECT_EQ(without.referenced_files, std::vector<std::string>{"ca.pem"});
  files.write("ca.pem", "back");
  LoadedGate with = reload({"ca.pem"});
  EXPECT_TRUE(with.broken.empty());
  EXPECT_EQ(ca(with, 0), "back");
}

TEST_F(NamedFiles, AreNoLongerWatchedWhenNobodyNamesThem) {
  files.write("services/a.yaml", kPlain);
  EXPECT_EQ(reload({"services/a.yaml"}).referenced_files.size(), 1U);
  files.remove("services/b.yaml");
  EXPECT_TRUE(reload({"services/b.yaml"}).referenced_files.empty());
}

TEST_F(NamedFiles, AChangeWhileTheGateIsBrokenIsNotLost) {
  struct Case {
    const char* name;
    bool told;
  };
  for (const Case& c : {Case{"told of", true}, Case{"found by a full load", false}}) {
    files.write("ca.pem", "before");
    loader.load();
    files.write("gatehouse.yaml", "listen: [\n");
    files.write("ca.pem", "meanwhile");
    LoadedGate broken = c.told ? reload({"gatehouse.yaml", "ca.pem"}) : loader.load();
    EXPECT_FALSE(broken.loaded());
    files.write("gatehouse.yaml", kGatehouse);
    LoadedGate again = reload({"gatehouse.yaml"});
    ASSERT_EQ(again.services.size(), 3U) << c.name;
    EXPECT_EQ(ca(again, 0), "meanwhile") << c.name;
  }
}

TEST_F(NamedFiles, OfAnInlineService) {
  std::string gate = std::string(kGatehouse) +
                     "services:\n  d: { forward: { to: https://d, tls: { ca: d.pem } }, access: [] }\n"
                     "  e: { forward: { to: 127.0.0.1:1 }, access: [] }\n";
  files.write("gatehouse.yaml", gate);
  files.write("d.pem", "one");
  LoadedGate before = reload({"gatehouse.yaml"});
  ASSERT_EQ(before.services.size(), 5U) << format_text(before.diagnostics, Style::plain);
  files.write("d.pem", "two");
  LoadedGate after = reload({"d.pem"});
  ASSERT_EQ(after.services.size(), 5U);
  EXPECT_EQ(ca(after, 3), "two");
  EXPECT_EQ(after.services[4], before.services[4]);
  EXPECT_EQ(after.services[0], before.services[0]);
}

TEST_F(NamedFiles, OfGatehouseYamlMakeANewGateAndTheSameServices) {
  files.write(
      "gatehouse.yaml",
      "listen: [{ address: \":443\", tls: { certificate: api.pem, key: api.key, ocsp: api.ocsp } }]\n");
  files.write("api.pem", "certificate");
  files.write("api.key", "key");
  files.write("api.ocsp", "answer");
  LoadedGate before = reload({"gatehouse.yaml"});
  ASSERT_TRUE(before.loaded()) << format_text(before.diagnostics, Style::plain);
  EXPECT_EQ(before.referenced_files, (std::vector<std::string>{"api.key", "api.ocsp", "api.pem", "ca.pem"}));
  for (const char* path : {"api.pem", "api.key", "api.ocsp"}) {
    files.write(path, "rotated");
    LoadedGate after = reload({path});
    ASSERT_TRUE(after.loaded());
    EXPECT_NE(after.gate, before.gate) << path;
    EXPECT_EQ(after.services, before.services) << path;
    const CertificateFiles& used = after.gate->listeners[0].tls->certificates[0];
    const FileText& changed = path == used.key.file           ? used.key
                              : path == used.certificate.file ? used.certificate
                                                              : used.ocsp;
    EXPECT_EQ(changed.text, "rotated") << path;
    before = std::move(after);
  }
  EXPECT_EQ(reload({"api.key"}).gate, before.gate);
}

TEST_F(NamedFiles, NamedByAValue) {
  files.write("services/a.yaml",
              "forward: { to: https://a.example, tls: { ca: \"${ca}\" } }\naccess: [{ allow: anyone }]\n");
  files.write("environments/local.yaml", "ca: { file: own.pem }\n");
  files.write("own.pem", "one\n");
  LoadedGate before = reload({"services/a.yaml", "environments/local.yaml"});
  ASSERT_EQ(before.services.size(), 3U) << format_text(before.diagnostics, Style::plain);
  EXPECT_EQ(before.services[0]->forward.tls.ca.file, "own.pem");
  EXPECT_EQ(before.referenced_files, (std::vector<std::string>{"ca.pem", "own.pem"}));
  files.write("own.pem", "two\n");
  LoadedGate after = reload({"own.pem"});
  EXPECT_EQ(ca(after, 0), "two\n");
  EXPECT_EQ(after.services[1], before.services[1]);
}

// On a machine that lacks a file the rest is checked, and what needs the file is known to be incomplete.
TEST(NamedFilesElsewhere, ArePassedOver) {
  MemoryFiles files;
  files.write("gatehouse.yaml", kGatehouse);
  files.write("services/a.yaml", kSecured);
  files.write("environments/production.yaml", "");
  LoadedGate loaded = Loader(files, "production", Loader::MissingSecrets::ignored).load();
  EXPECT_TRUE(loaded.incomplete);
  EXPECT_EQ(format_text(loaded.diagnostics, Style::plain), "");
  files.write("ca.pem", "here");
  loaded = Loader(files, "production", Loader::MissingSecrets::ignored).load();
  EXPECT_FALSE(loaded.incomplete);
  EXPECT_EQ(loaded.services.at(0)->forward.tls.ca.text, "here");
}

}  // namespace
}  // namespace config
