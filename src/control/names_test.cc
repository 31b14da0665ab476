// Which endpoints a service has while its names come, change and fail: a table stands in for the name
// servers, and the clock jumps from one look-up to the next.
#include "control/names.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/reason.h"
#include "io/sim.h"

namespace control {
namespace {

using Texts = std::vector<std::string>;

constexpr base::Duration kTtl = base::seconds(60);

class TableResolver final : public io::Resolver {
 public:
  io::Task<base::Result<io::Resolved>> resolve(std::string host, base::Instant) override {
    auto found = names.find(host);
    if (found == names.end()) {
      co_return base::backend_error(base::Reason::dns_error, "no such name");
    }
    io::Resolved resolved{.addresses = {}, .ttl = kTtl};
    for (const std::string& text : found->second) resolved.addresses.push_back(*base::parse_ip(text));
    co_return resolved;
  }
  std::map<std::string, Texts> names;
};

struct World : NameKeeper::Publisher {
  World() : keeper(sim.loop, resolver, *this) {}
  void publish_endpoints(const gate::Worker::ResolvedEndpoints& resolved) override {
    endpoints.clear();
    if (resolved.endpoints == nullptr) return;
    for (const backends::Endpoint& endpoint : *resolved.endpoints) endpoints.push_back(endpoint.text);
  }
  void apply(uint64_t generation, const Texts& hosts) {
    auto settings = std::make_shared<config::ServiceSettings>();
    settings->name = "orders";
    for (const std::string& host : hosts) settings->forward.to.push_back({host, 80, {}});
    keeper.apply({{.slot = 0, .generation = generation, .settings = settings}});
    sim.run_for(base::milliseconds(1));
  }

  io::SimWorld sim{1};
  TableResolver resolver;
  NameKeeper keeper;
  Texts endpoints;  // as last published
};

TEST(Names, ANameThatFailsKeepsItsLastKnownAddresses) {
  World world;
  world.resolver.names = {{"a", {"10.0.0.1"}}, {"b", {"10.0.0.2", "10.0.0.3"}}};
  world.apply(1, {"a", "b"});
  EXPECT_EQ(world.endpoints, (Texts{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}));
  world.resolver.names = {{"a", {"10.0.0.9"}}};
  world.sim.run_for(kTtl);
  EXPECT_EQ(world.endpoints, (Texts{"10.0.0.9:80", "10.0.0.2:80", "10.0.0.3:80"}));
  world.resolver.names["b"] = {"10.0.0.4"};
  world.sim.run_for(kTtl);
  EXPECT_EQ(world.endpoints, (Texts{"10.0.0.9:80", "10.0.0.4:80"}));
}

TEST(Names, NamesThatStayKeepTheirAddressesWhenOthersChange) {
  World world;
  world.resolver.names = {{"a", {"10.0.0.1"}}, {"b", {"10.0.0.2"}}, {"c", {"10.0.0.3"}}};
  world.apply(1, {"a", "b"});
  world.resolver.names.erase("a");
  world.apply(2, {"a", "c"});
  EXPECT_EQ(world.endpoints, (Texts{"10.0.0.1:80", "10.0.0.3:80"}));
}

TEST(Names, WhatWasNeverResolvedWaitsForItsFirstAnswer) {
  World world;
  world.apply(1, {"a"});
  EXPECT_EQ(world.endpoints, Texts{});
  EXPECT_EQ(world.keeper.endpoints_of(0), nullptr);
  world.resolver.names = {{"a", {"::1", "127.0.0.1"}}};
  world.sim.run_for(base::seconds(2));
  EXPECT_EQ(world.endpoints, Texts{"127.0.0.1:80"});
}

}  // namespace
}  // namespace control
