// Who is calling where clients show certificates: over real handshakes in the simulated world, across
// reloads.
#include "gate/shown_certificate.h"

#include "base/bytes.h"
#include "gate/test_world.h"
#include "tls/server_context.h"
#include "tls/test_meeting.h"

namespace gate::test {
namespace {

using tls::testing::TestCertificate;
using Mode = tls::ClientCertificates;

const TestCertificate& corp() {
  static const TestCertificate made = tls::testing::make_authority("Corp CA");
  return made;
}
const TestCertificate& guests() {
  static const TestCertificate made = tls::testing::make_authority("Guest CA");
  return made;
}
const TestCertificate& corp_branch() {
  static const TestCertificate made =
      corp().issue({.common_name = "branch", .use = tls::testing::CertificateWish::Use::authority});
  return made;
}

auth::ProviderSpec mesh(std::string name, const std::string& ca_pem) {
  auth::ProviderSpec spec;
  spec.name = std::move(name);
  spec.client_cert = auth::ClientCertSpec{.ca_pem = ca_pem};
  return spec;
}

// GET /a/spiffe is for orders of the provider "corp", /a/guest for the provider "guests", /a/key for keys,
// /a/any for anybody known, /a/open for all.
std::shared_ptr<const auth::RuleSet> rules() {
  std::vector<auth::RuleSpec> specs;
  auto allow = [&](const char* path) -> auth::WhoSpec& {
    auth::RuleSpec& spec = specs.emplace_back();
    spec.name = path;
    spec.on.push_back({.path = path});
    return spec.who;
  };
  auth::WhoSpec& orders = allow("/a/spiffe");
  orders.providers = {"corp"};
  orders.subjects = {"spiffe://corp/orders"};
  allow("/a/guest").providers = {"guests"};
  allow("/a/key").providers = {"robots"};
  allow("/a/any").authenticated = true;
  allow("/a/open").anyone = true;
  const std::string names[] = {"corp", "guests", "robots"};
  auto compiled = auth::compile_rules({.rules = specs, .provider_names = names});
  if (!compiled) ADD_FAILURE() << compiled.error()[0].message;
  return *compiled;
}

struct Wanted {
  Mode mode = Mode::optional;
  std::vector<std::pair<std::string, std::string>> providers = {{"corp", corp().pem()}};  // name, CAs
  ClientCertSent sent = ClientCertSent::off;
  bool keys = true;  // a provider of API keys too
};

// A gate whose client certificates are those of the wanted's providers together, as control/ has it.
class CertificateWorld : public GateWorld {
 public:
  explicit CertificateWorld(Wanted wanted = {}) { reload(std::move(wanted)); }

  void reload(Wanted wanted) {
    std::vector<auth::ProviderSpec> specs;
    std::string authorities;
    for (const auto& [name, pem] : wanted.providers) {
      specs.push_back(mesh(name, pem));
      authorities += pem;
    }
    if (wanted.keys) {
      auth::ProviderSpec& robots = specs.emplace_back();
      robots.name = "robots";
      robots.api_keys.emplace();
      robots.api_keys->keys.push_back(
          {.id = "k1", .digest = auth::api_key_digest(key), .owner = "crawler", .scopes = {"read"}});
    }
    auto providers = auth::compile_providers(specs, worker->snapshot()->providers.get());
    ASSERT_TRUE(providers) << providers.error()[0].message;
    tls::ServerSettings settings = tls::testing::server_settings();
    settings.client_certificates = authorities.empty() ? Mode::none : wanted.mode;
    if (!authorities.empty()) settings.client_ca = *tls::TrustStore::from_pem(authorities);
    if (wanted.providers.size() < 2) settings.ticket_keys = ticket_keys_;
    auto adjust = [&](Service& service) {
      service.rules = rules();
      service.rule_places.assign(5, "a.yaml:1:1");
      service.client_cert_sent = wanted.sent;
    };
    serve({{.path = "/a", .adjust = adjust}}, [&](Snapshot& snapshot) {
      snapshot.providers = *providers;
      snapshot.listeners[0].tls = tls::testing::compile(settings);
      snapshot.server_limits.idle_timeout = base::seconds(120LL * 365 * 24 * 3600);
    });
  }

 private:
  std::shared_ptr<tls::TicketKeys> ticket_keys_ = tls::testing::make_ticket_keys();
};

std::shared_ptr<const tls::ClientContext> showing(const TestCertificate* certificate) {
  tls::ClientSettings settings = tls::testing::client_settings();
  settings.alpn = {"http/1.1"};
  if (certificate != nullptr) {
    settings.certificate_pem = certificate->chain_pem();
    settings.key_pem = certificate->key_pem();
  }
  return tls::testing::compile(settings);
}

// A connection with HTTP/1.1 over TLS.
class Caller {
 public:
  Caller(GateWorld& world, std::shared_ptr<const tls::ClientContext> context,
         std::shared_ptr<tls::SessionSlot> slot = nullptr)
      : world_(world) {
    scope_.spawn(open({.context = std::move(context), .name = "a.example", .session = std::move(slot)}));
    world_.sim.run_until([&] { return ready_; }, base::seconds(100));
  }
  Caller(GateWorld& world, const TestCertificate& certificate) : Caller(world, showing(&certificate)) {}

  // The answer's status; 0: the connection ended without one.
  int ask(const std::string& path, const std::string& headers = "") {
    bool done = false;
    answer.clear();
    io::Scope scope;
    scope.spawn(talk("GET /a/" + path + " HTTP/1.1\r\nHost: a.example\r\n" + headers + "\r\n", done));
    world_.sim.run_until([&] { return done; }, base::seconds(100));
    return answer.size() < 12 ? 0 : static_cast<int>(*base::parse_unsigned(answer.substr(9, 3)));
  }
  bool resumed() const { return stream_->resumed(); }

  std::string answer;

 private:
  io::Task<> open(tls::ConnectTo to) {
    int error = 0;
    auto below = world_.sim.network.connect_from(io::sim_address(2, 40'000), io::sim_address(1, 80), error);
    while (below->connect_error() == EINPROGRESS)
      co_await io::wait_for(world_.sim.loop, base::kNever, below->writable());
    stream_ = tls::Stream::connect(std::move(below), to);
    co_await stream_->handshake(world_.sim.loop, base::kNever);
    ready_ = true;
  }
  bool whole() const {
    size_t end = answer.find("\r\n\r\n");
    size_t length = answer.find("Content-Length: ");
    if (end == answer.npos || length == answer.npos) return false;
    length += 16;
    auto bytes = base::parse_unsigned(answer.substr(length, answer.find('\r', length) - length));
    return answer.size() >= end + 4 + *bytes;
  }
  io::Task<> talk(std::string request, bool& done) {
    iovec piece{request.data(), request.size()};
    stream_->write({&piece, 1});
    std::array<char, 4096> bytes;
    while (!whole()) {
      io::IoResult got = stream_->read(bytes);
      if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) break;
      answer.append(bytes.data(), got.count);
      if (got.kind == io::IoResult::Kind::would_block)
        co_await io::wait_for(world_.sim.loop, base::kNever, stream_->readable());
    }
    done = true;
  }

  GateWorld& world_;
  std::unique_ptr<tls::Stream> stream_;
  bool ready_ = false;
  io::Scope scope_;
};

TestCertificate orders() {
  return corp().issue({.common_name = "orders", .names = "URI:spiffe://corp/orders"});
}

std::string sent_value(const Seen& seen, const std::string& name) {
  size_t at = seen.head.find("\r\n" + name + ": ");
  if (at == seen.head.npos) return "";
  at += name.size() + 4;
  return seen.head.substr(at, seen.head.find('\r', at) - at);
}

std::string encoded(const TestCertificate& certificate) {
  return ":" + base::base64_encode(tls::certificate_info(certificate.pem())->der) + ":";
}

TEST(ClientCertificate, IsTheCaller) {
  CertificateWorld world;
  Caller caller(world, orders());
  EXPECT_EQ(caller.ask("spiffe"), 200) << caller.answer;
  EXPECT_EQ(caller.ask("any"), 200);
  EXPECT_EQ(caller.ask("key"), 403);
  EXPECT_EQ(caller.ask("guest"), 403);
  auto records = world.records();
  ASSERT_EQ(records.size(), 4u);
  for (const std::string& record : records) {
    EXPECT_EQ(field(record, "provider"), "corp");
    EXPECT_EQ(field(record, "subject"), "spiffe://corp/orders");
    EXPECT_EQ(record.find("MII"), record.npos) << "the certificate itself is nobody's business";
  }
  EXPECT_FALSE(sent_value(world.seen.at(0), "Gatehouse-Identity").empty());
  EXPECT_EQ(sent_value(world.seen.at(0), "Client-Cert"), "") << "not asked for";
}

TEST(ClientCertificate, MayBeOptionalRequiredOrNone) {
  const TestCertificate good = orders();
  const TestCertificate stranger = tls::testing::make_authority("Stranger").issue({.common_name = "s"});
  const struct {
    Mode mode;
    const TestCertificate* shown;
    int open, any;  // 0: there is no connection
  } cases[] = {
      {Mode::none, nullptr, 200, 401},   {Mode::none, &good, 200, 401},
      {Mode::none, &stranger, 200, 401}, {Mode::optional, nullptr, 200, 401},
      {Mode::optional, &good, 200, 200}, {Mode::optional, &stranger, 0, 0},
      {Mode::required, nullptr, 0, 0},   {Mode::required, &good, 200, 200},
      {Mode::required, &stranger, 0, 0},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(&c - cases);
    CertificateWorld world({.mode = c.mode});
    Caller caller(world, showing(c.shown));
    EXPECT_EQ(caller.ask("open"), c.open);
    EXPECT_EQ(caller.ask("any"), c.any);
  }
}

TEST(ClientCertificate, BelongsToTheFirstProviderThatVouches) {
  const TestCertificate guest = guests().issue({.common_name = "g"});
  const TestCertificate employee = corp_branch().issue({.common_name = "e"});
  auto provider_of = [](Wanted wanted, const TestCertificate& certificate) {
    CertificateWorld world(std::move(wanted));
    Caller caller(world, certificate);
    EXPECT_EQ(caller.ask("any"), 200);
    return field(world.records().at(0), "provider");
  };
  Wanted both{.providers = {{"corp", corp().pem()}, {"guests", guests().pem()}}};
  EXPECT_EQ(provider_of(both, employee), "corp");
  EXPECT_EQ(provider_of(both, guest), "guests");
  Wanted overlapping{.providers = {{"guests", guests().pem() + corp_branch().pem()}, {"corp", corp().pem()}}};
  EXPECT_EQ(provider_of(overlapping, employee), "guests");
  EXPECT_EQ(provider_of(overlapping, orders()), "corp");
}

TEST(ClientCertificate, IsKnownOnAResumedConnection) {
  CertificateWorld world({.sent = ClientCertSent::header});
  const TestCertificate employee = corp_branch().issue({.common_name = "e"});
  auto context = showing(&employee);
  auto slot = std::make_shared<tls::SessionSlot>();
  for (bool again : {false, true, true}) {
    Caller caller(world, context, slot);
    EXPECT_EQ(caller.ask("any"), 200) << caller.answer;
    EXPECT_EQ(caller.resumed(), again);
    EXPECT_EQ(sent_value(world.seen.back(), "Client-Cert"), encoded(employee));
    EXPECT_EQ(sent_value(world.seen.back(), "Client-Cert-Chain"), again ? "" : encoded(corp_branch()));
  }
  // Another authority is added, while it is open: what vouched before goes on to.
  Caller caller(world, context, slot);
  EXPECT_EQ(caller.ask("any"), 200);
  world.reload({.providers = {{"corp", corp().pem() + guests().pem()}}});
  EXPECT_EQ(caller.ask("any"), 200);
  world.reload({.providers = {{"corp", guests().pem()}}});
  EXPECT_EQ(caller.ask("any"), 401);
}

TEST(ClientCertificate, IsNobodysOnceItsAuthorityIsGone) {
  CertificateWorld world({.sent = ClientCertSent::header});
  Caller caller(world, orders());
  EXPECT_EQ(caller.ask("spiffe"), 200);
  const struct {
    Wanted wanted;
    int spiffe, any, open;
    bool sent;
  } reloads[] = {
      {{.providers = {{"guests", guests().pem()}}}, 401, 401, 200, false},
      {{.providers = {{"corp", guests().pem() + corp().pem()}}}, 200, 200, 200, true},
      {{.providers = {{"guests", corp().pem()}}}, 403, 200, 200, true},
      {{.providers = {}}, 401, 401, 200, false},
      {{.providers = {}, .keys = false}, 401, 401, 200, false},
      {{}, 200, 200, 200, true},
      {{.keys = false}, 200, 200, 200, true},
  };
  for (const auto& reload : reloads) {
    SCOPED_TRACE(&reload - reloads);
    Wanted wanted = reload.wanted;
    wanted.sent = ClientCertSent::header;
    world.reload(std::move(wanted));
    EXPECT_EQ(caller.ask("spiffe"), reload.spiffe);
    EXPECT_EQ(caller.ask("any"), reload.any);
    EXPECT_EQ(caller.ask("open"), reload.open);
    EXPECT_EQ(!sent_value(world.seen.back(), "Client-Cert").empty(), reload.sent);
  }
}

TEST(ClientCertificate, EndsWithItsTimeOnAnOpenConnection) {
  CertificateWorld world({.sent = ClientCertSent::header});
  Caller caller(world, orders());
  EXPECT_EQ(caller.ask("any"), 200);
  world.sim.clock.advance_to(world.sim.clock.now() + base::seconds(100LL * 365 * 24 * 3600));
  world.sim.run_for(base::seconds(3));
  world.records();
  EXPECT_EQ(caller.ask("any"), 401);
  EXPECT_NE(caller.answer.find("the client certificate has expired"), caller.answer.npos) << caller.answer;
  EXPECT_EQ(caller.ask("open"), 401) << "as any bad credential";
  for (const std::string& record : world.records()) EXPECT_EQ(field(record, "reason"), "credential_invalid");
  EXPECT_EQ(caller.ask("key", "X-Api-Key: " + world.key + "\r\n"), 200);
  EXPECT_EQ(sent_value(world.seen.back(), "Client-Cert"), "");
}

TEST(ClientCertificate, TakesWhatIsOpenWithIt) {
  CertificateWorld world;
  Caller caller(world, orders());
  EXPECT_EQ(caller.ask("any", "Upgrade: shout\r\nConnection: upgrade\r\nX-Do: switch\r\n"), 101);
  world.reload({.providers = {{"renamed", corp().pem()}}});
  world.sim.run_for(base::seconds(10));
  EXPECT_TRUE(world.records().empty()) << "still somebody known";
  world.reload({.providers = {{"corp", guests().pem()}}});
  world.sim.run_for(base::seconds(10));
  auto records = world.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(field(records[0], "reason"), "access_withdrawn");
  EXPECT_EQ(field(records[0], "subject"), "spiffe://corp/orders");
}

TEST(ClientCertificate, WithoutANameIsABadCredential) {
  CertificateWorld world;
  Caller caller(world, corp().issue({.names = "email:a@b.example"}));
  EXPECT_EQ(caller.ask("any"), 401);
  EXPECT_EQ(field(world.records().at(0), "reason"), "credential_invalid");
}

TEST(ClientCertificate, GivesWayToTheRequestsOwnCredential) {
  CertificateWorld world({.sent = ClientCertSent::header});
  const TestCertificate shown = orders();
  Caller caller(world, shown);
  const std::string with_key = "X-Api-Key: " + world.key + "\r\n";
  EXPECT_EQ(caller.ask("key", with_key), 200) << caller.answer;
  EXPECT_EQ(sent_value(world.seen.back(), "Client-Cert"), encoded(shown)) << "visible to the backend";
  EXPECT_EQ(caller.ask("spiffe", with_key), 403) << "who has a key is not who the certificate names";
  EXPECT_EQ(caller.ask("any", "X-Api-Key: gh_wrong\r\n"), 401);
  EXPECT_EQ(caller.ask("any", "Authorization: Bearer x.y.z\r\n"), 401);
  EXPECT_EQ(caller.ask("spiffe", "Authorization: Basic dTpw\r\n"), 200) << "the backend's business";
  auto records = world.records();
  EXPECT_EQ(field(records.at(0), "provider"), "robots");
  EXPECT_EQ(field(records.at(4), "provider"), "corp");
}

TEST(ClientCertificate, LeavesCredentialsThatNoProviderReadsToTheBackend) {
  CertificateWorld world({.keys = false});
  Caller caller(world, orders());
  EXPECT_EQ(caller.ask("spiffe", "Authorization: Bearer x.y.z\r\nX-Api-Key: its-own\r\n"), 200);
  EXPECT_EQ(sent_value(world.seen.back(), "Authorization"), "Bearer x.y.z");
  EXPECT_EQ(sent_value(world.seen.back(), "X-Api-Key"), "its-own");
}

TEST(ClientCertificate, IsTheGatesToTellTheBackend) {
  const std::string forged = "Client-Cert: :Zm9yZ2Vk:\r\nclient-cert-chain: :Zm9yZ2Vk:\r\n";
  const TestCertificate employee = corp_branch().issue({.common_name = "e"});
  for (ClientCertSent sent : {ClientCertSent::off, ClientCertSent::header}) {
    CertificateWorld world({.sent = sent});
    Caller known(world, employee);
    EXPECT_EQ(known.ask("open", forged), 200);
    Caller unknown(world, showing(nullptr));
    EXPECT_EQ(unknown.ask("open", forged), 200);
    ASSERT_EQ(world.seen.size(), 2u);
    bool told = sent == ClientCertSent::header;
    EXPECT_EQ(sent_value(world.seen[0], "Client-Cert"), told ? encoded(employee) : "");
    EXPECT_EQ(sent_value(world.seen[0], "Client-Cert-Chain"), told ? encoded(corp_branch()) : "");
    for (const Seen& seen : world.seen) EXPECT_EQ(seen.head.find("Zm9yZ2Vk"), seen.head.npos) << seen.head;
    EXPECT_EQ(sent_value(world.seen[1], "Client-Cert"), "");
  }
}

// Signatures are expensive: what was worked out is kept, and so is the object that caches go by.
TEST(ShownCertificate, AsksAgainOnlyWhereProvidersChanged) {
  tls::testing::MeetingPlace place;
  tls::ServerSettings server = tls::testing::server_settings();
  server.client_certificates = Mode::required;
  server.client_ca = tls::testing::trust(corp());
  tls::ClientSettings client = tls::testing::client_settings();
  const TestCertificate shown = orders();
  client.certificate_pem = shown.chain_pem();
  client.key_pem = shown.key_pem();
  tls::testing::Meeting met = place.meet(server, client);
  place.expect_talk(met);
  auto providers = [](std::vector<std::string> names) {
    std::vector<auth::ProviderSpec> specs;
    for (const std::string& name : names) specs.push_back(mesh(name, corp().pem()));
    return *auth::compile_providers(specs, nullptr);
  };
  ShownCertificate certificate(*met.server);
  auto first = certificate.authenticate(*providers({"corp"}), {});
  auto again = certificate.authenticate(*providers({"corp"}), {});
  EXPECT_EQ(first.identity, again.identity);
  EXPECT_EQ(certificate.authenticate(*providers({"corp", "b"}), {}).identity->provider, "corp");
  EXPECT_EQ(certificate.authenticate(*providers({"b", "corp"}), {}).identity->provider, "b");
  EXPECT_EQ(certificate.authenticate(*providers({}), {}).outcome, auth::Authentication::Outcome::nobody);
  auto fields = certificate.fields(*providers({"corp"}), {});
  EXPECT_EQ(certificate.fields(*providers({"b"}), {}).client_cert.data(), fields.client_cert.data());
  base::WallTime end = first.identity->expires;
  EXPECT_EQ(certificate.authenticate(*providers({"corp"}), {end.ns - 1}).outcome,
            auth::Authentication::Outcome::caller);
  EXPECT_EQ(certificate.authenticate(*providers({"corp"}), end).error.reason,
            base::Reason::credential_invalid);
  EXPECT_TRUE(certificate.fields(*providers({"corp"}), end).client_cert.empty());
}

}  // namespace
}  // namespace gate::test
