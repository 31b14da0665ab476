#include "control/compile.h"

#include <gtest/gtest.h>

#include <fmt/core.h>

#include <chrono>

#include "config/files.h"

namespace {

using control::Compiled;
using control::Compiler;

constexpr std::string_view kGate = R"(listen: [{ address: ":8080" }]
providers:
  partners: { jwt: { issuer: "https://id.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [RS256] } }
)";

std::string service(std::string_view match, std::string_view rest = "access: [{ allow: anyone }]") {
  return fmt::format("match: {}\nforward: {{ to: [127.0.0.1:9001] }}\n{}\n", match, rest);
}

// A gate in memory, reloaded and compiled as the running gate does it.
class Bench {
 public:
  Bench() {
    files.write("gatehouse.yaml", kGate);
    files.write("environments/local.yaml", "unused: 1\n");
    files.write("jwks.json", R"({"keys":[]})");
  }
  void put(std::string_view name, std::string_view text) {
    files.write(fmt::format("services/{}.yaml", name), text);
  }
  void remove(std::string_view name) { files.remove(fmt::format("services/{}.yaml", name)); }

  Compiled compile() {
    loaded = loader.load();
    EXPECT_TRUE(loaded.loaded()) << config::format_text(loaded.diagnostics, config::Style::plain);
    return compiler.compile(loaded, ++generation);
  }
  Compiled compile_clean() {
    Compiled compiled = compile();
    EXPECT_TRUE(compiled.diagnostics.empty())
        << config::format_text(compiled.diagnostics, config::Style::plain);
    EXPECT_FALSE(config::has_errors(loaded.diagnostics))
        << config::format_text(loaded.diagnostics, config::Style::plain);
    return compiled;
  }

  config::MemoryFiles files;
  config::Loader loader{files, "local"};
  config::LoadedGate loaded;
  Compiler compiler;
  uint64_t generation = 0;
};

// The service at a place; empty when there is none.
std::string at(const Compiled& compiled, std::string_view path, std::string_view host = "h",
               const http::Headers* headers = nullptr) {
  const routing::Route* route = compiled.snapshot->routes.lookup(
      {.host = host, .path = path, .method = http::Method::get, .headers = headers});
  return route == nullptr ? "" : compiled.snapshot->services[route->service]->name;
}

const gate::Service& find(const Compiled& compiled, std::string_view name) {
  for (const auto& service : compiled.snapshot->services) {
    if (service != nullptr && service->name == name) return *service;
  }
  ADD_FAILURE() << "no service " << name;
  return *compiled.snapshot->services.front();
}

TEST(Compile, AServiceHasWhatItsFileSays) {
  Bench bench;
  bench.put("orders", R"(match: { host: api.example.com, path: /orders }
forward: { to: [127.0.0.1:80, "[::1]:9001", "unix:/run/orders"], strip_prefix: /orders, host: backend, connect_timeout: 2s }
headers: { request: { set: { X-Env: test }, remove: [X-Debug] } }
limits: { body: 1KiB }
paths: { encoded_slash: keep }
access:
  - { name: all, allow: anyone }
)");
  Compiled compiled = bench.compile_clean();
  const gate::Service& orders = find(compiled, "orders");
  EXPECT_EQ(at(compiled, "/orders/7", "api.example.com"), "orders");
  EXPECT_EQ(at(compiled, "/orders/7", "elsewhere"), "");
  EXPECT_EQ(orders.generation, 1u);
  EXPECT_EQ(orders.place, "services/orders.yaml:1:1");
  EXPECT_EQ(orders.rule_places, std::vector<std::string>{"services/orders.yaml:7:5"});
  EXPECT_EQ(orders.strip_prefix, "/orders");
  EXPECT_EQ(orders.host, gate::HostSent::backend);
  EXPECT_EQ(orders.connect_timeout, base::seconds(2));
  EXPECT_EQ(orders.body_bytes_max, 1024u);
  EXPECT_TRUE(orders.accepts_encoded_slash);
  EXPECT_FALSE(orders.accepts_parameters);
  ASSERT_EQ(orders.request_headers.set.size(), 1u);
  EXPECT_EQ(orders.request_headers.set[0].value, "test");
  ASSERT_EQ(orders.request_headers.remove.size(), 1u);
  ASSERT_NE(orders.endpoints, nullptr);
  ASSERT_EQ(orders.endpoints->size(), 3u);
  EXPECT_EQ((*orders.endpoints)[0].text, "127.0.0.1:80");
  EXPECT_EQ((*orders.endpoints)[0].authority, "127.0.0.1");
  EXPECT_EQ((*orders.endpoints)[1].authority, "[::1]:9001");
  EXPECT_EQ((*orders.endpoints)[2].text, "unix:/run/orders");
  EXPECT_EQ((*orders.endpoints)[2].authority, "localhost");
  EXPECT_TRUE(compiled.names_to_resolve.empty());
}

TEST(Compile, ABadKeySetIsReportedWhereItStands) {
  for (std::string_view jwks : {"{ inline: '{}' }", "'{}'", "{ inline: { keys: [] } }"}) {
    Bench bench;
    bench.files.write("gatehouse.yaml", fmt::format(R"(listen: [{{ address: ":8080" }}]
providers:
  partners:
    jwt:
      issuer: https://id.example
      audience: orders
      jwks: {}
)",
                                                    jwks));
    Compiled compiled = bench.compile();
    EXPECT_EQ(compiled.snapshot, nullptr);
    ASSERT_EQ(compiled.diagnostics.size(), 1u);
    EXPECT_EQ(compiled.diagnostics[0].source.text(), "gatehouse.yaml:7:13") << jwks;
  }
}

TEST(Compile, NamesAreLeftToTheResolver) {
  Bench bench;
  bench.put("orders",
            "match: { path: /orders }\nforward: { to: [localhost:9001, 127.0.0.1:9002] }\n"
            "access: [{ allow: anyone }]\n");
  Compiled compiled = bench.compile_clean();
  EXPECT_EQ(find(compiled, "orders").endpoints, nullptr);
  ASSERT_EQ(compiled.names_to_resolve.size(), 1u);
  EXPECT_EQ(compiled.names_to_resolve[0].slot, find(compiled, "orders").slot);
  EXPECT_EQ(compiled.names_to_resolve[0].settings->forward.to[0].host, "localhost");
  backends::Endpoint resolved = control::resolved_endpoint(
      compiled.names_to_resolve[0].settings->forward.to[0], *base::parse_ip("127.0.0.1"), nullptr);
  EXPECT_EQ(resolved.text, "127.0.0.1:9001");
  EXPECT_EQ(resolved.authority, "localhost:9001");
}

TEST(Compile, AnUnchangedServiceStaysTheSameObject) {
  Bench bench;
  bench.put("orders", service("{ path: /orders }"));
  bench.put("billing", service("{ path: /billing }"));
  Compiled first = bench.compile_clean();
  bench.put("billing", service("{ path: /billing }", "limits: { body: 1KiB }\naccess: [{ allow: anyone }]"));
  Compiled second = bench.compile_clean();
  EXPECT_EQ(&find(first, "orders"), &find(second, "orders"));
  EXPECT_NE(&find(first, "billing"), &find(second, "billing"));
  EXPECT_EQ(find(second, "billing").generation, 2u);
  EXPECT_EQ(find(second, "billing").backends_generation, 1u);
  EXPECT_EQ(find(second, "billing").slot, find(first, "billing").slot);
  EXPECT_EQ(first.snapshot->providers, second.snapshot->providers);
}

TEST(Compile, ASlotStaysWithItsName) {
  Bench bench;
  bench.put("a", service("{ path: /a }"));
  bench.put("b", service("{ path: /b }"));
  Compiled first = bench.compile_clean();
  uint32_t slot = find(first, "a").slot;
  bench.remove("a");
  bench.put("c", service("{ path: /c }"));
  Compiled second = bench.compile_clean();
  EXPECT_EQ(second.removed_slots, std::vector<uint32_t>{slot});
  EXPECT_NE(find(second, "c").slot, slot);
  EXPECT_EQ(at(second, "/a"), "");
  bench.put("a", service("{ path: /a }"));
  Compiled third = bench.compile_clean();
  EXPECT_EQ(find(third, "a").slot, slot);
  EXPECT_EQ(find(third, "a").generation, 3u);
  EXPECT_TRUE(third.removed_slots.empty());
}

TEST(Compile, ADisabledServiceGoesAway) {
  Bench bench;
  bench.put("a", service("{ path: /a }"));
  bench.compile_clean();
  bench.put("a", service("{ path: /a }", "enabled: false\naccess: [{ allow: anyone }]"));
  Compiled compiled = bench.compile_clean();
  EXPECT_EQ(at(compiled, "/a"), "");
  EXPECT_EQ(compiled.removed_slots.size(), 1u);
}

TEST(Compile, ABrokenServiceKeepsItsLastGoodVersionAlone) {
  Bench bench;
  bench.put("a", service("{ path: /a }"));
  bench.put("b", service("{ path: /b }"));
  Compiled first = bench.compile_clean();
  bench.put("a", "match: { path: /a2 }\nforwrd: 1\n");
  bench.put("b", service("{ path: /b2 }"));
  Compiled second = bench.compile();
  EXPECT_EQ(second.refused_services, std::vector<std::string>{"a"});
  EXPECT_EQ(&find(first, "a"), &find(second, "a"));
  EXPECT_EQ(at(second, "/a"), "a");
  EXPECT_EQ(at(second, "/a2"), "");
  EXPECT_EQ(at(second, "/b2"), "b");
  EXPECT_TRUE(second.removed_slots.empty());
}

TEST(Compile, AServiceBrokenFromTheBeginningIsNotServed) {
  Bench bench;
  bench.put("a", "match: { path: /a }\nforwrd: 1\n");
  bench.put("b", service("{ path: /b }"));
  Compiled compiled = bench.compile();
  EXPECT_EQ(at(compiled, "/a"), "");
  EXPECT_EQ(at(compiled, "/b"), "b");
  EXPECT_EQ(compiled.refused_services, std::vector<std::string>{"a"});
}

// --- Conflicts
// -----------------------------------------------------------------------------------------------

TEST(CompileConflict, AtTheStartBothAreRefusedAndTheRestServe) {
  Bench bench;
  bench.put("a", service("{ path: /x }"));
  bench.put("b", service("{ path: /x }"));
  bench.put("c", service("{ path: /c }"));
  Compiled compiled = bench.compile();
  EXPECT_EQ(at(compiled, "/x"), "");
  EXPECT_EQ(at(compiled, "/c"), "c");
  EXPECT_EQ(compiled.refused_services, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(compiled.diagnostics.size(), 2u);
  EXPECT_EQ(compiled.diagnostics[0].source.text(), "services/a.yaml:1:8");
  EXPECT_NE(compiled.diagnostics[0].message.find("services/b.yaml:1:8"), std::string::npos);
  EXPECT_EQ(compiled.diagnostics[1].source.text(), "services/b.yaml:1:8");
}

TEST(CompileConflict, OnReloadTheNewcomerIsRefused) {
  Bench bench;
  bench.put("z", service("{ path: /x }"));
  bench.compile_clean();
  bench.put("a", service("{ path: /x }"));
  Compiled second = bench.compile();
  EXPECT_EQ(at(second, "/x"), "z");
  EXPECT_EQ(second.refused_services, std::vector<std::string>{"a"});
  ASSERT_EQ(second.diagnostics.size(), 1u);
  EXPECT_EQ(second.diagnostics[0].source.text(), "services/a.yaml:1:8");

  // It is no better off when something else changes, and comes in as soon as the place is free.
  bench.put("other", service("{ path: /other }"));
  EXPECT_EQ(at(bench.compile(), "/x"), "z");
  bench.remove("z");
  EXPECT_EQ(at(bench.compile_clean(), "/x"), "a");
}

TEST(CompileConflict, AMoveToATakenPlaceKeepsTheOldOne) {
  Bench bench;
  bench.put("a", service("{ path: /a }"));
  bench.put("b", service("{ path: /b }"));
  bench.compile_clean();
  bench.put("a", service("{ path: /b }"));
  bench.put("c", service("{ path: /a }"));  // and what it did not leave is not free
  Compiled compiled = bench.compile();
  EXPECT_EQ(at(compiled, "/a"), "a");
  EXPECT_EQ(at(compiled, "/b"), "b");
  EXPECT_EQ(compiled.refused_services, (std::vector<std::string>{"a", "c"}));
}

TEST(CompileConflict, AChangedRuleDoesNotLoseThePlaceToANewcomer) {
  Bench bench;
  bench.put("a", service("{ path: /x }"));
  bench.compile_clean();
  bench.put("a", service("{ path: /x }", "access: [{ allow: authenticated }]"));
  bench.put("b", service("{ path: /x }"));
  Compiled compiled = bench.compile();
  EXPECT_EQ(compiled.refused_services, std::vector<std::string>{"b"});
  EXPECT_EQ(find(compiled, "a").generation, 2u);
}

TEST(CompileConflict, TwoMaySwapPlaces) {
  Bench bench;
  bench.put("a", service("{ path: /a }"));
  bench.put("b", service("{ path: /b }"));
  bench.compile_clean();
  bench.put("a", service("{ path: /b }"));
  bench.put("b", service("{ path: /a }"));
  Compiled compiled = bench.compile_clean();
  EXPECT_EQ(at(compiled, "/a"), "b");
  EXPECT_EQ(at(compiled, "/b"), "a");
}

// --- Matches
// -------------------------------------------------------------------------------------------------

TEST(Compile, AnyOfAHeadersValuesReachesTheService) {
  Bench bench;
  bench.put("new", service("{ path: /x, headers: { X-Version: [\"2\", \"3\"] } }"));
  bench.put("old", service("{ path: /x }"));
  Compiled compiled = bench.compile_clean();
  for (auto [value, expected] : {std::pair{"2", "new"}, {"3", "new"}, {"4", "old"}}) {
    http::Headers headers;
    headers.add({.name = "X-Version", .value = value});
    EXPECT_EQ(at(compiled, "/x", "h", &headers), expected) << value;
  }
}

TEST(Compile, RouteLabelsAreTheirPatterns) {
  Bench bench;
  bench.put("a", service("[{ path: /a }, { path: \"/shared/{id}\" }]"));
  Compiled compiled = bench.compile_clean();
  const routing::Route* route = compiled.snapshot->routes.lookup({.host = "h", .path = "/shared/7"});
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(bench.compiler.route_labels()[route->label], "/shared/{id}");
}

// --- The gate's own part
// ---------------------------------------------------------------------------------------

TEST(Compile, TheGatesRulesAndLimitsAreTaken) {
  Bench bench;
  bench.files.write("gatehouse.yaml", std::string(kGate) +
                                          "timeouts: { head: 3s, send: 4s }\n"
                                          "access: [{ deny: anyone, from: [192.0.2.0/24] }]\n");
  bench.put("a", service("{ path: /a }"));
  Compiled compiled = bench.compile_clean();
  EXPECT_EQ(compiled.snapshot->gate_rules->rules().size(), 1u);
  EXPECT_EQ(compiled.snapshot->gate_rule_places[0], "gatehouse.yaml:5:10");
  EXPECT_EQ(compiled.snapshot->server_limits.head_timeout, base::seconds(3));
  EXPECT_EQ(compiled.snapshot->timeouts.send, base::seconds(4));
  EXPECT_EQ(compiled.snapshot->providers->size(), 1u);
}

TEST(Compile, ProvidersThatClashRefuseTheWholeAndChangeNothing) {
  Bench bench;
  bench.put("a", service("{ path: /a }"));
  Compiled first = bench.compile_clean();
  std::string twin(kGate);
  twin +=
      "  twin: { jwt: { issuer: \"https://id.example\", audience: [orders], jwks: { file: jwks.json }, "
      "algorithms: [RS256] } }\n";
  bench.files.write("gatehouse.yaml", twin);
  Compiled second = bench.compile();
  EXPECT_EQ(second.snapshot, nullptr);
  EXPECT_TRUE(config::has_errors(second.diagnostics));
  bench.files.write("gatehouse.yaml", kGate);
  Compiled third = bench.compile_clean();
  EXPECT_EQ(at(third, "/a"), "a");
  EXPECT_EQ(find(third, "a").slot, find(first, "a").slot);
  EXPECT_EQ((*third.snapshot->providers)[0].version, (*first.snapshot->providers)[0].version);
}

constexpr std::string_view kLoginGate = R"(listen: [{ address: "127.0.0.1:8080" }]
providers:
  staff: { oidc: { issuer: "https://id.example", client_id: gate, client_secret: "${secret}" } }
  partners: { jwt: { issuer: "https://id.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [RS256] } }
  guests: { oidc: { issuer: "https://guests.example", client_id: gate } }
sessions: { lifetime: 8h, idle: 20m }
)";

class LoginBench : public Bench {
 public:
  LoginBench() {
    files.write("gatehouse.yaml", kLoginGate);
    files.write("environments/local.yaml", "secret: { env: SECRET }\n");
    files.set_variable("SECRET", "hunter2");
  }
};

TEST(Compile, WhereCallersLogIn) {
  using Names = std::vector<std::string>;
  struct {
    std::string_view access;
    Names expected;
  } cases[] = {
      {"[{ allow: anyone }]", {}},
      {"[{ allow: authenticated }]", {"staff", "guests"}},
      {"[{ allow: anyone, on: GET /public }, { allow: { groups: [a] } }]", {"staff", "guests"}},
      {"[{ allow: { provider: guests } }, { allow: { provider: [partners, staff] } }]", {"staff", "guests"}},
      {"[{ allow: { provider: partners } }]", {}},
      {"[{ allow: { provider: guests, scopes: [a] } }]", {"guests"}},
      {"[{ allow: { provider: partners } }, { deny: { provider: staff } }]", {}},
      {"[{ allow: { provider: guests } }, { allow: { provider: staff }, observe: true }]", {"guests"}},
      {"[{ allow: { authenticated: true, not: { provider: staff } } }]", {"guests"}},
      {"[{ allow: { authenticated: true, not: { provider: staff, groups: [a] } } }]", {"staff", "guests"}},
  };
  for (const auto& c : cases) {
    LoginBench bench;
    bench.put("orders", service("{ path: /orders }", fmt::format("access: {}", c.access)));
    EXPECT_EQ(find(bench.compile_clean(), "orders").login_providers, c.expected) << c.access;
  }
}

TEST(Compile, AServiceLearnsOfANewPlaceToLogIn) {
  LoginBench bench;
  bench.put("orders", service("{ path: /orders }", "access: [{ allow: authenticated }]"));
  EXPECT_EQ(find(bench.compile_clean(), "orders").login_providers.size(), 2u);
  // The names stay: only what stands behind one is another thing now.
  std::string text(kLoginGate);
  std::string before = R"({ oidc: { issuer: "https://guests.example", client_id: gate } })";
  text.replace(text.find(before), before.size(),
               R"({ jwt: { issuer: "https://guests.example", audience: a, jwks: { file: jwks.json } } })");
  bench.files.write("gatehouse.yaml", text);
  EXPECT_EQ(find(bench.compile_clean(), "orders").login_providers, std::vector<std::string>{"staff"});
}

TEST(Compile, WhatAServiceTakesForTokens) {
  using Names = std::vector<std::string>;
  LoginBench bench;
  bench.put("orders",
            service("{ path: /orders }", "access: [{ allow: { provider: partners, scopes: [read] } }]"));
  bench.put("quiet",
            service("{ path: /quiet }", "access: [{ allow: authenticated }]\nresource_metadata: off"));
  bench.put("people", service("{ path: /people }", "access: [{ allow: { provider: staff } }]"));
  Compiled first = bench.compile_clean();
  ASSERT_TRUE(find(first, "orders").tokens);
  EXPECT_EQ(find(first, "orders").tokens->issuers, Names{"https://id.example"});
  EXPECT_EQ(find(first, "orders").tokens->scopes, Names{"read"});
  ASSERT_TRUE(find(first, "quiet").tokens);
  EXPECT_EQ(find(first, "quiet").tokens->issuers, Names{});
  EXPECT_FALSE(find(first, "people").tokens);

  // The issuer moves: services that take its tokens learn of it, and nobody else is touched.
  std::string text(kLoginGate);
  std::string before = R"(jwt: { issuer: "https://id.example")";
  text.replace(text.find(before), before.size(), R"(jwt: { issuer: "https://new.example")");
  bench.files.write("gatehouse.yaml", text);
  Compiled second = bench.compile_clean();
  EXPECT_EQ(find(second, "orders").tokens->issuers, Names{"https://new.example"});
  EXPECT_EQ(find(second, "orders").backends_generation, find(first, "orders").backends_generation);
  EXPECT_EQ(&find(second, "people"), &find(first, "people"));
}

// The loader hands over new settings then; the compiler does not rely on it.
TEST(Compile, TheSameSettingsUnderOtherProviders) {
  LoginBench bench;
  bench.put("orders", service("{ path: /orders }", "access: [{ allow: authenticated }]"));
  bench.put("public", service("{ path: /public }"));
  Compiled first = bench.compile_clean();
  config::LoadedGate other = bench.loaded;
  auto gate = std::make_shared<config::GateSettings>();
  gate->listeners = bench.loaded.gate->listeners;
  gate->providers.push_back(bench.loaded.gate->providers[1]);
  other.gate = gate;
  Compiled second = bench.compiler.compile(other, 2);
  EXPECT_EQ(find(second, "orders").login_providers, std::vector<std::string>{});
  EXPECT_EQ(&find(first, "public"), &find(second, "public"));
}

TEST(Compile, WhatAServiceDoesWithItsCallersCredentials) {
  LoginBench bench;
  std::string rules = "access: [{ allow: authenticated }]\n";
  bench.put("orders", service("{ path: /orders }", rules));
  Compiled first = bench.compile_clean();
  EXPECT_EQ(first.snapshot->session_limits.lifetime, base::seconds(8 * 3600));
  EXPECT_EQ(first.snapshot->session_limits.idle, base::seconds(20 * 60));
  EXPECT_EQ(find(first, "orders").csrf.cross_site, gate::CrossSite::refused);
  EXPECT_EQ(find(first, "orders").token.kind, gate::BackendToken::none);

  bench.put("orders", service("{ path: /orders }", rules + R"(csrf: { origins: ["https://*.example.com"] }
token: { exchange: { provider: staff, audience: orders, resource: "urn:orders", scopes: [a, b] } })"));
  Compiled second = bench.compile_clean();
  const gate::Service& orders = find(second, "orders");
  ASSERT_EQ(orders.csrf.origins.size(), 1u);
  EXPECT_TRUE(orders.csrf.origins[0].covers("https://app.example.com"));
  EXPECT_EQ(orders.token.kind, gate::BackendToken::exchange);
  EXPECT_EQ(orders.token.provider, "staff");
  EXPECT_EQ(orders.token.audience, "orders");
  EXPECT_EQ(orders.token.resource, "urn:orders");
  EXPECT_EQ(orders.token.scopes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(orders.generation, 2u);
  EXPECT_EQ(orders.backends_generation, 1u);

  bench.put("orders", service("{ path: /orders }", rules + R"(csrf: off
token: { client_credentials: { provider: staff } })"));
  Compiled third = bench.compile();
  EXPECT_EQ(find(third, "orders").csrf.cross_site, gate::CrossSite::allowed);
  EXPECT_EQ(find(third, "orders").token.kind, gate::BackendToken::client_credentials);
  EXPECT_EQ(find(third, "orders").backends_generation, 1u);

  bench.put("orders", service("{ path: /orders }", rules + "token: { caller: { audience: orders } }"));
  EXPECT_EQ(find(bench.compile_clean(), "orders").token.kind, gate::BackendToken::caller);
}

TEST(Compile, ABrokenCaOfTheGatesOwnCallsIsReportedWhereItStands) {
  LoginBench bench;
  bench.files.write("ca.pem", "nothing");
  bench.files.write("gatehouse.yaml", fmt::format("{}fetch: {{ ca: ca.pem }}\n", kLoginGate));
  Compiled compiled = bench.compile();
  EXPECT_EQ(compiled.snapshot, nullptr);
  ASSERT_EQ(compiled.diagnostics.size(), 1u);
  EXPECT_EQ(compiled.diagnostics[0].key, "fetch.ca");
  EXPECT_EQ(compiled.diagnostics[0].source.text(), "gatehouse.yaml:7:14");
}

// Prints what one change among many costs; asserts only that it stays a change of one.
TEST(Compile, OneChangeAmongThousands) {
  Bench bench;
  constexpr int kServices = 5000;
  for (int i = 0; i < kServices; ++i) {
    bench.put(fmt::format("s{}", i), service(fmt::format("{{ host: s{}.example.com, path: /s }}", i)));
  }
  Compiled first = bench.compile_clean();
  bench.put("s7", service("{ host: s7.example.com, path: /t }"));
  bench.loaded = bench.loader.load();
  auto began = std::chrono::steady_clock::now();
  Compiled second = bench.compiler.compile(bench.loaded, 2);
  auto took = std::chrono::steady_clock::now() - began;
  fmt::print("compiled one change among {} in {:.2f} ms\n", kServices,
             std::chrono::duration<double, std::milli>(took).count());
  size_t changed = 0;
  for (size_t i = 0; i < first.snapshot->services.size(); ++i) {
    changed += first.snapshot->services[i] != second.snapshot->services[i];
  }
  EXPECT_EQ(changed, 1u);
}

}  // namespace
