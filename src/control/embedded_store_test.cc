// What is the embedded store's alone; what it shares with Redis is in session_store_test.cc, what the file
// goes through in session_database_test.cc and session_file_test.cc.
#include <filesystem>
#include <fstream>

#include "control/session_database.h"
#include "control/session_store.h"
#include "control/test_store.h"

namespace control {
namespace {

using testing::Heard;
using testing::revocation_of;
using testing::show;
using testing::StoreWorld;

class EmbeddedStore : public ::testing::Test {
 protected:
  EmbeddedStore() {
    char name[] = "/tmp/gatehouse-embedded-XXXXXX";
    folder = mkdtemp(name);
    path = folder + "/sessions.db";
  }
  ~EmbeddedStore() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<SessionStore> make(Heard& listener) {
    return make_embedded_store(world.parts(listener), path);
  }
  std::string put(SessionStore& store, const std::string& key, const std::string& value) {
    return show(world.wait(store.put(key, value, world.in(base::seconds(600)))));
  }
  std::string get(SessionStore& store, const std::string& key) { return show(world.wait(store.get(key))); }

  std::string folder;
  std::string path;
  StoreWorld world;
  Heard heard;
};

TEST_F(EmbeddedStore, RevocationsOfBeforeAreToldBeforeItIsMade) {
  {
    auto store = make(heard);
    EXPECT_EQ(heard.caught_up_count, 1);
    world.wait(store->revoke(revocation_of("one", world.in(base::seconds(60)))));
  }
  Heard again;
  auto store = make(again);
  EXPECT_EQ(again.names, std::vector<std::string>{"one"});
  EXPECT_EQ(again.caught_up_count, 1);
}

TEST_F(EmbeddedStore, WhatWasAskedIsKeptWhenTheStoreIsClosed) {
  std::vector<io::Task<SessionStore::Result<>>> tasks;
  auto store = make(heard);
  for (int i = 0; i < 500; ++i) {
    tasks.push_back(store->put(std::to_string(i), "x", world.in(base::seconds(600))));
    tasks.back().start();
  }
  tasks.clear();
  store.reset();
  store = make(heard);
  for (int i = 0; i < 500; i += 50) EXPECT_EQ(get(*store, std::to_string(i)), "'x'");
  EXPECT_EQ(get(*store, "499"), "'x'");
}

// As when one gate takes the place of another.
TEST_F(EmbeddedStore, TwoOnOneFileHearOfEachOther) {
  Heard other_heard;
  auto one = make(heard);
  auto other = make(other_heard);
  EXPECT_EQ(put(*one, "a", "1"), "done");
  EXPECT_EQ(get(*other, "a"), "'1'");
  world.wait(one->revoke(revocation_of("from one", world.in(base::seconds(60)))));
  world.wait(other->revoke(revocation_of("from the other", world.in(base::seconds(60)))));
  EXPECT_TRUE(world.run_until([&] { return heard.of("from the other") && other_heard.of("from one"); }));
}

TEST_F(EmbeddedStore, OfTenThousandClaimsEachIsWonOnce) {
  auto one = make(heard);
  auto other = make(heard);
  std::vector<int> won(10'000);
  int failed = 0;
  size_t running = 0;
  auto claim = [&](SessionStore& store, size_t i) -> io::Task<> {
    ++running;
    auto outcome = co_await store.claim(std::to_string(i), world.in(base::seconds(600)));
    if (!outcome) ++failed;
    if (outcome && *outcome) ++won[i];
    --running;
  };
  for (size_t i = 0; i < won.size(); ++i) {
    world.scope().spawn(claim(i % 2 == 0 ? *one : *other, i));
    world.scope().spawn(claim(i % 2 == 0 ? *other : *one, i));
    if (i % 1000 == 999) EXPECT_TRUE(world.run_until([&] { return running == 0; }));
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(std::ranges::count(won, 1), 10'000);
}

TEST_F(EmbeddedStore, WhileAnotherWritesCallsWaitOnlySoLong) {
  auto store = make(heard);
  auto another = SessionDatabase::open({.path = path}).value();
  EXPECT_TRUE(another->begin(SessionDatabase::Access::writes));
  EXPECT_EQ(put(*store, "a", "1"), "database is locked");
  EXPECT_EQ(store->status().problem, "database is locked");
  EXPECT_EQ(get(*store, "a"), "nothing");  // who only reads need not wait
  another->roll_back();
  EXPECT_EQ(put(*store, "a", "1"), "done");
  EXPECT_EQ(store->status().problem, "");
}

TEST_F(EmbeddedStore, OnlySoManyCallsWait) {
  auto store = make(heard);
  auto another = SessionDatabase::open({.path = path}).value();
  EXPECT_TRUE(another->begin(SessionDatabase::Access::writes));
  std::vector<io::Task<>> tasks;
  std::vector<std::string> outcomes(10'300);  // those under way, too, and some
  auto put_one = [&](std::string& outcome) -> io::Task<> {
    outcome = show(co_await store->put("a", "1", world.in(base::seconds(600))));
  };
  for (std::string& outcome : outcomes) {
    tasks.push_back(put_one(outcome));
    tasks.back().start();
  }
  EXPECT_EQ(outcomes.back(), "10000 calls wait for the disk already");
  another->roll_back();
  EXPECT_TRUE(
      world.run_until([&] { return std::ranges::all_of(tasks, [](auto& task) { return task.done(); }); }));
  EXPECT_GE(std::ranges::count(outcomes, "done"), 9'000);
}

TEST_F(EmbeddedStore, AFileThatIsDamagedWhileItIsOpen) {
  auto store = make(heard);
  world.wait(store->revoke(revocation_of("one", world.in(base::seconds(600)))));
  std::string value(50'000, 'v');  // all together more than is held in memory
  for (int i = 0; i < 100; ++i) EXPECT_EQ(put(*store, std::to_string(i), value), "done");
  auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(16 * 4096);
    file << std::string(size - 16 * 4096, 'x');
  }
  int lost = 0;
  for (int i = 0; i < 100; ++i) lost += get(*store, std::to_string(i)) == "nothing";
  EXPECT_GT(lost, 50);
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
  EXPECT_EQ(store->status().problem, "");
  EXPECT_EQ(store->status().location, path);
  EXPECT_EQ(put(*store, "new", value), "done");
  store.reset();
  Heard again;
  store = make(again);
  EXPECT_EQ(again.names, std::vector<std::string>{"one"});
  EXPECT_EQ(get(*store, "new"), "'" + value + "'");
}

TEST_F(EmbeddedStore, AFileWhoseRevocationsCannotBeRead) {
  {
    auto database = SessionDatabase::open({.path = path}).value();
    EXPECT_TRUE(database->begin(SessionDatabase::Access::writes));
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(database->add_revocation(std::string(1000, 'r'), world.in(base::seconds(600))));
    }
    EXPECT_TRUE(database->commit());
  }
  auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);  // the first page says whose it is and what is in it
    file << std::string(size - 4096, 'x');
  }
  auto store = make(heard);
  EXPECT_EQ(heard.caught_up_count, 1);
  EXPECT_EQ(store->status().location, path);
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
  EXPECT_EQ(put(*store, "a", "1"), "done");
}

}  // namespace
}  // namespace control
