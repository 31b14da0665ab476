// Whom each side accepts: clients by their certificates, backends by theirs and their names.
#include "tls/test_meeting.h"

namespace tls {
namespace {

using namespace testing;
using base::Reason;

void show(ClientSettings& settings, const TestCertificate& certificate) {
  settings.certificate_pem = certificate.chain_pem();
  settings.key_pem = certificate.key_pem();
}

struct ClientCase {
  const char* what;
  ClientCertificates mode;
  std::optional<TestCertificate> shown;
  const char* refused_because;  // nullptr: accepted
};

TEST(ClientCertificate, DecidesWhoComesIn) {
  using Use = CertificateWish::Use;
  const auto kNone = ClientCertificates::none, kOptional = ClientCertificates::optional,
             kRequired = ClientCertificates::required;
  const TestCertificate good = authority().issue({.common_name = "good", .names = "URI:spiffe://x/good"});
  const TestCertificate middle = authority().issue({.common_name = "middle", .use = Use::authority});
  const TestCertificate stranger = make_authority("Stranger CA").issue({.common_name = "stranger"});
  const TestCertificate expired =
      authority().issue({.common_name = "e", .valid_from_days = -9, .valid_to_days = -1});
  const TestCertificate early = authority().issue({.common_name = "f", .valid_from_days = 1});
  const TestCertificate self({.common_name = "self"});
  const TestCertificate server_only = authority().issue({.common_name = "s", .use = Use::server});
  TestCertificate deep = middle;
  for (int i = 0; i < 5; ++i)
    deep = deep.issue({.common_name = "m" + std::to_string(i), .use = Use::authority});
  deep = deep.issue({.common_name = "deep"});
  const ClientCase cases[] = {
      {"none wanted, none shown", kNone, {}, nullptr},
      {"none wanted, one shown", kNone, stranger, nullptr},
      {"optional, none shown", kOptional, {}, nullptr},
      {"optional, good", kOptional, good, nullptr},
      {"required, good", kRequired, good, nullptr},
      {"required, by an intermediate", kRequired, middle.issue({.common_name = "below"}), nullptr},
      {"required, none shown", kRequired, {}, "the client showed no certificate"},
      {"optional, a stranger", kOptional, stranger,
       "the peer's certificate does not lead to a trusted authority"},
      {"required, a stranger", kRequired, stranger,
       "the peer's certificate does not lead to a trusted authority"},
      {"expired", kOptional, expired, "the peer's certificate, or one it hangs on, has expired"},
      {"not yet valid", kRequired, early, "the peer's certificate is not valid yet"},
      {"self-signed", kRequired, self,
       "the peer's certificate is self-signed and not among the trusted ones"},
      {"a server's", kRequired, server_only, "the peer's certificate is not meant for this use"},
      {"too deep", kRequired, deep, "the peer's certificate chain is too long"},
  };
  for (Version version : {Version::tls12, Version::tls13}) {
    for (const ClientCase& c : cases) {
      SCOPED_TRACE(c.what);
      MeetingPlace place;
      ServerSettings server = server_settings();
      server.client_certificates = c.mode;
      if (c.mode != ClientCertificates::none) server.client_ca = trust(authority());
      ClientSettings client = client_settings();
      client.version_max = version;
      if (c.shown) show(client, *c.shown);
      Meeting met = place.meet(server, client);
      if (c.refused_because == nullptr) {
        place.expect_talk(met);
        bool known = c.shown.has_value() && c.mode != ClientCertificates::none;
        EXPECT_EQ(met.server->peer_certificate().has_value(), known);
        EXPECT_EQ(met.server->version(), version);
        continue;
      }
      ASSERT_FALSE(met.server_outcome);
      EXPECT_EQ(met.server_outcome.error().reason, Reason::tls_certificate_error);
      EXPECT_EQ(met.server_outcome.error().side, base::Side::client);
      EXPECT_STREQ(met.server_outcome.error().detail, c.refused_because);
      // The client hears why: in TLS 1.3 only behind its handshake.
      if (met.client_outcome) {
        place.receive(*met.client);
        EXPECT_EQ(met.client->failure().reason, Reason::tls_alert_received) << met.client->failure().detail;
      } else {
        EXPECT_EQ(met.client_outcome.error().reason, Reason::tls_alert_received);
      }
    }
  }
}

TEST(ClientCertificate, TellsWhoItIs) {
  MeetingPlace place;
  ServerSettings server = server_settings();
  server.client_certificates = ClientCertificates::required;
  server.client_ca = trust(authority());
  ClientSettings client = client_settings();
  show(client,
       authority().issue({.common_name = "caller", .names = "URI:spiffe://x/caller,DNS:caller.example"}));
  Meeting met = place.meet(server, client);
  place.expect_talk(met);
  auto shown = met.server->peer_certificate();
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->spiffe_id(), "spiffe://x/caller");
  EXPECT_EQ(shown->dns_names, std::vector<std::string>{"caller.example"});
  EXPECT_EQ(shown->subject, "CN=caller");
  EXPECT_EQ(certificate_info(client.certificate_pem)->der, shown->der);
}

// A client with this certificate, accepted by whoever is trusted here.
struct Guest {
  Guest(const TestCertificate& shown, std::string trusted_pem) {
    server.client_certificates = ClientCertificates::required;
    server.client_ca = *TrustStore::from_pem(trusted_pem);
    show(client, shown);
  }
  ServerSettings server = server_settings();
  ClientSettings client = client_settings();
};

TEST(Vouched, ByWhomItLeadsTo) {
  using Use = CertificateWish::Use;
  const TestCertificate other = make_authority("Other CA");
  const TestCertificate middle =
      authority().issue({.common_name = "middle", .valid_to_days = 30, .use = Use::authority});
  const TestCertificate direct = authority().issue({.common_name = "direct", .valid_to_days = 40});
  const TestCertificate below = middle.issue({.common_name = "below"});
  const std::string all = authority().pem() + other.pem();
  const struct {
    const char* what;
    TestCertificate shown;
    std::string asked;
    const TestCertificate* holds_as_long_as;  // nullptr: not vouched for
  } cases[] = {
      {"its authority", direct, authority().pem(), &direct},
      {"its authority among others", direct, all, &direct},
      {"another authority", direct, other.pem(), nullptr},
      {"by an intermediate that it sent", below, authority().pem(), &middle},
      {"the intermediate itself", below, middle.pem(), &middle},
      {"an intermediate it does not hang on", direct, middle.pem(), nullptr},
      {"itself alone", direct, direct.pem(), &direct},
  };
  for (Version version : {Version::tls12, Version::tls13}) {
    for (const auto& c : cases) {
      SCOPED_TRACE(c.what);
      Guest guest(c.shown, all);
      guest.client.version_max = version;
      MeetingPlace place;
      Meeting met = place.meet(guest.server, guest.client);
      place.expect_talk(met);
      EXPECT_TRUE(met.server->has_peer_certificate());
      auto until = met.server->vouched_until(**TrustStore::from_pem(c.asked));
      ASSERT_EQ(until.has_value(), c.holds_as_long_as != nullptr);
      if (until) {
        EXPECT_EQ(*until, certificate_info(c.holds_as_long_as->pem())->not_after);
      }
    }
  }
}

TEST(Vouched, UnderTheHandshakesConditions) {
  const TestCertificate other = make_authority("Other CA");
  const TestCertificate middle =
      other.issue({.common_name = "middle", .use = CertificateWish::Use::authority});
  Guest guest(middle.issue({.common_name = "below"}), middle.pem());
  guest.server.client_intermediates_max = 0;
  MeetingPlace place;
  Meeting met = place.meet(guest.server, guest.client);
  place.expect_talk(met);
  EXPECT_TRUE(met.server->vouched_until(*trust(middle)));
  EXPECT_FALSE(met.server->vouched_until(*trust(other))) << "too deep for the listener";
  // Of an expired certificate it is known who vouched for it.
  ClientSettings anyone = client_settings();
  anyone.verification = Verification::insecurely_off;
  ServerSettings old = server_settings();
  old.certificates = {
      settings_of(authority().issue({.common_name = "old", .valid_from_days = -9, .valid_to_days = -2}))};
  met = place.meet(old, anyone);
  place.expect_talk(met);
  EXPECT_EQ(met.client->vouched_until(*trust(authority())), met.client->peer_certificate()->not_after);
  EXPECT_FALSE(met.client->vouched_until(*trust(other)));
  EXPECT_FALSE(met.server->has_peer_certificate());
  EXPECT_FALSE(met.server->vouched_until(*trust(authority())));
}

TEST(Vouched, AResumedSessionByThoseWhoWereAskedBefore) {
  const TestCertificate other = make_authority("Other CA");
  const TestCertificate middle =
      authority().issue({.common_name = "middle", .use = CertificateWish::Use::authority});
  for (Version version : {Version::tls12, Version::tls13}) {
    Guest guest(middle.issue({.common_name = "below"}), authority().pem());
    guest.client.version_max = version;
    guest.server.ticket_keys = make_ticket_keys();
    auto client = compile(guest.client);
    auto slot = std::make_shared<SessionSlot>();
    for (bool again : {false, true}) {
      MeetingPlace place;
      Meeting met =
          place.meet(compile(guest.server), {.context = client, .name = "a.example", .session = slot});
      place.expect_talk(met);
      ASSERT_EQ(met.server->resumed(), again);
      EXPECT_EQ(met.server->peer_issuers().size(), again ? 0u : 1u);
      EXPECT_TRUE(met.server->vouched_until(*trust(authority())));
      EXPECT_TRUE(met.server->vouched_until(**TrustStore::from_pem(other.pem() + authority().pem())));
      EXPECT_FALSE(met.server->vouched_until(*trust(other)));
    }
  }
}

TEST(Vouched, IssuersAreTheVerifiedOnesBetween) {
  using Use = CertificateWish::Use;
  const TestCertificate first = authority().issue({.common_name = "first", .use = Use::authority});
  const TestCertificate second = first.issue({.common_name = "second", .use = Use::authority});
  Guest guest(second.issue({.common_name = "leaf"}), authority().pem());
  MeetingPlace place;
  Meeting met = place.meet(guest.server, guest.client);
  place.expect_talk(met);
  EXPECT_EQ(met.server->peer_issuers(), (std::vector<std::string>{certificate_info(second.pem())->der,
                                                                  certificate_info(first.pem())->der}));
  EXPECT_TRUE(met.client->peer_issuers().empty());
}

struct BackendCase {
  const char* what;
  std::string certificate_names;
  std::string called;
  const char* refused_because;  // nullptr: accepted
};

TEST(Backend, IsVerifiedByName) {
  const char* kOther = "the peer's certificate is for another name";
  const BackendCase cases[] = {
      {"its name", "DNS:a.example", "a.example", nullptr},
      {"its name, in capitals and with a dot", "DNS:a.example", "A.Example.", nullptr},
      {"a wildcard", "DNS:*.b.example", "a.b.example", nullptr},
      {"an address", "IP:10.0.0.1", "10.0.0.1", nullptr},
      {"an IPv6 address", "IP:::1", "[::1]", nullptr},
      {"another name", "DNS:a.example", "b.example", kOther},
      {"a wildcard covers one label", "DNS:*.b.example", "x.a.b.example", kOther},
      {"a wildcard within a label", "DNS:a*.b.example", "aa.b.example", kOther},
      {"another address", "IP:10.0.0.1", "10.0.0.2", kOther},
      {"an address written as a name", "DNS:10.0.0.1", "10.0.0.1", kOther},
      {"the common name does not count", "", "server", kOther},
  };
  for (const BackendCase& c : cases) {
    SCOPED_TRACE(c.what);
    MeetingPlace place;
    Meeting met = place.meet(server_settings(c.certificate_names), client_settings(), c.called);
    if (c.refused_because == nullptr) {
      place.expect_talk(met);
      continue;
    }
    ASSERT_FALSE(met.client_outcome);
    EXPECT_EQ(met.client_outcome.error().reason, Reason::tls_certificate_error);
    EXPECT_EQ(met.client_outcome.error().side, base::Side::backend);
    EXPECT_EQ(met.client_outcome.error().retry, base::Retry::safe);
    EXPECT_STREQ(met.client_outcome.error().detail, c.refused_because);
    EXPECT_EQ(met.server_outcome.error().reason, Reason::tls_alert_received);
  }
}

TEST(Backend, AnotherNameMayBeAgreedOn) {
  MeetingPlace place;
  ClientSettings client = client_settings();
  client.server_name = "A.example";
  Meeting met = place.meet(server_settings(), client, "10.0.0.1");
  place.expect_talk(met);
  EXPECT_EQ(met.server->sni(), "a.example");
}

TEST(Backend, MustBeTrusted) {
  ClientSettings stranger = client_settings();
  stranger.ca = trust(make_authority("Another CA"));
  MeetingPlace place;
  Meeting met = place.meet(server_settings(), stranger);
  EXPECT_STREQ(met.client_outcome.error().detail,
               "the peer's certificate does not lead to a trusted authority");
  ClientSettings off = stranger;
  off.verification = Verification::insecurely_off;
  met = place.meet(server_settings(), off, "");
  place.expect_talk(met);
  EXPECT_EQ(met.server->sni(), "");
  // No name to verify is no reason to skip it.
  met = place.meet(server_settings(), client_settings(), "");
  EXPECT_EQ(met.client_outcome.error().reason, Reason::tls_certificate_error);
}

TEST(Backend, MayAskForACertificate) {
  ServerSettings server = server_settings();
  server.client_certificates = ClientCertificates::required;
  server.client_ca = trust(authority());
  MeetingPlace place;
  ClientSettings client = client_settings();
  Meeting met = place.meet(server, client);
  ASSERT_TRUE(met.client_outcome) << "in TLS 1.3 the refusal comes behind the handshake";
  EXPECT_EQ(place.receive(*met.client), "");
  EXPECT_EQ(met.client->failure().reason, Reason::tls_alert_received);
  EXPECT_STREQ(met.client->failure().detail,
               "the peer wants a client certificate (alert certificate_required)");
}

TEST(Backend, SettingsAreChecked) {
  ClientSettings no_authority;
  EXPECT_NE(compile_client_context(no_authority).error().find("no certificate authorities"),
            std::string::npos);
  ClientSettings wrong_key = client_settings();
  show(wrong_key, authority().issue({.common_name = "x"}));
  wrong_key.key_pem = make_authority("x").key_pem();
  EXPECT_NE(compile_client_context(wrong_key).error().find("does not belong"), std::string::npos);
}

TEST(Versions, WithoutACommonOneBothSidesSayWhy) {
  MeetingPlace place;
  ServerSettings server = server_settings();
  server.version_min = Version::tls13;
  ClientSettings client = client_settings();
  client.version_max = Version::tls12;
  Meeting met = place.meet(server, client);
  EXPECT_EQ(met.server_outcome.error().reason, Reason::tls_protocol_error);
  EXPECT_STREQ(met.server_outcome.error().detail, "the peer speaks only TLS versions that are too old");
  EXPECT_EQ(met.client_outcome.error().reason, Reason::tls_alert_received);
  EXPECT_STREQ(met.client_outcome.error().detail,
               "the peer speaks no common TLS version (alert protocol_version)");
}

}  // namespace
}  // namespace tls
