#include "control/session_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace control {
namespace {

constexpr base::WallTime kNow{1'000'000'000};
constexpr base::WallTime kLater{2'000'000'000};

class SessionFile : public ::testing::Test {
 protected:
  SessionFile() {
    char name[] = "/tmp/gatehouse-file-XXXXXX";
    folder = mkdtemp(name);
    path = folder + "/sessions.db";
  }
  ~SessionFile() override { std::filesystem::remove_all(folder); }

  OpenedSessions open() { return open_session_file({.path = path}, kNow); }
  static std::string revocations(const OpenedSessions& opened) {
    std::string texts;
    for (const auto& kept : opened.database->revocations_after(0).value()) texts += kept.text + " ";
    return texts;
  }
  static std::string read(const std::string& file) {
    std::stringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  void fill() {
    OpenedSessions opened = open();
    EXPECT_TRUE(opened.database->put("a", "1", kLater, kNow));
    EXPECT_TRUE(opened.database->add_revocation("one", kLater));
    EXPECT_TRUE(opened.database->add_revocation("passed", kNow));
    EXPECT_TRUE(opened.database->add_revocation("two", kLater));
  }
  // The version stands in the header at byte 60 (SQLite's file format, §1.3).
  void change_version() {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(63);
    file.put(9);
  }

  std::string folder;
  std::string path;
};

TEST_F(SessionFile, IsFoundAsItWasLeft) {
  fill();
  OpenedSessions opened = open();
  EXPECT_EQ(opened.location, path);
  EXPECT_EQ(opened.problem, "");
  EXPECT_EQ(opened.database->get("a", kNow).value(), "1");
  EXPECT_EQ(revocations(opened), "one passed two ");
}

TEST_F(SessionFile, WhatIsSomebodyElsesIsSetAsideAsItIs) {
  std::string theirs = "what somebody keeps under this name, " + std::string(5000, 'x');
  std::ofstream(path, std::ios::binary) << theirs;
  std::ofstream(path + "-wal", std::ios::binary) << "and beside it";
  OpenedSessions opened = open();
  EXPECT_EQ(opened.location, path);
  EXPECT_EQ(opened.problem, "");
  EXPECT_TRUE(opened.database->put("a", "1", kLater, kNow));
  EXPECT_EQ(read(path + ".damaged"), theirs);
}

TEST_F(SessionFile, RevocationsSurviveWhereTheyCanBeRead) {
  fill();
  change_version();
  OpenedSessions opened = open();
  EXPECT_EQ(opened.location, path);
  EXPECT_EQ(opened.database->get("a", kNow).value(), std::nullopt);
  EXPECT_EQ(revocations(opened), "one two ");
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
}

TEST_F(SessionFile, OneThatIsSetAsideIsEnough) {
  size_t files[3] = {};
  for (size_t& count : files) {
    fill();
    change_version();
    EXPECT_EQ(revocations(open()), "one two ");
    std::filesystem::remove(path);
    std::filesystem::directory_iterator all(folder);
    count = static_cast<size_t>(std::distance(all, {}));
  }
  EXPECT_GE(files[0], 1u);
  EXPECT_EQ(files[2], files[0]);
}

TEST_F(SessionFile, InMemoryWhereNoneCanBe) {
  path = folder + "/none/sessions.db";
  OpenedSessions opened = open();
  EXPECT_EQ(opened.location, "memory");
  EXPECT_EQ(opened.problem, path + " cannot be used: unable to open database file");
  EXPECT_TRUE(opened.database->put("a", "1", kLater, kNow));
  EXPECT_EQ(opened.database->get("a", kNow).value(), "1");
}

// In a process without root's rights, which no mode stops.
TEST_F(SessionFile, InMemoryWhereItMayOnlyBeRead) {
  fill();
  chmod(path.c_str(), 0444);
  chmod(folder.c_str(), 0555);
  auto run = [&] {
    if (geteuid() == 0 && setuid(65534) != 0) return 1;
    OpenedSessions opened = open();
    if (opened.location != "memory") return 2;
    if (opened.problem != path + " cannot be used: attempt to write a readonly database") return 3;
    if (revocations(opened) != "one two ") return 4;
    return 0;
  };
  EXPECT_EXIT(_exit(run()), ::testing::ExitedWithCode(0), "");
  chmod(folder.c_str(), 0755);
}

}  // namespace
}  // namespace control
