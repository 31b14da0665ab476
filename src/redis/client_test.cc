// The connection in a simulated world, where a second's silence takes no time. control/redis_store_test.cc
// has a real server.
#include "redis/client.h"

#include <algorithm>

#include "redis/test_server.h"
#include "tls/test_meeting.h"

namespace redis {
namespace {

using testing::TableResolver;
using testing::TestServer;
using Texts = std::vector<std::string>;

const io::Address kServer = io::sim_address(1, 6379);

struct World {
  explicit World(uint64_t seed = 1) : sim(seed) { resolver.names["cache"] = {kServer.ip}; }

  Client& connect(const std::string& url = "redis://cache",
                  std::shared_ptr<const tls::ClientContext> tls = {}) {
    client = std::make_unique<Client>(
        ClientParts{.loop = sim.loop, .network = sim.network, .resolver = resolver, .tls = std::move(tls)},
        *parse_target(url));
    sim.run_for(base::milliseconds(1));
    return *client;
  }

  struct Asked {
    std::string outcome;  // empty: none yet
    base::Duration took;
    io::Task<> task;
  };
  std::unique_ptr<Asked> begin(std::vector<Command> commands) {
    auto asked = std::make_unique<Asked>();
    auto run = [](World& world, Asked& into, std::vector<Command> words) -> io::Task<> {
      base::Instant began = world.sim.clock.now();
      auto replies = co_await world.client->ask(std::move(words));
      into.took = world.sim.clock.now() - began;
      if (!replies) into.outcome = "failed: " + replies.error();
      if (replies) {
        for (const Reply& reply : *replies) into.outcome += (into.outcome.empty() ? "" : ",") + reply.text;
      }
    };
    asked->task = run(*this, *asked, std::move(commands));
    asked->task.start();
    return asked;
  }
  std::unique_ptr<Asked> echo(const std::string& text) { return begin({{"ECHO", text}}); }
  std::string finish(Asked& asked) {
    EXPECT_TRUE(sim.run_until([&] { return !asked.outcome.empty(); }, base::seconds(60)));
    return asked.outcome;
  }
  std::string ask(std::vector<Command> commands) { return finish(*begin(std::move(commands))); }

  io::SimWorld sim;
  TableResolver resolver;
  std::unique_ptr<Client> client;
};

TEST(Client, ManyAtOnceAndEachGetsItsOwn) {
  World world;
  TestServer server(world.sim, kServer);
  world.connect();
  std::vector<std::unique_ptr<World::Asked>> all;
  for (int i = 0; i < 5000; ++i) {
    std::string text = std::to_string(i);
    all.push_back(i % 3 == 0 ? world.begin({{"ECHO", text}, {"ECHO", text}}) : world.echo(text));
  }
  for (int i = 0; i < 5000; ++i) {
    std::string text = std::to_string(i);
    EXPECT_EQ(world.finish(*all[static_cast<size_t>(i)]), i % 3 == 0 ? text + "," + text : text);
  }
  EXPECT_EQ(server.connections, 1u);
}

TEST(Client, AnErrorOfTheServersIsAReply) {
  World world;
  TestServer server(world.sim, kServer);
  server.answers["SET"] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  world.connect();
  EXPECT_EQ(world.ask({{"SET", "a", "b"}}), "OOM command not allowed when used memory > 'maxmemory'.");
  EXPECT_EQ(world.ask({{"ECHO", "x"}}), "x");
  EXPECT_EQ(world.client->problem(), "");
  EXPECT_EQ(server.connections, 1u);
}

TEST(Client, SaysWhoItIsFirst) {
  struct {
    const char* url;
    Texts greeting;
  } cases[] = {
      {"redis://cache", {}},
      {"redis://cache/3", {"SELECT 3"}},
      {"redis://:secret@cache", {"AUTH secret"}},
      {"redis://gate:secret@cache/2", {"AUTH gate secret", "SELECT 2"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.url);
    World world;
    TestServer server(world.sim, kServer);
    world.connect(c.url);
    EXPECT_EQ(world.ask({{"ECHO", "x"}}), "x");
    Texts expected = c.greeting;
    expected.push_back("ECHO x");
    EXPECT_EQ(server.commands, expected);
  }
}

TEST(Client, ARefusalIsToldWithoutTheSecret) {
  World world;
  TestServer server(world.sim, kServer);
  server.answers["AUTH"] = "-WRONGPASS invalid \x1b[31m pair\r\n";
  world.connect("redis://gate:hunter2@cache");
  auto asked = world.echo("x");
  EXPECT_EQ(world.finish(*asked),
            "failed: redis://cache:6379/0: the server refuses us: WRONGPASS invalid ?[31m pair");
  EXPECT_LE(asked->took, kPatience + base::milliseconds(2));
  server.answers.clear();
  EXPECT_EQ(world.ask({{"ECHO", "y"}}), "y");
  EXPECT_EQ(std::ranges::count(server.commands, "ECHO x"), 0);
}

TEST(Client, AServerThatIsNotReadyIsWaitedFor) {
  World world;
  TestServer server(world.sim, kServer);
  server.answers["PING"] = "-LOADING Redis is loading the dataset in memory\r\n";
  world.connect();
  auto asked = world.echo("x");
  world.sim.run_for(base::milliseconds(300));
  server.answers.clear();
  EXPECT_EQ(world.finish(*asked), "x");
}

TEST(Client, ASilentServerFailsCallsInTimeAndIsLeft) {
  World world;
  TestServer server(world.sim, kServer);
  world.connect();
  server.silent = true;
  auto asked = world.echo("x");
  world.sim.run_for(base::milliseconds(500));
  auto later = world.echo("y");
  EXPECT_EQ(world.finish(*asked), "failed: redis://cache:6379/0: no answer within 1000 ms");
  EXPECT_LE(asked->took, kPatience + base::milliseconds(2));
  EXPECT_NE(world.finish(*later).find("no answer within 1000 ms"), std::string::npos);
  EXPECT_LE(later->took, kPatience + base::milliseconds(2));
  // Back again, and the late answers to those questions are nobody else's.
  server.silent = false;
  world.sim.run_for(base::seconds(10));
  EXPECT_EQ(world.ask({{"ECHO", "z"}}), "z");
  EXPECT_EQ(world.client->problem(), "");
  EXPECT_GT(server.connections, 1u);
  EXPECT_EQ(server.open(), 1u);
}

TEST(Client, WithoutAServerCallsFailInTimeAndWorkOnceItIsThere) {
  World world;
  world.connect();
  auto asked = world.echo("x");
  EXPECT_EQ(world.finish(*asked), "failed: redis://cache:6379/0: cannot connect: Connection refused");
  EXPECT_LE(asked->took, kPatience + base::milliseconds(2));
  auto waits = world.echo("y");
  TestServer server(world.sim, kServer);
  world.sim.run_for(base::seconds(4));
  EXPECT_EQ(world.ask({{"ECHO", "z"}}), "z");
  // Whoever gave up is not served later: a claim that was reported as failed must not be taken afterwards.
  EXPECT_EQ(std::ranges::count(server.commands, "ECHO x"), 0);
}

TEST(Client, AShortRestartIsNotNoticed) {
  World world;
  auto server = std::make_unique<TestServer>(world.sim, kServer);
  world.connect();
  EXPECT_EQ(world.ask({{"ECHO", "x"}}), "x");
  server.reset();
  world.sim.run_for(base::milliseconds(20));
  auto asked = world.echo("y");
  world.sim.run_for(base::milliseconds(200));
  TestServer another(world.sim, kServer);
  EXPECT_EQ(world.finish(*asked), "y");
}

TEST(Client, WhatWasSentAndNotAnsweredFailsAtOnceWithTheConnection) {
  World world;
  auto server = std::make_unique<TestServer>(world.sim, kServer);
  world.connect();
  server->silent = true;
  auto asked = world.echo("x");
  world.sim.run_for(base::milliseconds(10));
  server.reset();
  EXPECT_EQ(world.finish(*asked), "failed: redis://cache:6379/0: the server closed the connection");
  EXPECT_LE(asked->took, base::milliseconds(12));
}

TEST(Client, NonsenseEndsTheConnection) {
  for (const char* nonsense :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n+one more than was asked for\r\n"}) {
    SCOPED_TRACE(nonsense);
    World world;
    TestServer server(world.sim, kServer);
    world.connect();
    server.answers["GET"] = nonsense;
    world.ask({{"GET", "x"}});
    world.sim.run_for(base::seconds(1));
    EXPECT_EQ(world.ask({{"ECHO", "y"}}), "y");
    EXPECT_EQ(server.connections, 2u);
    EXPECT_EQ(server.open(), 1u);
  }
}

TEST(Client, WhoHasGoneIsNotServedAndDisturbsNobody) {
  World world;
  TestServer server(world.sim, kServer);
  world.connect();
  server.silent = true;
  auto sent = world.echo("sent");
  world.sim.run_for(base::milliseconds(1));
  auto stays = world.echo("stays");
  auto unsent = world.echo("unsent");
  unsent.reset();
  sent.reset();
  server.silent = false;
  auto last = world.echo("last");
  EXPECT_EQ(world.finish(*stays), "stays");
  EXPECT_EQ(world.finish(*last), "last");
  EXPECT_EQ(server.commands, (Texts{"ECHO sent", "ECHO stays", "ECHO last"}));
}

TEST(Client, AMasterThatBecameAReplicaIsLookedUpAnew) {
  World world;
  TestServer server(world.sim, kServer);
  TestServer other(world.sim, io::sim_address(2, 6379));
  world.connect();
  server.answers["SET"] = "-READONLY You can't write against a read only replica.\r\n";
  world.resolver.names["cache"] = {io::sim_address(2, 6379).ip};
  EXPECT_EQ(world.ask({{"SET", "a", "b"}}), "READONLY You can't write against a read only replica.");
  EXPECT_EQ(world.ask({{"SET", "a", "b"}}), "OK");
  EXPECT_EQ(other.commands, Texts{"SET a b"});
}

TEST(Client, EveryAddressOfANameIsTried) {
  World world;
  TestServer server(world.sim, kServer);
  world.resolver.names["cache"] = {io::sim_address(7, 0).ip, io::sim_address(8, 0).ip, kServer.ip};
  world.connect();
  EXPECT_EQ(world.ask({{"ECHO", "x"}}), "x");
}

TEST(Client, ANameThatIsNone) {
  World world;
  world.connect("redis://elsewhere");
  EXPECT_EQ(world.ask({{"ECHO", "x"}}), "failed: redis://elsewhere:6379/0: there is no such name");
}

TEST(Client, AServerThatVanishedInSilenceIsNoticedBeforeSomebodyAsks) {
  World world;
  TestServer server(world.sim, kServer);
  world.connect();
  world.sim.run_for(base::seconds(35));
  EXPECT_EQ(server.pings, 1u + 3u);  // the greeting's, and one for every ten seconds of quiet
  EXPECT_EQ(server.connections, 1u);
  server.silent = true;
  world.sim.run_for(base::seconds(8));
  EXPECT_EQ(world.client->problem(), "redis://cache:6379/0: no answer within 1000 ms");
}

TEST(Client, OnlySoManyWait) {
  World world;
  world.connect();
  std::vector<std::unique_ptr<World::Asked>> all;
  for (size_t i = 0; i < kCallsWaitingMax; ++i) all.push_back(world.echo("x"));
  EXPECT_EQ(world.echo("y")->outcome, "failed: 10000 calls wait for redis://cache:6379/0 already");
  all.clear();
  EXPECT_EQ(world.echo("z")->outcome, "");
}

TEST(Client, OverTls) {
  auto serve = tls::testing::compile(tls::testing::server_settings("DNS:cache"));
  auto trusting = tls::testing::compile(tls::testing::client_settings());
  struct {
    const char* url;
    const char* outcome;
  } cases[] = {
      {"rediss://cache", "x"},
      {"rediss://other", "failed: rediss://other:6379/0: no TLS connection: "},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.url);
    World world;
    TestServer server(world.sim, kServer);
    server.tls = serve;
    world.resolver.names["other"] = {kServer.ip};
    world.connect(c.url, trusting);
    std::string outcome = world.ask({{"ECHO", "x"}});
    EXPECT_TRUE(outcome.starts_with(c.outcome)) << outcome;
    EXPECT_EQ(server.commands.empty(), outcome != "x");
  }
}

// Wires that delay, cut into pieces and break: whoever gets an answer gets its own.
struct Storm final : io::SimWeather {
  io::SimLinkPlan plan(const io::Address&, io::SimRandom& random) override {
    io::SimLinkPlan plan;
    plan.delay_max = base::milliseconds(static_cast<int64_t>(random.below(20)));
    plan.piece_max = 1 + random.below(100);
    plan.window = 1 + random.below(1000);
    if (random.one_in(2)) plan.reset_after = random.below(20'000);
    if (random.one_in(6)) plan.connect = io::SimLinkPlan::Connect::refused;
    return plan;
  }
};

TEST(Client, InStormyWeather) {
  size_t good = 0, bad = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    Storm storm;
    world.sim.network.set_weather(&storm);
    TestServer server(world.sim, kServer);
    world.connect();
    io::SimRandom random(seed);
    std::vector<std::pair<std::string, std::unique_ptr<World::Asked>>> all;
    for (int i = 0; i < 300; ++i) {
      std::string text = std::to_string(i) + std::string(random.below(200), 'x');
      all.emplace_back(text, world.echo(text));
      if (random.one_in(10)) all[random.below(all.size())].second->task.cancel();
      if (random.one_in(3)) world.sim.run_for(base::milliseconds(static_cast<int64_t>(random.below(30))));
    }
    world.sim.run_for(base::seconds(5));
    for (auto& [text, asked] : all) {
      if (!asked->task.valid()) continue;
      bool own = asked->outcome == text;
      EXPECT_TRUE(own || asked->outcome.starts_with("failed: ")) << asked->outcome;
      ++(own ? good : bad);
    }
  }
  EXPECT_GT(good, bad);
  EXPECT_GT(bad, 0u);
}

}  // namespace
}  // namespace redis
