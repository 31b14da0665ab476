#include "io/resolver.h"

#include <map>
#include <memory>
#include <optional>

#include "io/clock.h"
#include "io/epoll.h"
#include "io/test_dns.h"

namespace io {
namespace {

using base::Reason;
using test::DnsEntry;
using test::DnsServer;

struct World {
  std::unique_ptr<Poller> poller = make_epoll_poller();
  Loop loop{system_clock(), *poller};
  base::Instant in(base::Duration d) { return loop.clock().now() + d; }
};

base::Result<Resolved> resolve(World& world, Resolver& resolver, std::string host,
                               base::Duration patience = base::seconds(20)) {
  std::optional<base::Result<Resolved>> outcome;
  auto run = [&]() -> Task<> { outcome = co_await resolver.resolve(host, world.in(patience)); };
  Task<> task = run();
  task.start();
  while (!outcome) world.loop.turn(base::kNever);
  return *outcome;
}

std::string text_of(const base::Result<Resolved>& resolved) {
  if (!resolved) return std::string(base::reason_name(resolved.error().reason));
  std::string text;
  for (const auto& ip : resolved->addresses) text += (text.empty() ? "" : " ") + base::format_ip(ip);
  return text;
}

TEST(Resolver, Names) {
  std::vector<std::string> many;
  for (int i = 1; i <= 60; ++i) many.push_back("10.1.0." + std::to_string(i));
  DnsServer server({
      {"four.test", {.v4 = {"10.0.0.9", "10.0.0.1"}, .ttl = 120}},
      {"six.test", {.v6 = {"2001:db8::2", "2001:db8::1"}, .ttl = 7}},
      {"both.test", {.v4 = {"10.0.0.1"}, .v6 = {"2001:db8::1"}}},
      {"twice.test", {.v4 = {"10.0.0.1", "10.0.0.1"}}},
      {"zero.test", {.v4 = {"10.0.0.1"}, .ttl = 0}},
      {"week.test", {.v4 = {"10.0.0.1"}, .ttl = 604800}},
      {"none.test", {}},
      {"broken.test", {.rcode = 2}},
      {"tcp.test", {.v4 = many, .v6 = {"2001:db8::1"}, .tcp_only = true}},
  });
  World world;
  auto resolver = make_dns_resolver(world.loop, {.servers = server.text()});
  struct {
    const char* host;
    const char* expected;
    int64_t ttl_s;
  } cases[] = {
      {"four.test", "10.0.0.1 10.0.0.9", 120},
      {"six.test", "2001:db8::1 2001:db8::2", 7},
      {"both.test", "10.0.0.1 2001:db8::1", 60},
      {"twice.test", "10.0.0.1", 60},
      {"zero.test", "10.0.0.1", 1},
      {"week.test", "10.0.0.1", 3600},
      {"none.test", "dns_error", 0},
      {"unknown.test", "dns_error", 0},
      {"broken.test", "dns_error", 0},
      {"192.0.2.7", "192.0.2.7", 3600},
      {"2001:db8::7", "2001:db8::7", 3600},
  };
  for (const auto& c : cases) {
    auto got = resolve(world, *resolver, c.host);
    EXPECT_EQ(text_of(got), c.expected) << c.host;
    if (got) EXPECT_EQ(got->ttl, base::seconds(c.ttl_s)) << c.host;
  }
  auto long_answer = resolve(world, *resolver, "tcp.test");
  ASSERT_TRUE(long_answer);
  EXPECT_EQ(long_answer->addresses.size(), 61u);
}

TEST(Resolver, HostsFile) {
  World world;
  auto resolver = make_dns_resolver(world.loop);
  auto got = resolve(world, *resolver, "localhost");
  ASSERT_TRUE(got);
  EXPECT_EQ(base::format_ip(got->addresses[0]), "127.0.0.1");
  EXPECT_EQ(got->ttl, kTtlUnknown);
}

TEST(Resolver, DeadlineEndsASilentServer) {
  DnsServer server({{"silent.test", {.silent = true}}});
  World world;
  auto resolver = make_dns_resolver(world.loop, {.servers = server.text()});
  EXPECT_EQ(text_of(resolve(world, *resolver, "silent.test", base::milliseconds(30))), "dns_timeout");
  EXPECT_EQ(text_of(resolve(world, *resolver, "silent.test", base::milliseconds(0))), "dns_timeout");
}

TEST(Resolver, ManyAtOnceEachInTurn) {
  std::map<std::string, DnsEntry> entries;
  for (int i = 0; i < 200; ++i)
    entries["n" + std::to_string(i) + ".test"] = {.v4 = {"10.0.0." + std::to_string(i)}};
  DnsServer server(entries);
  World world;
  auto resolver = make_dns_resolver(world.loop, {.servers = server.text()});
  int right = 0;
  int ended = 0;
  auto one = [&](int i) -> Task<> {
    auto got = co_await resolver->resolve("n" + std::to_string(i) + ".test", world.in(base::seconds(60)));
    right += text_of(got) == "10.0.0." + std::to_string(i);
    ++ended;
  };
  Scope scope;
  for (int i = 0; i < 200; ++i) scope.spawn(one(i));
  while (ended < 200) world.loop.turn(base::kNever);
  EXPECT_EQ(right, 200);
}

TEST(Resolver, GivingUpAtAnyPointIsSafe) {
  DnsServer server({{"silent.test", {.silent = true}}, {"tcp.test", {.v4 = {"10.0.0.1"}, .tcp_only = true}}});
  World world;
  auto resolver = make_dns_resolver(world.loop, {.servers = server.text()});
  for (std::string host : {"silent.test", "tcp.test"}) {
    for (int turns = 0; turns < 6; ++turns) {
      auto run = [&]() -> Task<> { co_await resolver->resolve(host, world.in(base::seconds(20))); };
      Task<> task = run();
      task.start();
      for (int i = 0; i < turns; ++i) world.loop.turn(world.in(base::milliseconds(2)));
      task.cancel();
      world.loop.turn(base::Instant{});
    }
  }
  // Giving up frees the seat, also of one that waits for it.
  auto wait = [&]() -> Task<> { co_await resolver->resolve("silent.test", world.in(base::seconds(20))); };
  {
    Scope scope;
    for (int i = 0; i < 100; ++i) scope.spawn(wait());
    world.loop.turn(base::Instant{});
  }
  EXPECT_EQ(text_of(resolve(world, *resolver, "tcp.test")), "10.0.0.1");
}

}  // namespace
}  // namespace io
