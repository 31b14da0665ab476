// What settings about TLS become: listeners' policies and services' wires, what a broken certificate refuses
// and what goes on meanwhile.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include "config/files.h"
#include "control/compile.h"
#include "crypto/random.h"
#include "tls/client_context.h"
#include "tls/server_context.h"
#include "tls/test_certificates.h"
#include "tls/ticket_keys.h"

namespace {

using control::Compiled;
using tls::testing::CertificateWish;
using tls::testing::TestCertificate;

// Keys take long to make: one of each for all tests.
const TestCertificate& authority() {
  static const TestCertificate made = tls::testing::make_authority("Test CA");
  return made;
}
const TestCertificate& api() {
  static const TestCertificate made =
      authority().issue({.common_name = "api", .names = "DNS:api.example,DNS:other.example"});
  return made;
}
const TestCertificate& web() {
  static const TestCertificate made = authority().issue({.common_name = "web", .names = "DNS:web.example"});
  return made;
}

std::string text_of(const config::Diagnostics& diagnostics) {
  return config::format_text(diagnostics, config::Style::plain);
}

class Bench {
 public:
  Bench() {
    files.write("environments/local.yaml", "unused: 1\n");
    files.write("ca.pem", authority().pem());
    put_pair("api", api());
    put_pair("web", web());
  }
  void put_pair(std::string_view name, const TestCertificate& certificate) {
    files.write(fmt::format("{}.pem", name), certificate.chain_pem());
    files.write(fmt::format("{}.key", name), certificate.key_pem());
  }
  void put_service(std::string_view name, std::string_view forward) {
    files.write(
        fmt::format("services/{}.yaml", name),
        fmt::format("match: {{ path: /{} }}\nforward: {}\naccess: [{{ allow: anyone }}]\n", name, forward));
  }
  // With nothing else to listen on.
  Compiled compile_services() {
    files.write("gatehouse.yaml", "listen: [{ address: \":8080\" }]\n");
    return compile();
  }
  Compiled compile_gate(std::string_view gate) {
    files.write("gatehouse.yaml", gate);
    return compile();
  }
  Compiled compile() {
    loaded = loader.load();
    EXPECT_TRUE(loaded.loaded()) << text_of(loaded.diagnostics);
    Compiled compiled = compiler.compile(loaded, ++generation);
    EXPECT_NE(compiled.snapshot, nullptr) << text_of(compiled.diagnostics);
    return compiled;
  }

  config::MemoryFiles files;
  config::Loader loader{files, "local"};
  config::LoadedGate loaded;
  crypto::SystemRandom random;
  std::shared_ptr<tls::TicketKeys> tickets = std::make_shared<tls::TicketKeys>(random);
  control::Compiler compiler{io::system_clock(), tickets};
  uint64_t generation = 0;
};

constexpr std::string_view kOneListener = R"(listen:
  - address: ":8443"
    tls: { certificate: api.pem, key: api.key }
)";

TEST(CompileListeners, WhatAListenerSays) {
  Bench bench;
  Compiled compiled = bench.compile_gate(R"(listen:
  - address: ":8443"
    tls:
      certificates:
        - { certificate: api.pem, key: api.key }
        - { certificate: web.pem, key: web.key }
      unknown_names: refuse
    protocols: [http1]
    trusted_proxies: [10.0.0.0/8]
    proxy_protocol: required
  - { address: ":8080", redirect: https }
  - { address: "unix:/run/gate" }
)");
  EXPECT_TRUE(compiled.diagnostics.empty()) << text_of(compiled.diagnostics);
  ASSERT_EQ(compiled.listeners.size(), 3u);
  const gate::ListenerPolicy& secure = compiled.listeners[0]->policy;
  EXPECT_EQ(secure.name, ":8443");
  ASSERT_NE(secure.tls, nullptr);
  EXPECT_NE(secure.tls->find("api.example"), nullptr);
  EXPECT_NE(secure.tls->find("web.example"), nullptr);
  EXPECT_EQ(secure.tls->choose("nobody.example"), nullptr);
  EXPECT_EQ(secure.tls->alpn_wire(), "\x08http/1.1");
  EXPECT_EQ(secure.tls->ticket_keys(), bench.tickets.get());
  EXPECT_FALSE(secure.protocols.http2);
  EXPECT_EQ(secure.proxy_protocol, gate::ProxyProtocol::required);
  EXPECT_EQ(secure.trusted_proxies.size(), 1u);
  ASSERT_EQ(compiled.listeners[0]->certificates.size(), 2u);
  EXPECT_EQ(compiled.listeners[0]->certificates[0].name, "api.example");
  EXPECT_EQ(compiled.listeners[0]->certificates[1].file, "web.pem");
  EXPECT_EQ(compiled.listeners[1]->policy.tls, nullptr);
  EXPECT_EQ(compiled.listeners[1]->redirect, config::Redirect::https);
  EXPECT_EQ(compiled.listeners[2]->name, "unix:/run/gate");
}

TEST(CompileListeners, BothVersionsAreOfferedInOrder) {
  Bench bench;
  Compiled compiled = bench.compile_gate(kOneListener);
  EXPECT_EQ(compiled.listeners[0]->policy.tls->alpn_wire(), "\x02h2\x08http/1.1");
}

// A resumed connection would not tell which of several providers vouched for its client.
TEST(CompileListeners, ClientsOfSeveralProvidersDoNotResume) {
  constexpr std::string_view kListeners = R"(listen:
  - { address: ":8443", tls: { certificate: api.pem, key: api.key, client_cert: optional } }
  - { address: ":8444", tls: { certificate: api.pem, key: api.key } }
providers:
  mesh: { client_cert: { ca: ca.pem } }
)";
  Bench bench;
  Compiled one = bench.compile_gate(kListeners);
  EXPECT_TRUE(one.diagnostics.empty()) << text_of(one.diagnostics);
  EXPECT_EQ(one.listeners[0]->policy.tls->ticket_keys(), bench.tickets.get());

  bench.files.write("other.pem", tls::testing::make_authority("Other").pem());
  Compiled two =
      bench.compile_gate(std::string(kListeners) + "  partners: { client_cert: { ca: other.pem } }\n");
  EXPECT_EQ(two.listeners[0]->policy.tls->ticket_keys(), nullptr);
  EXPECT_EQ(two.listeners[1]->policy.tls->ticket_keys(), bench.tickets.get());
  // Whom a session was accepted under is part of what it is bound to.
  EXPECT_NE(two.listeners[0]->policy.tls->policy(), one.listeners[0]->policy.tls->policy());
  EXPECT_EQ(two.listeners[1]->policy.tls->policy(), one.listeners[1]->policy.tls->policy());

  bench.files.write("other.pem", "nothing\n");
  bench.loaded = bench.loader.load();
  Compiled broken = bench.compiler.compile(bench.loaded, 3);
  EXPECT_EQ(broken.snapshot, nullptr);
  EXPECT_EQ(broken.diagnostics.size(), 1u) << text_of(broken.diagnostics);
}

TEST(CompileListeners, RepeatedAddressesAreTwoListeners) {
  Bench bench;
  Compiled compiled = bench.compile_gate(
      "listen:\n"
      "  - { address: \"127.0.0.1:0\" }\n"
      "  - { address: \"127.0.0.1:0\", tls: { certificate: api.pem, key: api.key } }\n");
  ASSERT_EQ(compiled.listeners.size(), 2u);
  EXPECT_EQ(compiled.listeners[0]->name, "127.0.0.1:0");
  EXPECT_EQ(compiled.listeners[0]->policy.tls, nullptr);
  EXPECT_EQ(compiled.listeners[1]->name, "127.0.0.1:0#2");
  EXPECT_NE(compiled.listeners[1]->policy.tls, nullptr);
}

TEST(CompileListeners, ABadCertificateRefusesItsListenerAndSaysWhere) {
  struct Case {
    const char* what;
    std::string certificate;
    std::string key;
    const char* says;
  };
  const Case cases[] = {
      {"another's key", api().chain_pem(), web().key_pem(), "key"},
      {"an encrypted key", api().chain_pem(), api().encrypted_key_pem(), "encrypted"},
      {"no key", api().chain_pem(), "nothing", "no private key"},
      {"no certificate", "nothing", api().key_pem(), "no certificate"},
      {"the wrong order", authority().pem() + api().pem(), api().key_pem(), ""},
  };
  for (const Case& c : cases) {
    Bench bench;
    bench.files.write("api.pem", c.certificate);
    bench.files.write("api.key", c.key);
    bench.put_service("a", "{ to: [127.0.0.1:9001] }");
    Compiled compiled = bench.compile_gate(std::string(kOneListener) + "  - { address: \":8080\" }\n");
    ASSERT_EQ(compiled.listeners.size(), 2u) << c.what;
    EXPECT_EQ(compiled.listeners[0], nullptr) << c.what;
    EXPECT_NE(compiled.listeners[1], nullptr) << c.what;
    ASSERT_EQ(compiled.diagnostics.size(), 1u) << c.what << text_of(compiled.diagnostics);
    const config::Diagnostic& diagnostic = compiled.diagnostics[0];
    EXPECT_EQ(diagnostic.severity, config::Severity::error) << c.what;
    EXPECT_EQ(diagnostic.source.text(), "gatehouse.yaml:3:25") << c.what;
    EXPECT_EQ(diagnostic.key, "listen[0].tls") << c.what;
    EXPECT_TRUE(diagnostic.message.starts_with("api.pem: ")) << diagnostic.message;
    EXPECT_NE(diagnostic.message.find(c.says), std::string::npos) << diagnostic.message;
  }
}

TEST(CompileListeners, ABrokenCertificateKeepsTheLastGoodPolicyAlone) {
  Bench bench;
  bench.put_service("a", "{ to: [127.0.0.1:9001] }");
  Compiled first = bench.compile_gate(kOneListener);
  bench.files.write("api.key", web().key_pem());
  // Denials that come with it hold all the same.
  std::string with_rule = std::string(kOneListener) + "access: [{ deny: anyone, from: [192.0.2.0/24] }]\n";
  Compiled second = bench.compile_gate(with_rule);
  EXPECT_EQ(second.listeners[0], first.listeners[0]);
  EXPECT_EQ(second.snapshot->gate_rules->rules().size(), 1u);
  EXPECT_TRUE(config::has_errors(second.diagnostics));

  // It is told with every generation until it is mended, also when something else changes.
  bench.put_service("b", "{ to: [127.0.0.1:9001] }");
  Compiled third = bench.compile();
  EXPECT_EQ(third.listeners[0], first.listeners[0]);
  EXPECT_TRUE(config::has_errors(third.diagnostics));

  bench.files.write("api.pem", web().chain_pem());
  Compiled fourth = bench.compile();
  EXPECT_TRUE(fourth.diagnostics.empty()) << text_of(fourth.diagnostics);
  EXPECT_NE(fourth.listeners[0]->policy.tls, first.listeners[0]->policy.tls);
  EXPECT_NE(fourth.listeners[0]->policy.tls->find("web.example"), nullptr);
}

TEST(CompileListeners, AListenerThatWasTakenOutHasNothingToGoOnWith) {
  Bench bench;
  bench.compile_gate(kOneListener);
  bench.compile_gate("listen: [{ address: \":8080\" }]\n");
  bench.files.write("api.key", web().key_pem());
  EXPECT_EQ(bench.compile_gate(kOneListener).listeners[0], nullptr);
}

TEST(CompileListeners, ExpiredAndSoonExpiringAreWarnings) {
  const TestCertificate expired = authority().issue(
      {.common_name = "a", .names = "DNS:a.example", .valid_from_days = -9, .valid_to_days = 0});
  const TestCertificate soon =
      authority().issue({.common_name = "a", .names = "DNS:a.example", .valid_to_days = 20});
  for (auto [certificate, says] : {std::pair{&expired, "expired on"}, {&soon, "expires on"}}) {
    Bench bench;
    bench.put_pair("api", *certificate);
    Compiled compiled = bench.compile_gate(kOneListener);
    EXPECT_NE(compiled.listeners[0], nullptr);
    ASSERT_EQ(compiled.diagnostics.size(), 1u);
    EXPECT_EQ(compiled.diagnostics[0].severity, config::Severity::warning);
    EXPECT_NE(compiled.diagnostics[0].message.find(says), std::string::npos);
  }
}

TEST(CompileListeners, ACheckForAnotherMachinePassesOverItsFiles) {
  Bench bench;
  bench.files.write(
      "gatehouse.yaml",
      "listen:\n  - { address: \":8443\", tls: { certificate: \"${cert}\", key: \"${key}\" } }\n");
  bench.files.write("environments/production.yaml",
                    "cert: { file: /etc/api.pem }\nkey: { file: /etc/api.key }\n");
  config::LoadedGate loaded =
      config::Loader(bench.files, "production", config::Loader::MissingSecrets::ignored).load();
  ASSERT_TRUE(loaded.loaded()) << text_of(loaded.diagnostics);
  ASSERT_TRUE(loaded.incomplete);
  control::Compiler compiler;
  EXPECT_FALSE(config::has_errors(compiler.compile(loaded, 1).diagnostics));
}

// --- Wires ---

const gate::Service& find(const Compiled& compiled, std::string_view name) {
  for (const auto& service : compiled.snapshot->services) {
    if (service != nullptr && service->name == name) return *service;
  }
  ADD_FAILURE() << "no service " << name;
  return *compiled.snapshot->services.front();
}

const backends::Endpoint& endpoint(const Compiled& compiled, std::string_view name) {
  return find(compiled, name).endpoints->front();
}

TEST(CompileListeners, ClientsProvidersAreCompiledWithThem) {
  Bench bench;
  bench.put_service("told", "{ to: 127.0.0.1:1, client_cert: header }");
  bench.put_service("untold", "127.0.0.1:1");
  constexpr std::string_view kGate = R"(
listen: [{ address: ":8443", tls: { certificate: api.pem, key: api.key, client_cert: optional } }]
providers: { mesh: { client_cert: { ca: ca.pem } } }
)";
  Compiled compiled = bench.compile_gate(kGate);
  EXPECT_TRUE(compiled.diagnostics.empty()) << text_of(compiled.diagnostics);
  const auth::Providers& providers = *compiled.snapshot->providers;
  ASSERT_EQ(providers.size(), 1u);
  const auto* asked = compiled.listeners.at(0)->policy.tls->client_authorities();
  ASSERT_NE(asked, nullptr);
  EXPECT_EQ(providers[0].client_cert->authorities->digest(), asked->digest()) << "resumption relies on it";
  for (const auto& service : compiled.snapshot->services) {
    EXPECT_EQ(service->client_cert_sent == gate::ClientCertSent::header, service->name == "told");
  }
  // A bundle with nothing in it is one problem, told once.
  bench.files.write("ca.pem", "nothing\n");
  bench.files.write("gatehouse.yaml", std::string(kGate) + "\n");
  bench.loaded = bench.loader.load();
  Compiled broken = bench.compiler.compile(bench.loaded, 2);
  EXPECT_EQ(broken.snapshot, nullptr);
  EXPECT_EQ(broken.diagnostics.size(), 1u) << text_of(broken.diagnostics);
}

TEST(CompileWires, WhatAServiceSays) {
  Bench bench;
  bench.put_service("plain", "{ to: [127.0.0.1:80] }");
  bench.put_service("h2c", "{ to: [127.0.0.1:9001], protocol: http2 }");
  bench.put_service("proxied", "{ to: [127.0.0.1:9001], proxy_protocol: v2 }");
  bench.put_service("auto", "{ to: [\"https://127.0.0.1:443\"], tls: { ca: ca.pem, name: api.example } }");
  bench.put_service("https80", "{ to: [\"https://127.0.0.1:80\"], tls: { ca: ca.pem } }");
  bench.put_service("h1", "{ to: [\"https://127.0.0.1:8443\"], protocol: http1, tls: { ca: ca.pem } }");
  bench.put_service("h2", "{ to: [\"https://127.0.0.1:8443\"], protocol: http2, tls: { ca: ca.pem } }");
  bench.put_service(
      "shown", "{ to: [\"https://127.0.0.1:1\"], tls: { ca: ca.pem, certificate: web.pem, key: web.key } }");
  bench.put_service("insecure", "{ to: [\"https://127.0.0.1:1\"], tls: { verify: insecure } }");
  Compiled compiled = bench.compile_services();
  EXPECT_TRUE(compiled.refused_services.empty()) << text_of(compiled.diagnostics);

  EXPECT_EQ(endpoint(compiled, "plain").wire, nullptr);
  EXPECT_EQ(endpoint(compiled, "plain").authority, "127.0.0.1");
  EXPECT_EQ(endpoint(compiled, "h2c").wire->protocol, backends::Protocol::http2);
  EXPECT_EQ(endpoint(compiled, "h2c").wire->tls, nullptr);
  EXPECT_EQ(endpoint(compiled, "proxied").wire->proxy_header, io::ProxyVersion::v2);

  const backends::Endpoint& automatic = endpoint(compiled, "auto");
  ASSERT_NE(automatic.wire, nullptr);
  EXPECT_EQ(automatic.authority, "127.0.0.1");
  EXPECT_EQ(automatic.server_name, "127.0.0.1");
  EXPECT_EQ(automatic.wire->tls->server_name(), "api.example");
  EXPECT_NE(automatic.wire->tls, automatic.wire->tls_http1);
  EXPECT_EQ(automatic.wire->tls->verification(), tls::Verification::full);
  EXPECT_EQ(endpoint(compiled, "https80").authority, "127.0.0.1:80");

  const backends::Wire& http1 = *endpoint(compiled, "h1").wire;
  EXPECT_EQ(http1.protocol, backends::Protocol::http1);
  EXPECT_EQ(http1.tls, http1.tls_http1);
  // Said in the same words by two services: one context.
  EXPECT_EQ(http1.tls, endpoint(compiled, "https80").wire->tls_http1);
  const backends::Wire& http2 = *endpoint(compiled, "h2").wire;
  EXPECT_EQ(http2.protocol, backends::Protocol::http2);
  EXPECT_NE(http2.tls, endpoint(compiled, "https80").wire->tls);
  EXPECT_NE(endpoint(compiled, "shown").wire->tls, endpoint(compiled, "https80").wire->tls);
  EXPECT_EQ(endpoint(compiled, "insecure").wire->tls->verification(), tls::Verification::insecurely_off);
}

TEST(CompileWires, NamesGetTheirsWhenTheyAreResolved) {
  Bench bench;
  bench.put_service("a", "{ to: [\"https://orders.internal\"], tls: { ca: ca.pem } }");
  Compiled compiled = bench.compile_services();
  ASSERT_EQ(compiled.names_to_resolve.size(), 1u);
  const control::NamesToResolve& names = compiled.names_to_resolve[0];
  ASSERT_NE(names.wire, nullptr);
  backends::Endpoint resolved =
      control::resolved_endpoint(names.settings->forward.to[0], *base::parse_ip("10.0.0.1"), names.wire);
  EXPECT_EQ(resolved.server_name, "orders.internal");
  EXPECT_EQ(resolved.authority, "orders.internal");
  EXPECT_EQ(resolved.wire, names.wire);
}

TEST(CompileWires, TheSameObjectWhileTheWordsAreTheSame) {
  constexpr std::string_view kForward = "{ to: [\"https://127.0.0.1:1\"], tls: { ca: ca.pem } }";
  struct Change {
    const char* what;
    const char* forward;
    bool same;
  };
  const Change changes[] = {
      {"a timeout", "{ to: [\"https://127.0.0.1:1\"], connect_timeout: 1s, tls: { ca: ca.pem } }", true},
      {"the name", "{ to: [\"https://127.0.0.1:1\"], tls: { ca: ca.pem, name: x.example } }", false},
      {"verification", "{ to: [\"https://127.0.0.1:1\"], tls: { verify: insecure } }", false},
      {"the protocol", "{ to: [\"https://127.0.0.1:1\"], protocol: http2, tls: { ca: ca.pem } }", false},
      {"a PROXY header", "{ to: [\"https://127.0.0.1:1\"], proxy_protocol: v1, tls: { ca: ca.pem } }", false},
      {"the scheme", "{ to: [\"http://127.0.0.1:1\"] }", false},
  };
  for (const Change& change : changes) {
    Bench bench;
    bench.put_service("a", kForward);
    Compiled first = bench.compile_services();
    bench.put_service("a", change.forward);
    Compiled second = bench.compile();
    EXPECT_EQ(endpoint(first, "a") == endpoint(second, "a"), change.same) << change.what;
    EXPECT_EQ(find(second, "a").backends_generation, change.same ? 1u : 2u) << change.what;
  }
  Bench bench;
  bench.put_service("a", kForward);
  Compiled first = bench.compile_services();
  bench.files.write("ca.pem", tls::testing::make_authority("Another").pem());
  Compiled second = bench.compile();
  EXPECT_NE(endpoint(first, "a").wire, endpoint(second, "a").wire) << "the file's text";
}

TEST(CompileWires, BrokenOnesRefuseTheirServiceAlone) {
  struct Case {
    const char* tls;
    const char* place;
    const char* key;
  };
  const Case cases[] = {
      {"{ ca: broken.pem }", "services/a.yaml:2:55", "forward.tls.ca"},
      {"{ ca: ca.pem, certificate: api.pem, key: web.key }", "services/a.yaml:2:76",
       "forward.tls.certificate"},
      {"{ ca: ca.pem, certificate: broken.pem, key: web.key }", "services/a.yaml:2:76",
       "forward.tls.certificate"},
  };
  for (const Case& c : cases) {
    Bench bench;
    bench.files.write("broken.pem", "nothing\n");
    bench.put_service("b", "{ to: [127.0.0.1:9001] }");
    bench.put_service("a", fmt::format("{{ to: [\"https://127.0.0.1:8443\"], tls: {} }}", c.tls));
    Compiled compiled = bench.compile_services();
    EXPECT_EQ(compiled.refused_services, std::vector<std::string>{"a"});
    EXPECT_EQ(find(compiled, "b").name, "b");
    ASSERT_EQ(compiled.diagnostics.size(), 1u);
    EXPECT_EQ(compiled.diagnostics[0].source.text(), c.place);
    EXPECT_EQ(compiled.diagnostics[0].key, c.key);

    bench.put_service("a", "{ to: [\"https://127.0.0.1:8443\"], tls: { ca: ca.pem } }");
    Compiled good = bench.compile();
    bench.put_service("a", fmt::format("{{ to: [\"https://127.0.0.1:8443\"], tls: {} }}", c.tls));
    Compiled bad = bench.compile();
    EXPECT_EQ(&find(bad, "a"), &find(good, "a")) << "its last good version";
  }
}

}  // namespace
