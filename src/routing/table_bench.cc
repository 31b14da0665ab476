// A lookup with 1 and with 10,000 services, and compiling 10,000. "Same" asks for one service again and
// again, as its traffic does; "any" asks for another one each time, so that what the caches hold shows too.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "routing/table.h"

namespace routing {
namespace {

struct Gate {
  explicit Gate(uint32_t services) {
    for (uint32_t i = 0; i < services; ++i) {
      std::string name = "service-" + std::to_string(i * 7919 % 10'007);
      RouteSpec spec{.path = PathPattern::parse("/" + name + "/{id}").value()};
      spec.hosts.push_back(HostPattern::parse(i % 2 ? "api.example.com" : name + ".example.com").value());
      spec.source = {.file = std::make_shared<const std::string>(name), .line = 1, .column = 1};
      hosts.push_back(spec.hosts[0].text());
      paths.push_back("/" + name + "/12345");
      specs.push_back({std::move(spec)});
    }
    for (uint32_t i = 0; i < services; ++i) routes.push_back({i, specs[i]});
  }
  std::vector<std::string> hosts, paths;
  std::vector<std::vector<RouteSpec>> specs;
  std::vector<ServiceRoutes> routes;
};

void lookup_same(benchmark::State& state) {
  Gate gate(static_cast<uint32_t>(state.range(0)));
  Table table = Table::compile(gate.routes).value();
  for (auto _ : state) {
    Request request{.host = gate.hosts[0], .path = gate.paths[0], .method = http::Method::get};
    benchmark::DoNotOptimize(request);
    benchmark::DoNotOptimize(table.lookup(request));
  }
}
BENCHMARK(lookup_same)->Arg(1)->Arg(100)->Arg(10'000);

void lookup_any(benchmark::State& state) {
  Gate gate(static_cast<uint32_t>(state.range(0)));
  Table table = Table::compile(gate.routes).value();
  size_t at = 0;
  for (auto _ : state) {
    at = at + 1 == gate.hosts.size() ? 0 : at + 1;
    Request request{.host = gate.hosts[at], .path = gate.paths[at], .method = http::Method::get};
    benchmark::DoNotOptimize(table.lookup(request));
  }
}
BENCHMARK(lookup_any)->Arg(1)->Arg(100)->Arg(10'000);

void compile(benchmark::State& state) {
  Gate gate(static_cast<uint32_t>(state.range(0)));
  size_t bytes = 0;
  for (auto _ : state) {
    auto table = Table::compile(gate.routes);
    bytes = table->memory_bytes();
    benchmark::DoNotOptimize(table);
  }
  state.counters["table_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(compile)->Arg(1)->Arg(5'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace routing
