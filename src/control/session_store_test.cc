// What both stores promise, on each of them: a file, memory, a real Redis server.
#include "control/session_store.h"

#include <filesystem>

#include "control/test_redis.h"
#include "control/test_store.h"

namespace control {
namespace {

using testing::Heard;
using testing::RedisServer;
using testing::revocation_of;
using testing::show;
using testing::StoreWorld;

class SessionStores : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kind_ = GetParam();
    if (kind_ == "redis") {
      if (RedisServer::missing()) GTEST_SKIP() << "redis-server is not installed";
      server_ = std::make_unique<RedisServer>();
    } else {
      char name[] = "/tmp/gatehouse-store-XXXXXX";
      folder_ = mkdtemp(name);
    }
    store = make(heard);
  }
  void TearDown() override {
    store.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<SessionStore> make(Heard& listener) {
    if (kind_ == "redis") return make_redis_store(world.parts(listener), server_->url()).value();
    return make_embedded_store(world.parts(listener),
                               kind_ == "file" ? folder_ + "/sessions.db" : "/nowhere/x");
  }

  std::string put(const std::string& key, const std::string& value, base::Duration time = base::seconds(60)) {
    return show(world.wait(store->put(key, value, world.in(time))));
  }
  std::string get(const std::string& key) { return show(world.wait(store->get(key))); }
  std::string erase(const std::string& key) { return show(world.wait(store->erase(key))); }
  std::string claim(const std::string& key, base::Duration time = base::seconds(60)) {
    return show(world.wait(store->claim(key, world.in(time))));
  }

  std::string kind_;
  std::string folder_;
  std::unique_ptr<RedisServer> server_;
  StoreWorld world;
  Heard heard;
  std::unique_ptr<SessionStore> store;
};

TEST_P(SessionStores, WhatWasPutIsThereUntilItIsErased) {
  EXPECT_EQ(get("a"), "nothing");
  EXPECT_EQ(put("a", "1"), "done");
  EXPECT_EQ(put("b", "2"), "done");
  EXPECT_EQ(get("a"), "'1'");
  EXPECT_EQ(put("a", "3"), "done");
  EXPECT_EQ(get("a"), "'3'");
  EXPECT_EQ(erase("a"), "done");
  EXPECT_EQ(erase("a"), "done");
  EXPECT_EQ(get("a"), "nothing");
  EXPECT_EQ(get("b"), "'2'");
}

TEST_P(SessionStores, AnyBytes) {
  std::string key = std::string("a\0b\r\n'\xff", 7);
  std::string value = std::string("\0\r\n$1\r\n\xff", 8);
  EXPECT_EQ(put(key, value), "done");
  EXPECT_EQ(get(key), "'" + value + "'");
  EXPECT_EQ(get("a"), "nothing");
  EXPECT_EQ(put("empty", ""), "done");
  EXPECT_EQ(get("empty"), "''");
  EXPECT_EQ(put("", "of no name"), "done");
  EXPECT_EQ(get(""), "'of no name'");
}

TEST_P(SessionStores, NothingIsThereWhenItsTimeHasPassed) {
  EXPECT_EQ(put("passed", "1", base::seconds(-1)), "done");
  EXPECT_EQ(get("passed"), "nothing");
  EXPECT_EQ(put("replaced", "1"), "done");
  EXPECT_EQ(put("replaced", "2", base::nanoseconds(0)), "done");
  EXPECT_EQ(get("replaced"), "nothing");
  EXPECT_EQ(put("short", "1", base::milliseconds(30)), "done");
  EXPECT_EQ(put("long", "1"), "done");
  EXPECT_TRUE(world.run_until([&] { return get("short") == "nothing"; }));
  EXPECT_EQ(get("long"), "'1'");
}

TEST_P(SessionStores, OneIsTheFirst) {
  EXPECT_EQ(claim("a"), "first");
  EXPECT_EQ(claim("a"), "taken");
  EXPECT_EQ(claim("b"), "first");
  EXPECT_EQ(get("a"), "''");
  EXPECT_EQ(erase("a"), "done");
  EXPECT_EQ(claim("a"), "first");
  EXPECT_EQ(put("c", "1"), "done");
  EXPECT_EQ(claim("c"), "taken");
  EXPECT_EQ(get("c"), "'1'");
}

TEST_P(SessionStores, AClaimsTime) {
  // On a busy machine its time may have passed before it is looked at.
  EXPECT_TRUE(world.run_until([&] { return claim("short", base::milliseconds(30)) == "first"; }));
  EXPECT_TRUE(world.run_until([&] { return claim("short", base::seconds(60)) == "first"; }));
  EXPECT_EQ(claim("short"), "taken");
  // What is over cannot be claimed, or it could be used once more.
  EXPECT_EQ(claim("passed", base::seconds(-1)), "taken");
  EXPECT_EQ(claim("passed"), "first");
}

TEST_P(SessionStores, SizesAreBounded) {
  std::string key(kStoreKeyBytesMax, 'k');
  std::string value(kStoreValueBytesMax, 'v');
  EXPECT_EQ(put(key, value), "done");
  EXPECT_EQ(get(key), "'" + value + "'");
  EXPECT_EQ(put(key + "k", ""), "a key has more than 512 bytes");
  EXPECT_EQ(claim(key + "k"), "a key has more than 512 bytes");
  EXPECT_EQ(put("a", value + "v"), "a session's data are larger than 256 KiB");
  EXPECT_EQ(get(key + "k"), "nothing");
}

TEST_P(SessionStores, ARevocationIsToldAtOnceAndKept) {
  EXPECT_TRUE(world.run_until([&] { return heard.caught_up_count == 1; }));
  EXPECT_TRUE(heard.names.empty());
  auto asked = store->revoke(revocation_of("one", world.in(base::seconds(60))));
  asked.start();
  EXPECT_TRUE(heard.of("one"));
  asked.cancel();  // whoever asked may be gone
  EXPECT_EQ(show(world.wait(store->revoke(revocation_of("two", world.in(base::seconds(60)))))), "done");
  if (kind_ == "memory") return;
  // By the same name after a restart, before anything else.
  store.reset();
  Heard again;
  store = make(again);
  EXPECT_TRUE(world.run_until([&] { return again.caught_up_count == 1; }));
  EXPECT_TRUE(again.of("two"));
}

TEST_P(SessionStores, RevocationsThatHavePassedAreNotTold) {
  EXPECT_EQ(show(world.wait(store->revoke(revocation_of("passed", world.in(base::seconds(-1)))))), "done");
  EXPECT_EQ(show(world.wait(store->revoke(revocation_of("lasting", world.in(base::seconds(60)))))), "done");
  if (kind_ == "memory") return;
  store.reset();
  Heard again;
  store = make(again);
  EXPECT_TRUE(world.run_until([&] { return again.caught_up_count == 1; }));
  EXPECT_EQ(again.names, std::vector<std::string>{"lasting"});
}

TEST_P(SessionStores, ManyAtOnceAndSomeOfThemGone) {
  std::vector<std::string> outcomes(2000);
  std::vector<io::Task<>> tasks;
  auto run = [this](int i, std::string& outcome) -> io::Task<> {
    std::string key = std::to_string(i);
    auto put = co_await store->put(key, "v" + key, world.in(base::seconds(60)));
    auto got = co_await store->get(key);
    outcome = show(put) + " " + show(got);
  };
  for (int i = 0; i < 2000; ++i) {
    tasks.push_back(run(i, outcomes[static_cast<size_t>(i)]));
    tasks.back().start();
    if (i % 3 == 0) world.loop.turn(base::Instant{1});
    if (i % 5 == 0) tasks[static_cast<size_t>(i / 2)].cancel();
  }
  EXPECT_TRUE(world.run_until([&] {
    return std::ranges::none_of(tasks, [](const auto& task) { return task.valid() && !task.done(); });
  }));
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].valid()) EXPECT_EQ(outcomes[i], "done 'v" + std::to_string(i) + "'");
  }
}

TEST_P(SessionStores, Status) {
  EXPECT_EQ(put("a", "1"), "done");
  SessionStore::Status status = store->status();
  if (kind_ == "redis") {
    EXPECT_EQ(status.kind, "redis");
    EXPECT_EQ(status.location, "unix:" + server_->socket() + "?db=0");
    EXPECT_EQ(status.problem, "");
  } else if (kind_ == "file") {
    EXPECT_EQ(status.kind, "embedded");
    EXPECT_EQ(status.location, folder_ + "/sessions.db");
    EXPECT_EQ(status.problem, "");
  } else {
    EXPECT_EQ(status.kind, "embedded");
    EXPECT_EQ(status.location, "memory");
    EXPECT_EQ(status.problem, "/nowhere/x cannot be used: unable to open database file");
  }
}

INSTANTIATE_TEST_SUITE_P(All, SessionStores, ::testing::Values("file", "memory", "redis"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace control
