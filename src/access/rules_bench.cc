// What a request pays for its verdict: ten rules of the kinds people write, the last of which decides.

#include "access/rules.h"

#include <benchmark/benchmark.h>

#include <cstdlib>

namespace auth {
namespace {

RuleSpec rule(Effect effect, std::string method, std::string path) {
  RuleSpec spec;
  spec.name = path;
  spec.effect = effect;
  spec.on.push_back({.methods = {std::move(method)}, .path = std::move(path), .source = {}});
  return spec;
}

std::shared_ptr<const RuleSet> ten_rules() {
  std::vector<RuleSpec> specs;
  specs.push_back(rule(Effect::allow, "GET", "/orders/health"));
  specs.back().who.anyone = true;
  for (const char* path : {"/orders/admin", "/orders/internal", "/orders/{id}/audit"}) {
    specs.push_back(rule(Effect::deny, "*", path));
    specs.back().who.groups = {"contractors"};
  }
  for (const char* path : {"/orders/exports", "/orders/reports", "/orders/{id}/refunds"}) {
    specs.push_back(rule(Effect::allow, "POST", path));
    specs.back().who.scopes = {"orders:write"};
  }
  specs.push_back(rule(Effect::allow, "GET", "/orders/**"));
  specs.back().who.providers = {"staff"};
  specs.back().who.groups = {"support"};
  specs.push_back(rule(Effect::allow, "GET", "/orders/{id}"));
  specs.back().who.subjects = {"auditor"};
  specs.push_back(rule(Effect::allow, "GET", "/orders/**"));
  specs.back().who.providers = {"partners"};
  specs.back().who.scopes = {"orders:read"};
  const std::string providers[] = {"partners", "staff"};
  return *compile_rules({.rules = specs, .provider_names = providers});
}

void check_ten_rules(benchmark::State& state) {
  auto rules = ten_rules();
  RuleSet none;
  Identity identity;
  identity.provider = "partners";
  identity.subject = "alice";
  identity.groups = {"eu", "wholesale"};
  identity.scopes = {"orders:write", "orders:read"};
  IdentityPtr caller = make_identity(std::move(identity));
  Call call{.method = "GET",
            .path = "/orders/7/items",
            .client = *base::parse_ip("192.0.2.1"),
            .caller = caller.get()};
  for (auto _ : state) {
    Verdict verdict = check_access(none, *rules, call);
    if (!verdict.allowed) std::abort();
    benchmark::DoNotOptimize(verdict);
  }
}
BENCHMARK(check_ten_rules);

}  // namespace
}  // namespace auth
