#include "control/session_database.h"

#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace control {
namespace {

using Access = SessionDatabase::Access;
using Fault = SessionDatabase::Fault;

constexpr base::WallTime kNow{1'000'000'000};
constexpr base::WallTime kLater{2'000'000'000};

class Database : public ::testing::Test {
 protected:
  Database() {
    char name[] = "/tmp/gatehouse-database-XXXXXX";
    folder = mkdtemp(name);
    path = folder + "/sessions.db";
  }
  ~Database() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<SessionDatabase> open(int64_t bytes_max = 1 << 20) {
    auto opened = SessionDatabase::open({.path = path, .bytes_max = bytes_max});
    EXPECT_TRUE(opened) << opened.error().sentence;
    return std::move(opened.value());
  }
  std::string refusal() {
    auto opened = SessionDatabase::open({.path = path});
    if (opened) return "opened";
    const char* names[] = {"full", "damaged", "unwritable", "failed"};
    return std::string(names[static_cast<size_t>(opened.error().fault)]) + ": " + opened.error().sentence;
  }
  void execute(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  void write_file(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  mode_t mode_of(const std::string& suffix) {
    struct stat status{};
    EXPECT_EQ(stat((path + suffix).c_str(), &status), 0) << suffix;
    return status.st_mode & 07777;
  }

  std::string folder;
  std::string path;
};

using Kept = std::vector<SessionDatabase::Kept>;

std::vector<std::string> texts_of(const Kept& kept) {
  std::vector<std::string> texts;
  for (const auto& entry : kept) texts.push_back(entry.text);
  return texts;
}

TEST_F(Database, NobodyElseReadsIt) {
  mode_t before = umask(0);
  write_file("");
  chmod(path.c_str(), 0666);
  auto database = open();
  umask(before);
  EXPECT_TRUE(database->put("a", "1", kLater, kNow));
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode_of(suffix), 0600u) << suffix;
}

TEST_F(Database, WhatIsNoneOfOurs) {
  write_file(
      "this is not a database, and long enough for SQLite to see that at once, whatever else it thinks");
  EXPECT_EQ(refusal(), "damaged: file is not a database");
  std::filesystem::remove(path);
  execute("CREATE TABLE entries(key, value, until); CREATE TABLE revocations(a, b)");
  EXPECT_EQ(refusal(), "damaged: it is a database of something else");
  std::filesystem::remove(path);
  open();
  execute("PRAGMA user_version = 2");
  EXPECT_EQ(refusal(), "damaged: it was made by another version of gatehouse");
  execute("PRAGMA user_version = 1");
  EXPECT_EQ(refusal(), "opened");
  std::filesystem::remove(path);
  write_file("");
  EXPECT_EQ(refusal(), "opened");
}

TEST_F(Database, WhereNoneCanBe) {
  path = folder + "/there/is/none";
  EXPECT_EQ(refusal(), "unwritable: unable to open database file");
  path = folder;
  EXPECT_EQ(refusal(), "unwritable: unable to open database file");
}

TEST_F(Database, WhatIsRolledBackNeverWas) {
  auto database = open();
  EXPECT_TRUE(database->put("a", "1", kLater, kNow));
  EXPECT_TRUE(database->begin(Access::writes));
  EXPECT_TRUE(database->put("a", "2", kLater, kNow));
  EXPECT_EQ(database->claim("b", kLater, kNow).value(), true);
  database->roll_back();
  EXPECT_EQ(database->get("a", kNow).value(), "1");
  EXPECT_EQ(database->claim("b", kLater, kNow).value(), true);
}

TEST_F(Database, AClaimThatHasPassedIsFree) {
  auto database = open();
  EXPECT_EQ(database->claim("a", kLater, kNow).value(), true);
  EXPECT_EQ(database->claim("a", kLater, kNow).value(), false);
  EXPECT_EQ(database->claim("a", {kLater.ns + 2}, {kLater.ns - 1}).value(), false);
  EXPECT_EQ(database->claim("a", {kLater.ns + 2}, kLater).value(), true);
  EXPECT_EQ(database->claim("a", {kLater.ns + 9}, kLater).value(), false);
}

TEST_F(Database, WhatHasPassedIsRemoved) {
  auto database = open();
  EXPECT_TRUE(database->begin(Access::writes));
  for (int i = 0; i < 1200; ++i) {
    EXPECT_TRUE(database->put(std::to_string(i), "x", i % 2 == 0 ? kNow : kLater, kNow));
  }
  EXPECT_TRUE(database->commit());
  EXPECT_TRUE(database->add_revocation("passed", kNow));
  EXPECT_TRUE(database->add_revocation("lasting", kLater));
  EXPECT_EQ(database->forget_passed({kNow.ns - 1}).value(), false);
  while (database->forget_passed(kNow).value()) {
  }
  EXPECT_EQ(texts_of(database->revocations_after(0).value()), std::vector<std::string>{"lasting"});
  database.reset();
  // Looked at without regard to time.
  sqlite3* db = nullptr;
  sqlite3_open(path.c_str(), &db);
  sqlite3_stmt* count = nullptr;
  sqlite3_prepare_v2(db, "SELECT count(*) FROM entries", -1, &count, nullptr);
  sqlite3_step(count);
  EXPECT_EQ(sqlite3_column_int(count, 0), 600);
  sqlite3_finalize(count);
  sqlite3_close(db);
}

TEST_F(Database, OnlySoMuchIsKept) {
  auto database = open(512 * 1024);
  std::string value(10'000, 'v');
  int fitted = 0;
  SessionDatabase::Result<> put;
  while ((put = database->put("lasting " + std::to_string(fitted), value, kLater, kNow))) ++fitted;
  EXPECT_EQ(put.error().fault, Fault::full);
  EXPECT_EQ(put.error().sentence, "it is full: 0 MiB of sessions that have not ended");
  EXPECT_GT(fitted, 30);
  EXPECT_LT(fitted, 52);
  auto claimed = database->claim(std::string(10'000, 'c'), kLater, kNow);
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().fault, Fault::full);
  // Those who sign out do so nevertheless.
  EXPECT_TRUE(database->begin(Access::writes));
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(database->add_revocation("somebody who leaves", kLater));
  EXPECT_TRUE(database->commit());
  EXPECT_TRUE(database->erase("lasting 0"));
  EXPECT_EQ(database->get("lasting 1", kNow).value(), value);
  EXPECT_LT(std::filesystem::file_size(path), 1u << 20);
  // Whatever has passed makes room, without being asked to.
  EXPECT_TRUE(database->put("new", value, {kLater.ns + 1}, kLater));
}

TEST_F(Database, TwoProcessesHearOfEachOther) {
  auto one = open();
  auto two = open();
  EXPECT_EQ(two->changed_elsewhere().value(), false);
  EXPECT_TRUE(one->add_revocation("a", kLater));
  EXPECT_EQ(two->changed_elsewhere().value(), true);
  EXPECT_EQ(two->changed_elsewhere().value(), false);
  Kept kept = two->revocations_after(0).value();
  EXPECT_EQ(texts_of(kept), std::vector<std::string>{"a"});
  int64_t seen = kept.back().number;
  // A number is never given twice, or what comes next could be taken for what was seen.
  while (one->forget_passed(kLater).value()) {
  }
  EXPECT_TRUE(one->add_revocation("b", kLater));
  EXPECT_EQ(texts_of(two->revocations_after(seen).value()), std::vector<std::string>{"b"});
  EXPECT_EQ(one->claim("c", kLater, kNow).value(), true);
  EXPECT_EQ(two->claim("c", kLater, kNow).value(), false);
}

TEST_F(Database, ManyStartAtOnce) {
  for (int round = 0; round < 10; ++round) {
    std::vector<std::thread> threads;
    std::vector<std::string> failures(6);
    for (std::string& failure : failures) {
      threads.emplace_back([&] {
        auto opened = SessionDatabase::open({.path = path});
        if (!opened) failure = opened.error().sentence;
        if (opened && !(*opened)->put("a", "1", kLater, kNow)) failure = "cannot put";
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& failure : failures) EXPECT_EQ(failure, "");
    std::filesystem::remove(path);
  }
}

// In a process of its own, since the limit is the process's.
TEST_F(Database, ADiskThatIsFull) {
  auto run = [&] {
    auto database = open();
    if (!database->put("before", "1", kLater, kNow)) return 1;
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 300 * 1024;
    setrlimit(RLIMIT_FSIZE, &limit);
    int fitted = 0;
    std::string value(10'000, 'v');
    while (fitted < 100 && database->put(std::to_string(fitted), value, kLater, kNow)) ++fitted;
    if (fitted < 5 || fitted == 100 || database->in_transaction()) return 2;
    if (database->get("before", kNow).value_or("") != "1") return 3;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!database->put("after", "1", kLater, kNow)) return 4;
    if (database->get("0", kNow).value_or("") != value) return 5;
    return 0;
  };
  EXPECT_EXIT(_exit(run()), ::testing::ExitedWithCode(0), "");
}

TEST_F(Database, RevocationsAreSavedFromWhatCannotBeUsed) {
  auto database = open();
  EXPECT_TRUE(database->begin(Access::writes));
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(database->put(std::to_string(i), std::string(1000, 'v'), kLater, kNow));
  }
  EXPECT_TRUE(database->commit());
  EXPECT_TRUE(database->add_revocation("a", kLater));
  EXPECT_TRUE(database->add_revocation("b", kNow));
  // Open elsewhere, and not yet moved from the log.
  EXPECT_EQ(texts_of(SessionDatabase::salvage_revocations(path)), (std::vector<std::string>{"a", "b"}));
  database.reset();
  execute("PRAGMA user_version = 7");
  EXPECT_EQ(texts_of(SessionDatabase::salvage_revocations(path)), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(texts_of(SessionDatabase::salvage_revocations(folder + "/none")), std::vector<std::string>{});
  EXPECT_FALSE(std::filesystem::exists(folder + "/none"));
  write_file(std::string(10'000, 'x'));
  EXPECT_EQ(texts_of(SessionDatabase::salvage_revocations(path)), std::vector<std::string>{});
}

}  // namespace
}  // namespace control
