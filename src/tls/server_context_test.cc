#include "tls/server_context.h"

#include "tls/test_meeting.h"

namespace tls {
namespace {

using namespace testing;
using base::Reason;

std::string served_subject(const std::shared_ptr<const ServerContext>& context, std::string_view name) {
  MeetingPlace place;
  ClientSettings settings = client_settings();
  settings.verification = Verification::insecurely_off;
  Meeting met = place.meet(context, {.context = compile(settings), .name = name, .session = nullptr});
  if (!met.client_outcome) return met.client_outcome.error().detail;
  return met.client->peer_certificate()->subject;
}

ServerSettings three_sites() {
  ServerSettings settings;
  for (auto [common_name, names] :
       {std::pair{"first", "DNS:first.example"}, std::pair{"wild", "DNS:*.wild.example"},
        std::pair{"exact", "DNS:exact.wild.example,DNS:Other.Example"}}) {
    settings.certificates.push_back(
        settings_of(authority().issue({.common_name = common_name, .names = names})));
  }
  return settings;
}

TEST(ServerContext, ChoosesTheCertificateByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"first.example", "CN=first"},      {"x.wild.example", "CN=wild"},      {"X.Wild.Example", "CN=wild"},
      {"exact.wild.example", "CN=exact"}, {"EXACT.wild.example", "CN=exact"}, {"other.example", "CN=exact"},
      {"a.b.wild.example", "CN=first"},   {"wild.example", "CN=first"},       {"unknown.example", "CN=first"},
      {"10.0.0.1", "CN=first"},           {"first.example.", "CN=first"},
  };
  auto context = compile(three_sites());
  for (auto [name, subject] : cases) EXPECT_EQ(served_subject(context, name), subject) << name;
}

TEST(ServerContext, RefusesUnknownNamesByChoice) {
  ServerSettings settings = three_sites();
  settings.unknown_name = UnknownName::refuse;
  auto context = compile(settings);
  EXPECT_EQ(served_subject(context, "x.wild.example"), "CN=wild");
  for (const char* name : {"unknown.example", "10.0.0.1", "wild.example"}) {
    EXPECT_NE(served_subject(context, name).find("unrecognized_name"), std::string::npos) << name;
  }
  MeetingPlace place;
  Meeting met = place.meet(
      context, {.context = compile(client_settings()), .name = "unknown.example", .session = nullptr});
  ASSERT_FALSE(met.server_outcome);
  EXPECT_EQ(met.server_outcome.error().reason, Reason::tls_protocol_error);
  EXPECT_STREQ(met.server_outcome.error().detail, "no certificate is for the name that the client asked for");
  EXPECT_EQ(met.server->sni(), "unknown.example");
  EXPECT_EQ(met.client_outcome.error().reason, Reason::tls_alert_received);
}

TEST(ServerContext, ListedNamesTakeThePlaceOfTheCertificates) {
  ServerSettings settings = three_sites();
  settings.certificates[1].names = {"chosen.example"};
  auto context = compile(settings);
  EXPECT_EQ(served_subject(context, "chosen.example"), "CN=wild");
  EXPECT_EQ(served_subject(context, "x.wild.example"), "CN=first");
}

TEST(ServerContext, OneNameWithKeysOfTwoKinds) {
  ServerSettings settings;
  settings.certificates.push_back(
      settings_of(authority().issue({.common_name = "rsa", .names = "DNS:a.example", .key = TestKey::rsa})));
  settings.certificates.push_back(
      settings_of(authority().issue({.common_name = "ecdsa", .names = "DNS:a.example"})));
  settings.certificates.push_back(
      settings_of(authority().issue({.common_name = "ecdsa too", .names = "DNS:a.example"})));
  auto context = compile(settings);
  EXPECT_EQ(served_subject(context, "a.example"), "CN=ecdsa") << "the cheaper one, where the client can";
  EXPECT_EQ(served_subject(context, "unknown.example"), "CN=ecdsa");
}

TEST(ServerContext, WhatAnotherHostMayShare) {
  MeetingPlace place;
  Meeting met = place.meet(three_sites(), client_settings(), "x.wild.example");
  ASSERT_TRUE(met.made());
  EXPECT_TRUE(met.server->serves("x.wild.example"));
  EXPECT_TRUE(met.server->serves("y.wild.example"));
  EXPECT_FALSE(met.server->serves("exact.wild.example"));
  EXPECT_FALSE(met.server->serves("first.example"));
  EXPECT_FALSE(met.server->serves("unknown.example"));
}

struct ProblemCase {
  const char* what;
  std::function<void(ServerSettings&)> spoil;
  Problem::Severity severity;
  size_t certificate;
  const char* sentence;
};

TEST(ServerContext, ProblemsAreToldInSentences) {
  constexpr auto kError = Problem::Severity::error;
  constexpr auto kWarning = Problem::Severity::warning;
  const ProblemCase cases[] = {
      {"none at all", [](auto& s) { s.certificates.clear(); }, kError, SIZE_MAX, "at least one certificate"},
      {"a wrong key", [](auto& s) { s.certificates[1].key_pem = s.certificates[0].key_pem; }, kError, 1,
       "does not belong"},
      {"a name with *", [](auto& s) { s.certificates[2].names = {"a.*.example"}; }, kError, 2,
       "not a host name"},
      {"no authority", [](auto& s) { s.client_certificates = ClientCertificates::required; }, kError,
       SIZE_MAX, "no authority"},
      {"empty protocol", [](auto& s) { s.alpn = {""}; }, kError, SIZE_MAX, "ALPN"},
      {"expired",
       [](auto& s) {
         s.certificates[0] =
             settings_of(authority().issue({.names = "DNS:a", .valid_from_days = -20, .valid_to_days = -10}));
       },
       kWarning, 0, "expired on 20"},
      {"expires soon",
       [](auto& s) {
         s.certificates[0] = settings_of(authority().issue({.names = "DNS:a", .valid_to_days = 20}));
       },
       kWarning, 0, "expires on 20"},
      {"not yet valid",
       [](auto& s) {
         s.certificates[0] =
             settings_of(authority().issue({.names = "DNS:a", .valid_from_days = 2, .valid_to_days = 90}));
       },
       kWarning, 0, "not valid before 20"},
      {"nameless", [](auto& s) { s.certificates[1] = settings_of(authority().issue({.common_name = "x"})); },
       kWarning, 1, "names no host"},
  };
  base::WallTime now = io::system_clock().wall_now();
  for (const ProblemCase& c : cases) {
    SCOPED_TRACE(c.what);
    ServerSettings settings = three_sites();
    c.spoil(settings);
    CompiledServer compiled = compile_server_context(settings, now);
    EXPECT_EQ(compiled.context == nullptr, c.severity == kError);
    ASSERT_EQ(compiled.problems.size(), 1u);
    EXPECT_EQ(compiled.problems[0].severity, c.severity);
    EXPECT_EQ(compiled.problems[0].certificate, c.certificate);
    EXPECT_NE(compiled.problems[0].sentence.find(c.sentence), std::string::npos)
        << compiled.problems[0].sentence;
  }
  EXPECT_TRUE(compile_server_context(three_sites(), now).problems.empty());
}

TEST(ServerContext, AllProblemsAreTold) {
  ServerSettings settings = three_sites();
  settings.certificates[0].key_pem = "x";
  settings.certificates[2].chain_pem = "y";
  EXPECT_EQ(compile_server_context(settings, io::system_clock().wall_now()).problems.size(), 2u);
}

struct AlpnCase {
  std::vector<std::string> server;
  std::vector<std::string> client;
  std::string agreed;
  bool refused = false;
};

TEST(ServerContext, AgreesOnAProtocol) {
  const AlpnCase cases[] = {
      {{"h2", "http/1.1"}, {"http/1.1", "h2"}, "h2"},
      {{"h2", "http/1.1"}, {"http/1.0", "http/1.1"}, "http/1.1"},
      {{"http/1.1"}, {"h2", "http/1.1"}, "http/1.1"},
      {{"h2"}, {}, ""},
      {{}, {"h2"}, ""},
      {{"h2", "http/1.1"}, {"spdy/3"}, "", true},
  };
  for (const AlpnCase& c : cases) {
    MeetingPlace place;
    ServerSettings server = server_settings();
    server.alpn = c.server;
    ClientSettings client = client_settings();
    client.alpn = c.client;
    Meeting met = place.meet(server, client);
    ASSERT_EQ(met.made(), !c.refused);
    if (c.refused) {
      EXPECT_EQ(met.client_outcome.error().reason, Reason::tls_alert_received);
      EXPECT_NE(std::string(met.client_outcome.error().detail).find("no_application_protocol"),
                std::string::npos);
      EXPECT_STREQ(met.server_outcome.error().detail,
                   "the client offers none of the protocols that are spoken here");
    } else {
      EXPECT_EQ(met.server->alpn(), c.agreed);
      EXPECT_EQ(met.client->alpn(), c.agreed);
    }
  }
}

}  // namespace
}  // namespace tls
