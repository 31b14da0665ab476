// Which sessions may be resumed, and which may not: across contexts, keys, names and policies.
#include "tls/test_meeting.h"

namespace tls {
namespace {

using namespace testing;

// One worker's view of a backend: a slot, a client and the keys that servers share.
struct Returning {
  explicit Returning(ClientSettings settings = client_settings()) : client(compile(settings)) {}

  // Connects, hears something, so that tickets arrive, and tells whether it was resumed on both sides.
  bool visit(const std::shared_ptr<const ServerContext>& server, std::string_view name = "a.example") {
    Meeting met = place.meet(server, {.context = client, .name = name, .session = slot});
    place.expect_talk(met);
    if (!met.made()) return false;
    EXPECT_EQ(met.client->resumed(), met.server->resumed());
    certificate = met.server->peer_certificate();
    return met.server->resumed();
  }

  MeetingPlace place;
  std::shared_ptr<const ClientContext> client;
  std::shared_ptr<SessionSlot> slot = std::make_shared<SessionSlot>();
  std::optional<CertificateInfo> certificate;
};

ServerSettings with_keys(const std::shared_ptr<TicketKeys>& keys) {
  ServerSettings settings = server_settings("DNS:a.example,DNS:b.example");
  settings.ticket_keys = keys;
  return settings;
}

TEST(Resumption, TheSecondHandshakeIsShort) {
  for (Version version : {Version::tls12, Version::tls13}) {
    ClientSettings settings = client_settings();
    settings.version_max = version;
    SCOPED_TRACE(version == Version::tls12 ? "1.2" : "1.3");
    Returning returning(settings);
    auto server = compile(with_keys(make_ticket_keys()));
    EXPECT_FALSE(returning.visit(server));
    EXPECT_FALSE(returning.slot->empty());
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(returning.slot->find(returning.client, "a.example")) << i;
      EXPECT_TRUE(returning.visit(server)) << i;
    }
  }
}

TEST(Resumption, NoKeysNoTickets) {
  Returning returning;
  auto server = compile(server_settings());
  EXPECT_FALSE(returning.visit(server));
  EXPECT_TRUE(returning.slot->empty());
  EXPECT_FALSE(returning.visit(server));
}

TEST(Resumption, SurvivesAnotherCertificateAndContext) {
  Returning returning;
  auto keys = make_ticket_keys();
  EXPECT_FALSE(returning.visit(compile(with_keys(keys))));
  EXPECT_TRUE(returning.visit(compile(with_keys(keys)))) << "another certificate, the same keys";
}

TEST(Resumption, SurvivesRotationUntilTheKeyIsGone) {
  crypto::SystemRandom random;
  Returning returning;
  auto keys = make_ticket_keys();
  auto server = compile(with_keys(keys));
  EXPECT_FALSE(returning.visit(server));
  for (size_t i = 0; i + 1 < TicketKeys::kKept; ++i) keys->rotate(random);
  EXPECT_TRUE(returning.visit(server)) << "sealed with the oldest key, and sealed anew";
  for (size_t i = 0; i + 1 < TicketKeys::kKept; ++i) keys->rotate(random);
  EXPECT_TRUE(returning.visit(server));
  for (size_t i = 0; i < TicketKeys::kKept; ++i) keys->rotate(random);
  EXPECT_FALSE(returning.visit(server)) << "rotated out";
  EXPECT_TRUE(returning.visit(server));
}

TEST(Resumption, AnotherGatesTicketIsRefused) {
  Returning returning;
  EXPECT_FALSE(returning.visit(compile(with_keys(make_ticket_keys()))));
  EXPECT_FALSE(returning.visit(compile(with_keys(make_ticket_keys()))));
}

TEST(Resumption, IsNotCarriedToAnotherName) {
  auto server = compile(with_keys(make_ticket_keys()));
  Returning returning;
  EXPECT_FALSE(returning.visit(server, "a.example"));
  EXPECT_FALSE(returning.visit(server, "b.example")) << "our own client does not try";
  // One that does: unverified, it sends the name of its choice with a session of another.
  Returning cheating([] {
    ClientSettings settings = client_settings();
    settings.verification = Verification::insecurely_off;
    return settings;
  }());
  EXPECT_FALSE(cheating.visit(server, "a.example"));
  EXPECT_TRUE(cheating.visit(server, "a.example"));
  SessionHandle stolen = cheating.slot->take();
  cheating.slot->keep(cheating.client, "b.example", std::move(stolen));
  EXPECT_FALSE(cheating.visit(server, "b.example"));
}

TEST(Resumption, ASlotIsForOneContext) {
  auto server = compile(with_keys(make_ticket_keys()));
  Returning returning;
  EXPECT_FALSE(returning.visit(server));
  returning.client = compile(client_settings());
  EXPECT_FALSE(returning.visit(server)) << "what another context verified, this one has not";
  EXPECT_TRUE(returning.visit(server));
}

struct PolicyCase {
  const char* what;
  std::function<void(ServerSettings&)> change;
  bool resumed;
};

TEST(Resumption, IsBoundToThePolicyForClients) {
  TestCertificate other = make_authority("Other CA");
  const PolicyCase cases[] = {
      {"nothing", [](ServerSettings&) {}, true},
      {"the server's certificate",
       [](ServerSettings& s) { s.certificates = server_settings("DNS:a.example").certificates; }, true},
      {"required now", [](ServerSettings& s) { s.client_certificates = ClientCertificates::required; },
       false},
      {"none now", [](ServerSettings& s) { s.client_certificates = ClientCertificates::none; }, false},
      {"one more authority",
       [&](ServerSettings& s) { s.client_ca = *TrustStore::from_pem(authority().pem() + other.pem()); },
       false},
      {"another depth", [](ServerSettings& s) { s.client_intermediates_max = 1; }, false},
  };
  for (const PolicyCase& c : cases) {
    SCOPED_TRACE(c.what);
    ClientSettings client = client_settings();
    TestCertificate caller = authority().issue({.common_name = "caller"});
    client.certificate_pem = caller.chain_pem();
    client.key_pem = caller.key_pem();
    Returning returning(client);
    ServerSettings settings = with_keys(make_ticket_keys());
    settings.client_certificates = ClientCertificates::optional;
    settings.client_ca = trust(authority());
    EXPECT_FALSE(returning.visit(compile(settings)));
    EXPECT_EQ(returning.certificate->subject, "CN=caller");
    c.change(settings);
    EXPECT_EQ(returning.visit(compile(settings)), c.resumed);
    if (c.resumed) {
      EXPECT_EQ(returning.certificate->subject, "CN=caller") << "a resumed session keeps its identity";
    }
  }
}

}  // namespace
}  // namespace tls
