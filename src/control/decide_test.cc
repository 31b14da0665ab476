#include "control/decide.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "access/api_key.h"

namespace {

using base::Reason;
using control::CallerFrom;
using control::Decision;
using control::RequestToDecide;

constexpr base::WallTime kNow{1'800'000'000 * 1'000'000'000LL};
constexpr std::string_view kKey = "gh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAxxxxxx";

constexpr std::string_view kService = R"(match: { host: api.example.com, path: /orders }
forward: { to: [127.0.0.1:9001, 127.0.0.1:9002], strip_prefix: /orders }
limits: { body: 1KiB, head: 2KiB }
access:
  - { name: public, allow: anyone, on: GET /orders/health }
  - { name: read, allow: { provider: partners, scopes: [orders:read] }, on: GET /orders/** }
  - { name: robots, allow: { provider: robots }, on: POST /orders/** }
  - { name: tenant, allow: { provider: partners, claims: { org.tenant: acme } }, on: DELETE /orders/** }
  - { name: outside, deny: anyone, from: [192.0.2.0/24] }
websocket: { origins: ["https://app.example.com"] }
)";

std::vector<config::HeaderValue> websocket_from(std::string_view origin, std::string_view version = "13") {
  return {{"Connection", "upgrade"},
          {"Upgrade", "websocket"},
          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
          {"Sec-WebSocket-Version", std::string(version)},
          {"Origin", std::string(origin)}};
}

struct World {
  World() {
    files.write("gatehouse.yaml", R"(listen: [{ address: ":8080" }]
providers:
  partners: { jwt: { issuer: "https://id.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [RS256] } }
  robots: { api_keys: { file: keys.yaml } }
)");
    files.write("jwks.json", R"({"keys":[]})");
    files.write("keys.yaml", "keys:\n  - { id: k1, digest: \"" + auth::api_key_digest(kKey) +
                                 "\", owner: ci, expires: \"2030-01-01T00:00:00Z\" }\n");
    files.write("environments/local.yaml", "unused: 1\n");
    files.write("services/orders.yaml", kService);
    loaded = config::load_gate(files, "local");
    EXPECT_FALSE(config::has_errors(loaded.diagnostics))
        << config::format_text(loaded.diagnostics, config::Style::plain);
    compiled = compiler.compile(loaded, 1);
  }
  Decision decide(RequestToDecide request) {
    if (request.authority.empty()) request.authority = "API.example.com:8080";
    return control::Decider({compiled, files, loaded.gate->fetch, kNow}).decide(request);
  }
  auth::IdentityPtr partner(std::vector<std::string> scopes, std::vector<auth::ClaimSpec> claims = {}) {
    config::CallerSpec spec;
    spec.provider = "partners";
    spec.scopes = std::move(scopes);
    spec.claims = std::move(claims);
    return control::make_caller(spec, loaded.gate->providers[0], kNow);
  }

  config::MemoryFiles files;
  config::LoadedGate loaded;
  control::Compiler compiler;
  control::Compiled compiled;
};

// As long ago as was said, to the second: a rule of the same age is met.
TEST(MakeCaller, SaysWhatTheLoginWas) {
  World world;
  config::CallerSpec spec;
  spec.provider = "partners";
  spec.acr = "urn:mfa";
  spec.amr = {"pwd", "otp"};
  spec.auth_age = base::seconds(300);
  for (int64_t fraction : {0, 1, 999'999'999}) {
    base::WallTime now{kNow.ns + fraction};
    auth::IdentityPtr caller = control::make_caller(spec, world.loaded.gate->providers[0], now);
    std::vector<auth::RuleSpec> rules(1);
    rules[0].who.acr = {"urn:mfa"};
    rules[0].who.amr = {"otp"};
    auto check = [&](int64_t seconds) {
      rules[0].who.max_age = base::seconds(seconds);
      return auth::check_access({}, **auth::compile_rules({.rules = rules}),
                                {.method = "GET", .path = "/", .caller = caller.get(), .now = now});
    };
    EXPECT_TRUE(check(300).allowed);
    EXPECT_EQ(check(298).clause, auth::Clause::age);
  }
}

TEST(Decide, AnAllowSaysWhereTheRequestGoes) {
  World world;
  Decision decision = world.decide({.target = "/orders/./health?a=1"});
  EXPECT_TRUE(decision.allowed());
  EXPECT_EQ(decision.host, "api.example.com");
  EXPECT_EQ(decision.path, "/orders/health");
  EXPECT_EQ(decision.route, "/orders");
  ASSERT_NE(decision.verdict.rule, nullptr);
  EXPECT_EQ(decision.place_of(*decision.verdict.rule), "services/orders.yaml:5:5");
  EXPECT_EQ(decision.path_sent, "/health?a=1");
  EXPECT_EQ(decision.backends, (std::vector<std::string>{"127.0.0.1:9001", "127.0.0.1:9002"}));
  EXPECT_EQ(decision.trace.steps.size(), 5u);
}

TEST(Decide, EachWayToFailHasItsReason) {
  World world;
  const struct {
    RequestToDecide request;
    Reason reason;
  } cases[] = {
      {{.authority = "elsewhere", .target = "/orders"}, Reason::no_route},
      {{.target = "/orders-old"}, Reason::no_route},
      {{.target = "/orders/a%2Fb"}, Reason::path_refused},
      {{.target = "/orders/a%00b"}, Reason::path_refused},
      {{.authority = "a b", .target = "/orders"}, Reason::http_request_error},
      {{.target = "/orders/1"}, Reason::credential_missing},
      {{.method = "PATCH", .target = "/orders/1"}, Reason::rule_denied},
      {{.target = "/orders/1", .pretended = world.partner({"other"})}, Reason::scope_insufficient},
      {{.target = "/orders/health", .client = *base::parse_ip("192.0.2.7")}, Reason::rule_denied},
      {{.target = "/orders/1", .headers = {{"X-Api-Key", "gh_x"}}}, Reason::credential_invalid},
      {{.target = "/orders/1", .headers = {{"Authorization", "Bearer a.b.c"}}}, Reason::credential_invalid},
      {{.target = "/orders/1", .headers = {{"X-Api-Key", "a"}, {"Authorization", "Bearer b"}}},
       Reason::credential_conflict},
      {{.target = "/orders/1", .headers = {{"X-Api-Key", "a"}, {"X-Api-Key", "b"}}},
       Reason::credential_malformed},
      {{.method = "TRACE", .target = "/orders/health"}, Reason::http_request_error},
      {{.target = "/orders/health", .headers = {{"Expect", "200-ok"}}}, Reason::expectation_failed},
      {{.target = "/orders/health", .headers = {{"Content-Length", "1025"}}}, Reason::request_body_too_large},
      {{.target = "/orders/health", .headers = {{"Content-Length", "+1"}}}, Reason::http_request_error},
      {{.target = "/orders/1", .headers = {{"Content-Length", "1025"}}}, Reason::credential_missing},
      {{.target = "/orders/health", .headers = {{"X-Long", std::string(2048, 'x')}}},
       Reason::request_head_too_large},
      {{.target = "/orders/health", .headers = {{"X-Long", std::string(70'000, 'x')}}},
       Reason::request_head_too_large},
      {{.target = "/orders/health", .headers = {{"X_Under", "1"}}}, Reason::http_request_error},
      {{.target = "/orders/health", .headers = {{"X-Two", "a\r\nX-Api-Key: b"}}}, Reason::http_request_error},
      {{.target = "/elsewhere/a%2Fb"}, Reason::path_refused},
      {{.target = "/orders/health", .headers = websocket_from("https://app.example.com")}, Reason::none},
      {{.target = "/orders/health", .headers = websocket_from("https://evil.example")},
       Reason::origin_refused},
      {{.target = "/orders/health", .headers = websocket_from("https://app.example.com", "8")},
       Reason::websocket_version_refused},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(world.decide(c.request).reason, c.reason) << c.request.method << " " << c.request.target;
  }
}

TEST(Decide, WhatIsWithinTheLimitsGoesOn) {
  World world;
  for (config::HeaderValue header : {config::HeaderValue{"Expect", "100-continue"},
                                     {"Content-Length", "1024"},
                                     {"X-Long", std::string(1000, 'x')}}) {
    Decision decision = world.decide({.target = "/orders/health", .headers = {header}});
    EXPECT_TRUE(decision.allowed()) << header.name << ": " << decision.detail;
  }
}

TEST(Decide, CallersAreKnownByPretenceOrByTheirKey) {
  World world;
  Decision pretended = world.decide({.target = "/orders/1", .pretended = world.partner({"orders:read"})});
  EXPECT_TRUE(pretended.allowed());
  EXPECT_EQ(pretended.caller_from, CallerFrom::pretence);
  Decision keyed =
      world.decide({.method = "POST", .target = "/orders/1", .headers = {{"X-Api-Key", std::string(kKey)}}});
  EXPECT_TRUE(keyed.allowed()) << keyed.detail;
  EXPECT_EQ(keyed.caller_from, CallerFrom::api_key);
  ASSERT_NE(keyed.caller, nullptr);
  EXPECT_EQ(keyed.caller->subject, "ci");
}

TEST(Decide, PretendedClaimsAreFoundByTheirDottedPath) {
  World world;
  for (auto [tenant, allowed] : {std::pair{"acme", true}, {"other", false}}) {
    auth::ClaimSpec claim;
    claim.path = "org.tenant";
    claim.values = {tenant};
    Decision decision =
        world.decide({.method = "DELETE", .target = "/orders/1", .pretended = world.partner({}, {claim})});
    EXPECT_EQ(decision.allowed(), allowed) << tenant;
  }
}

TEST(Decide, APretendedHolderOfACertificateHasWhatTheNameSays) {
  auth::ProviderSpec mesh;
  mesh.name = "mesh";
  mesh.client_cert.emplace();
  for (auto [subject, claim] : {std::pair{"spiffe://corp/orders", "spiffe_id"},
                                {"orders.example", "dns"},
                                {"CN=orders,O=Corp", "subject_dn"}}) {
    config::CallerSpec spec{.provider = "mesh", .subject = subject, .groups = {"ops"}};
    spec.claims.push_back({.path = "serial", .values = {"0A"}});
    auth::IdentityPtr caller = control::make_caller(spec, mesh, kNow);
    EXPECT_EQ(caller->provider, "mesh");
    EXPECT_EQ(caller->subject, subject);
    EXPECT_EQ(caller->groups, (std::vector<std::string>{"ops"}));
    EXPECT_TRUE(caller->claims.root().member(claim).holds(subject)) << subject;
    EXPECT_EQ(caller->claims.root().member("serial").text(), "0A");
    EXPECT_FALSE(caller->claims.root().member("sub"));
  }
}

TEST(Decide, ACallerIsMadeAsItsProviderWouldMakeIt) {
  auth::ClaimNames names{.subject = "id.name", .scopes = "scp", .groups = "roles", .groups_separator = ","};
  auth::ProviderSpec staff{.name = "staff", .oidc = auth::OidcSpec{.claims = names}};
  auth::ProviderSpec legacy{.name = "legacy", .introspection = auth::IntrospectionSpec{.claims = names}};
  config::CallerSpec spec;
  spec.subject = "alice";
  spec.scopes = {"a", "b"};
  spec.groups = {"ops", "dev"};
  spec.claims = {{.path = "tenant", .values = {"acme"}, .source = {}}};
  for (const auth::ProviderSpec& provider : {staff, legacy}) {
    spec.provider = provider.name;
    auth::IdentityPtr caller = control::make_caller(spec, provider, kNow);
    EXPECT_EQ(caller->provider, provider.name);
    EXPECT_EQ(caller->subject, "alice");
    EXPECT_EQ(caller->scopes, spec.scopes);
    EXPECT_EQ(caller->groups, spec.groups);
    auth::JsonValue claims = caller->claims.root();
    EXPECT_EQ(claims.find("id.name").text(), "alice");
    EXPECT_EQ(claims.find("roles").text(), "ops,dev");
    EXPECT_EQ(claims.find("tenant").text(), "acme");
    EXPECT_EQ(claims.find("scp").text(), provider.oidc ? "" : "a b");
  }
}

// A gate where staff log in.
class LoginWorld {
 public:
  LoginWorld() {
    files.write("gatehouse.yaml", R"(listen: [{ address: "127.0.0.1:8080" }]
providers:
  staff: { oidc: { issuer: "https://id.example", client_id: gate } }
  guests: { oidc: { issuer: "https://guests.example", client_id: gate } }
  partners: { jwt: { issuer: "https://id.example", audience: [a], jwks: { file: jwks.json } } }
services:
  portal:
    match: { path: / }
    forward: { to: 127.0.0.1:9001 }
    access: [{ allow: { provider: staff } }, { allow: anyone, on: GET /public }]
    csrf: { origins: ["https://app.example"] }
  both:
    match: { path: /both }
    forward: { to: 127.0.0.1:9001 }
    access: [{ allow: authenticated }]
  bank:
    match: { path: /bank }
    forward: { to: 127.0.0.1:9001 }
    access: [{ allow: { provider: [staff, guests, partners], acr: strong } }]
  api:
    match: { path: /api }
    forward: { to: 127.0.0.1:9001 }
    access: [{ allow: { provider: partners } }]
)");
    files.write("jwks.json", R"({"keys":[]})");
    loaded = config::load_gate(files, "local");
    compiled = compiler.compile(loaded, 1);
    EXPECT_NE(compiled.snapshot, nullptr) << config::format_text(compiled.diagnostics, config::Style::plain);
  }
  Decision decide(RequestToDecide request) {
    if (request.authority.empty()) request.authority = "portal.example";
    return control::Decider({compiled, files, loaded.gate->fetch, kNow}).decide(request);
  }
  auth::IdentityPtr caller(const std::string& provider) {
    config::CallerSpec spec;
    spec.provider = provider;
    auto named = std::ranges::find(loaded.gate->providers, provider, &auth::ProviderSpec::name);
    return control::make_caller(spec, *named, kNow);
  }

  config::MemoryFiles files;
  config::LoadedGate loaded;
  control::Compiler compiler;
  control::Compiled compiled;
};

TEST(Decide, WhoIsSentToLogIn) {
  using Names = std::vector<std::string>;
  LoginWorld world;
  const config::HeaderValue page{"Accept", "text/html,application/xhtml+xml"};
  const struct {
    RequestToDecide request;
    Names expected;
  } cases[] = {
      {{.scheme = "https", .target = "/a", .headers = {page}}, {"staff"}},
      {{.scheme = "https", .target = "/both", .headers = {page}}, {"staff", "guests"}},
      {{.scheme = "http", .authority = "app.localhost:8080", .target = "/a", .headers = {page}}, {"staff"}},
      {{.scheme = "http", .authority = "127.0.0.1:8080", .target = "/a", .headers = {page}}, {"staff"}},
      {{.scheme = "http", .target = "/a", .headers = {page}}, {}},  // its cookies would not be kept
      {{.scheme = "http", .authority = "127.0.0.1.example", .target = "/a", .headers = {page}}, {}},
      {{.scheme = "https", .target = "/a"}, {}},
      {{.scheme = "https", .target = "/a", .headers = {{"Accept", "application/json"}}}, {}},
      {{.method = "POST", .scheme = "https", .target = "/a", .headers = {page}}, {}},
      {{.scheme = "https", .target = "/a", .headers = {page, {"Sec-Fetch-Mode", "cors"}}}, {}},
      {{.scheme = "https", .target = "/a", .headers = {page, {"Sec-Fetch-Dest", "iframe"}}}, {}},
      {{.scheme = "https", .target = "/a", .headers = {page, {"Sec-Fetch-Dest", "document"}}}, {"staff"}},
      {{.scheme = "https", .target = "/api", .headers = {page}}, {}},
      {{.scheme = "https", .target = "/public", .headers = {page}}, {}},
      {{.scheme = "https", .target = "/bank", .headers = {page}}, {"staff", "guests"}},
      {{.scheme = "https", .target = "/bank", .headers = {page}, .pretended = world.caller("guests")},
       {"guests"}},  // once more, and more strongly
      {{.scheme = "https", .target = "/bank", .headers = {page}, .pretended = world.caller("partners")}, {}},
      {{.scheme = "https", .target = "/a", .headers = {page}, .pretended = world.caller("guests")}, {}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(world.decide(c.request).logs_in_with, c.expected)
        << c.request.method << " " << c.request.target;
  }
}

TEST(Decide, WhichPagesMayUseASession) {
  LoginWorld world;
  const auto staff = world.caller("staff");
  const struct {
    std::vector<config::HeaderValue> headers;
    Reason reason;
  } cases[] = {
      {{}, Reason::none},  // a test speaks of the service's own pages unless it says otherwise
      {{{"Sec-Fetch-Site", "same-origin"}}, Reason::none},
      {{{"Sec-Fetch-Site", "cross-site"}}, Reason::cross_site_refused},
      {{{"Origin", "https://portal.example"}}, Reason::none},
      {{{"Origin", "http://portal.example"}}, Reason::cross_site_refused},
      {{{"Origin", "https://app.example"}, {"Sec-Fetch-Site", "same-site"}}, Reason::none},
      {{{"Origin", "https://evil.example"}}, Reason::cross_site_refused},
  };
  for (const auto& c : cases) {
    Decision decision = world.decide(
        {.method = "POST", .scheme = "https", .target = "/a", .headers = c.headers, .pretended = staff});
    EXPECT_EQ(decision.reason, c.reason) << (c.headers.empty() ? "" : c.headers[0].value);
  }
  // A token is not sent along by a browser.
  EXPECT_TRUE(world
                  .decide({.method = "POST",
                           .target = "/api",
                           .headers = {{"Sec-Fetch-Site", "cross-site"}},
                           .pretended = world.caller("partners")})
                  .allowed());
}

TEST(Decide, TheGatesOwnAddressesAreItsOwn) {
  World world;
  Decision decision = world.decide({.target = "/.well-known/gatehouse/jwks.json"});
  EXPECT_TRUE(decision.own);
  EXPECT_TRUE(decision.allowed());
}

}  // namespace
