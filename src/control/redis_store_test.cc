// The Redis store beside a real server to which everything happens that can; what it shares with the embedded
// one is in session_store_test.cc, the connection by itself in redis/client_test.cc.
#include <netinet/in.h>

#include <fstream>

#include "control/session_store.h"
#include "control/test_redis.h"
#include "control/test_store.h"
#include "redis/reply.h"
#include "tls/certificate.h"
#include "tls/test_certificates.h"

namespace control {
namespace {

using testing::Heard;
using testing::RedisServer;
using testing::revocation_of;
using testing::show;
using testing::StoreWorld;

#define NEEDS_REDIS() \
  if (RedisServer::missing()) GTEST_SKIP() << "redis-server is not installed"

struct World : StoreWorld {
  std::unique_ptr<SessionStore> connect(const std::string& url, Heard& listener,
                                        std::shared_ptr<const tls::TrustStore> trust = nullptr) {
    return make_redis_store(parts(listener), url, std::move(trust)).value();
  }
  std::string put(SessionStore& store, const std::string& key, const std::string& value) {
    return show(wait(store.put(key, value, in(base::seconds(600)))));
  }
  std::string get(SessionStore& store, const std::string& key) { return show(wait(store.get(key))); }
  std::string revoke(SessionStore& store, const std::string& name, base::Duration time = base::seconds(600)) {
    return show(wait(store.revoke(revocation_of(name, in(time)))));
  }
  bool catches_up(const Heard& heard) {
    return run_until([&] { return heard.caught_up_count == 1; });
  }
  bool hears(const Heard& heard, const std::string& name) {
    return run_until([&] { return heard.of(name); });
  }
  bool recovers(SessionStore& store) {
    return run_until([&] { return put(store, "recovery", "x") == "done" && store.status().problem.empty(); });
  }
  // As another gate would, without a store.
  std::string add_revocation(RedisServer& server, const std::string& name) {
    std::string bytes;
    redis::append_command(bytes, {"XADD", "gatehouse:revocations", "*", "r",
                                  auth::encode_revocation(revocation_of(name, in(base::seconds(600))))});
    return server.tell(bytes);
  }
  Heard heard;
};

TEST(RedisStore, GatesHearOfEachOther) {
  NEEDS_REDIS();
  RedisServer server;
  World world;
  Heard other_heard;
  auto one = world.connect(server.url(), world.heard);
  auto other = world.connect(server.url(), other_heard);
  EXPECT_TRUE(world.catches_up(world.heard) && world.catches_up(other_heard));
  EXPECT_EQ(world.put(*one, "a", "1"), "done");
  EXPECT_EQ(world.get(*other, "a"), "'1'");
  EXPECT_EQ(world.revoke(*one, "from one"), "done");
  EXPECT_TRUE(world.hears(other_heard, "from one"));
  EXPECT_EQ(world.revoke(*other, "from the other"), "done");
  EXPECT_TRUE(world.hears(world.heard, "from the other"));
}

TEST(RedisStore, NothingStaysForEver) {
  NEEDS_REDIS();
  RedisServer server;
  World world;
  auto store = world.connect(server.url(), world.heard);
  EXPECT_EQ(world.put(*store, "a", "1"), "done");
  EXPECT_EQ(show(world.wait(store->claim("b", world.in(base::seconds(600))))), "first");
  for (const char* key : {"a", "b"}) {
    std::string left = server.tell(std::string("PTTL gatehouse:entry:") + key);
    EXPECT_GT(std::stoll(left.substr(1)), 590'000) << left;
    EXPECT_LE(std::stoll(left.substr(1)), 600'000) << left;
  }
  for (int i = 0; i < 600; ++i) {
    auto task = store->revoke(revocation_of("passed", world.in(base::seconds(-1))));
    task.start();
    world.loop.turn(world.loop.now() + base::milliseconds(1));
  }
  EXPECT_EQ(world.revoke(*store, "lasting"), "done");
  Heard again;
  auto another = world.connect(server.url(), again);
  EXPECT_TRUE(world.catches_up(again));
  EXPECT_EQ(again.names, std::vector<std::string>{"lasting"});
  EXPECT_EQ(server.tell("XLEN gatehouse:revocations"), ":1\r\n");
}

TEST(RedisStore, ManyRevocationsAreAllToldBeforeItHasCaughtUp) {
  NEEDS_REDIS();
  RedisServer server;
  World world;
  std::string bytes;
  for (int i = 0; i < 1500; ++i) {
    redis::append_command(
        bytes, {"XADD", "gatehouse:revocations", "*", "r",
                auth::encode_revocation(revocation_of(std::to_string(i), world.in(base::seconds(600))))});
  }
  redis::append_command(bytes, {"XADD", "gatehouse:revocations", "*", "r", "what no version writes"});
  redis::append_command(bytes, {"XADD", "gatehouse:revocations", "*", "a", "b", "c", "d"});
  server.tell(bytes);
  EXPECT_EQ(server.tell("XLEN gatehouse:revocations"), ":1502\r\n");
  size_t told = 0;
  struct Counting final : SessionStore::Listener {
    explicit Counting(size_t& count) : count(count) {}
    void revoked(const auth::Revocation&) override { ++count; }
    void caught_up() override { at_caught_up = count; }
    size_t& count;
    size_t at_caught_up = 0;
  } counting(told);
  auto store = make_redis_store(world.parts(counting), server.url()).value();
  EXPECT_TRUE(world.run_until([&] { return counting.at_caught_up > 0; }));
  EXPECT_EQ(counting.at_caught_up, 1500u);
}

TEST(RedisStore, WhatIsRevokedDuringABreakIsHeardAfterIt) {
  NEEDS_REDIS();
  RedisServer server;
  World world;
  auto store = world.connect(server.url(), world.heard);
  EXPECT_TRUE(world.catches_up(world.heard));
  for (int round = 0; round < 3; ++round) {
    if (round > 0) world.run_for(base::milliseconds(20));  // while it waits for news
    server.tell("CLIENT KILL TYPE normal SKIPME yes");
    std::string name = "missed " + std::to_string(round);
    EXPECT_TRUE(world.add_revocation(server, name).starts_with("$"));
    EXPECT_TRUE(world.hears(world.heard, name));
  }
  EXPECT_EQ(world.heard.caught_up_count, 1);
}

TEST(RedisStore, AServerThatIsNotThereYet) {
  NEEDS_REDIS();
  RedisServer server;
  server.stop();
  World world;
  auto store = world.connect(server.url(), world.heard);
  std::string location = "unix:" + server.socket() + "?db=0";
  std::string problem = location + ": cannot connect: No such file or directory";
  EXPECT_EQ(world.put(*store, "a", "1"), problem);
  EXPECT_EQ(world.get(*store, "a"), problem);
  EXPECT_EQ(world.revoke(*store, "told here"), problem);
  EXPECT_TRUE(world.heard.of("told here"));
  EXPECT_EQ(store->status().problem, problem);
  EXPECT_EQ(world.heard.caught_up_count, 0);
  server.start();
  EXPECT_TRUE(world.catches_up(world.heard));
  EXPECT_TRUE(world.recovers(*store));
}

TEST(RedisStore, AServerThatRestarts) {
  NEEDS_REDIS();
  for (bool keeps : {true, false}) {
    SCOPED_TRACE(keeps);
    RedisServer server({"--appendonly", keeps ? "yes" : "no", "--save", ""});
    World world;
    auto store = world.connect(server.url(), world.heard);
    EXPECT_EQ(world.put(*store, "a", "1"), "done");
    EXPECT_EQ(world.revoke(*store, "before"), "done");
    server.stop();
    EXPECT_NE(world.get(*store, "a"), "'1'");
    server.start();
    EXPECT_TRUE(world.recovers(*store));
    EXPECT_EQ(world.get(*store, "a"), keeps ? "'1'" : "nothing");
    EXPECT_TRUE(world.add_revocation(server, "after").starts_with("$"));
    EXPECT_TRUE(world.hears(world.heard, "after"));
  }
}

TEST(RedisStore, AServerThatIsPaused) {
  NEEDS_REDIS();
  RedisServer server;
  World world;
  auto store = world.connect(server.url(), world.heard);
  EXPECT_EQ(world.put(*store, "a", "1"), "done");
  server.pause();
  EXPECT_EQ(world.get(*store, "a"), "unix:" + server.socket() + "?db=0: no answer within 1000 ms");
  EXPECT_NE(show(world.wait(store->claim("b", world.in(base::seconds(600))))), "first");
  server.go_on();
  EXPECT_TRUE(world.recovers(*store));
  EXPECT_EQ(world.get(*store, "a"), "'1'");
  EXPECT_EQ(world.revoke(*store, "after"), "done");
}

TEST(RedisStore, AServerThatIsFull) {
  NEEDS_REDIS();
  RedisServer server({"--maxmemory", "1", "--maxmemory-policy", "noeviction"});
  World world;
  auto store = world.connect(server.url(), world.heard);
  std::string full =
      "unix:" + server.socket() + "?db=0: OOM command not allowed when used memory > 'maxmemory'.";
  EXPECT_EQ(world.put(*store, "a", "1"), full);
  EXPECT_EQ(show(world.wait(store->claim("b", world.in(base::seconds(600))))), full);
  EXPECT_EQ(store->status().problem, full);
  EXPECT_EQ(world.get(*store, "a"), "nothing");
  EXPECT_EQ(world.revoke(*store, "told here"), full);
  EXPECT_TRUE(world.heard.of("told here"));
  server.tell("CONFIG SET maxmemory 0");
  EXPECT_EQ(world.put(*store, "a", "1"), "done");
  EXPECT_EQ(store->status().problem, "");
}

TEST(RedisStore, AServerThatMayForget) {
  NEEDS_REDIS();
  RedisServer server({"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  World world;
  auto store = world.connect(server.url(), world.heard);
  EXPECT_TRUE(world.catches_up(world.heard));
  EXPECT_EQ(world.put(*store, "a", "1"), "done");
  EXPECT_EQ(store->status().problem,
            "unix:" + server.socket() +
                "?db=0 may forget revocations: its maxmemory-policy is allkeys-lru, and "
                "should be noeviction");
}

TEST(RedisStore, WhereRevocationsShouldBeIsSomethingElse) {
  NEEDS_REDIS();
  RedisServer server;
  server.tell("SET gatehouse:revocations x");
  World world;
  auto store = world.connect(server.url(), world.heard);
  EXPECT_TRUE(world.run_until([&] { return !store->status().problem.empty(); }));
  EXPECT_TRUE(
      store->status().problem.ends_with("WRONGTYPE Operation against a key holding the wrong kind of value"))
      << store->status().problem;
  EXPECT_EQ(world.heard.caught_up_count, 0);
  server.tell("DEL gatehouse:revocations");
  EXPECT_TRUE(world.catches_up(world.heard));
  EXPECT_TRUE(world.recovers(*store));
}

TEST(RedisStore, Passwords) {
  NEEDS_REDIS();
  RedisServer server({"--requirepass", "right"});
  std::string at = "unix:" + server.socket() + "?db=0: ";
  struct {
    const char* credentials;
    std::string outcome;
  } cases[] = {
      {"", at + "the server refuses us: NOAUTH Authentication required."},
      {":hunter2@",
       at + "the server refuses us: WRONGPASS invalid username-password pair or user is disabled."},
      {"nobody:right@",
       at + "the server refuses us: WRONGPASS invalid username-password pair or user is disabled."},
      {":right@", "done"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.credentials);
    World world;
    auto store = world.connect(std::string("unix://") + c.credentials + server.socket(), world.heard);
    EXPECT_EQ(world.put(*store, "a", "1"), c.outcome);
    EXPECT_EQ(store->status().problem, c.outcome == "done" ? "" : c.outcome);
  }
}

// The rights that docs/decisions/0013 names are enough.
TEST(RedisStore, AUserOfFewRightsAndADatabase) {
  NEEDS_REDIS();
  RedisServer server;
  EXPECT_EQ(
      server.tell(
          "ACL SETUSER gate on >pass ~gatehouse:* +ping +select +info +set +get +del +xadd +xread +xdel"),
      "+OK\r\n");
  World world;
  auto store = world.connect("unix://gate:pass@" + server.socket() + "?db=3", world.heard);
  EXPECT_TRUE(world.catches_up(world.heard));
  EXPECT_EQ(world.put(*store, "a", "1"), "done");
  EXPECT_EQ(world.get(*store, "a"), "'1'");
  EXPECT_EQ(show(world.wait(store->claim("a", world.in(base::seconds(60))))), "taken");
  EXPECT_EQ(show(world.wait(store->erase("a"))), "done");
  EXPECT_EQ(world.revoke(*store, "passed", base::seconds(-1)), "done");
  EXPECT_EQ(world.revoke(*store, "one"), "done");
  Heard again;
  auto another = world.connect("unix://gate:pass@" + server.socket() + "?db=3", again);
  EXPECT_TRUE(world.hears(again, "one"));
  EXPECT_EQ(store->status().problem, "");
  EXPECT_EQ(another->status().problem, "");
  EXPECT_NE(server.tell("INFO keyspace").find("db3:keys=1,"), std::string::npos);
}

TEST(RedisStore, OfTenThousandClaimsEachIsWonOnce) {
  NEEDS_REDIS();
  RedisServer server;
  World world;
  auto one = world.connect(server.url(), world.heard);
  auto other = world.connect(server.url(), world.heard);
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

TEST(RedisStore, UrlsThatAreNone) {
  World world;
  auto store = make_redis_store(world.parts(world.heard), "http://:hunter2@cache");
  ASSERT_FALSE(store);
  EXPECT_TRUE(store.error().starts_with("this is not the URL of a Redis server")) << store.error();
  EXPECT_EQ(store.error().find("hunter2"), std::string::npos);
}

uint16_t free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

TEST(RedisStore, OverTls) {
  NEEDS_REDIS();
  auto authority = tls::testing::make_authority("Redis CA");
  auto certificate = authority.issue({.common_name = "redis", .names = "IP:127.0.0.1"});
  char name[] = "/tmp/gatehouse-certificates-XXXXXX";
  std::string folder = mkdtemp(name);
  std::ofstream(folder + "/cert.pem") << certificate.chain_pem();
  std::ofstream(folder + "/key.pem") << certificate.key_pem();
  std::string port = std::to_string(free_port());
  RedisServer server({"--tls-port", port, "--bind", "127.0.0.1", "--tls-cert-file", folder + "/cert.pem",
                      "--tls-key-file", folder + "/key.pem", "--tls-auth-clients", "no"});
  std::filesystem::remove_all(folder);
  World world;
  std::string url = "rediss://127.0.0.1:" + port;
  auto trusting = world.connect(url, world.heard, *tls::TrustStore::from_pem(authority.pem()));
  EXPECT_EQ(world.put(*trusting, "a", "1"), "done");
  EXPECT_EQ(world.get(*trusting, "a"), "'1'");
  EXPECT_TRUE(world.catches_up(world.heard));
  EXPECT_EQ(trusting->status().location, url + "/0");

  auto stranger = tls::testing::make_authority("Somebody else");
  Heard nothing;
  auto doubting = world.connect(url, nothing, *tls::TrustStore::from_pem(stranger.pem()));
  EXPECT_TRUE(world.get(*doubting, "a").starts_with(url + "/0: no TLS connection: "))
      << world.get(*doubting, "a");
  auto plain = world.connect("redis://127.0.0.1:" + port, nothing);
  EXPECT_NE(world.get(*plain, "a"), "'1'");
  EXPECT_EQ(nothing.caught_up_count, 0);
}

}  // namespace
}  // namespace control
