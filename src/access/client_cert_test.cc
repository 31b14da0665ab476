#include "access/client_cert.h"

#include "access/providers.h"
#include "access/rules.h"
#include "access/test_tokens.h"
#include "gtest/gtest.h"
#include "tls/certificate.h"
#include "tls/test_certificates.h"

namespace auth {
namespace {

using base::Reason;
using testing::kNow;
using tls::testing::CertificateWish;
using Names = std::vector<CertificateName>;

constexpr auto kSpiffe = CertificateName::spiffe, kDns = CertificateName::dns,
               kSubject = CertificateName::subject;

const tls::testing::TestCertificate& authority() {
  static const auto made = tls::testing::make_authority("Mesh CA");
  return made;
}

tls::CertificateInfo certificate(const CertificateWish& wish) {
  return *tls::certificate_info(authority().issue(wish).pem());
}

ClientCertPolicy policy(Names identity, CertificateGroups groups = CertificateGroups::none) {
  return *compile_client_cert(
      {.ca_pem = authority().pem(), .identity = std::move(identity), .groups_from = groups}, "mesh");
}

struct SubjectCase {
  const char* what;
  CertificateWish wish;
  Names identity;
  std::string_view subject;  // empty: refused
};

TEST(ClientCert, TheFirstKindThatIsThereIsTheSubject) {
  const std::string all = "URI:spiffe://corp/orders,DNS:Orders.example,DNS:second.example,email:a@b.example";
  const SubjectCase cases[] = {
      {"all there", {.common_name = "o", .names = all}, {kSpiffe, kDns, kSubject}, "spiffe://corp/orders"},
      {"another order", {.common_name = "o", .names = all}, {kDns, kSpiffe}, "orders.example"},
      {"the subject first", {.common_name = "o", .names = all}, {kSubject, kDns}, "CN=o"},
      {"no SPIFFE id", {.common_name = "o", .names = "DNS:a.example"}, {kSpiffe, kDns}, "a.example"},
      {"neither", {.common_name = "o", .names = "email:a@b.example"}, {kSpiffe, kDns, kSubject}, "CN=o"},
      {"a name with units", {.common_name = "o", .units = {"x", "y"}}, {kSubject}, "CN=o,OU=y,OU=x"},
      {"two SPIFFE ids are none",
       {.common_name = "o", .names = "URI:spiffe://a/1,URI:spiffe://a/2"},
       {kSpiffe, kSubject},
       "CN=o"},
      {"a URI of another kind", {.common_name = "o", .names = "URI:https://a.example/"}, {kSpiffe}, ""},
      {"none of the kinds", {.common_name = "o"}, {kSpiffe, kDns}, ""},
      {"no name at all", {.names = "email:a@b.example"}, {kSpiffe, kDns, kSubject}, ""},
      {"a line's end in a name is escaped", {.common_name = "o\nX: y"}, {kSubject}, "CN=o\\0AX: y"},
      {"too long",
       {.names = "URI:spiffe://a/" + std::string(kSubjectBytesMax, 'x')},
       {kSpiffe, kSubject},
       ""},
  };
  for (const SubjectCase& c : cases) {
    SCOPED_TRACE(c.what);
    auto caller = identify(certificate(c.wish), policy(c.identity), kNow);
    if (c.subject.empty()) {
      ASSERT_FALSE(caller);
      EXPECT_EQ(caller.error().reason, Reason::credential_invalid);
      EXPECT_EQ(caller.error().side, base::Side::client);
      continue;
    }
    ASSERT_TRUE(caller) << caller.error().detail;
    EXPECT_EQ((*caller)->provider, "mesh");
    EXPECT_EQ((*caller)->subject, c.subject);
    EXPECT_EQ((*caller)->expires, kNow);
    EXPECT_TRUE((*caller)->groups.empty());
    EXPECT_TRUE((*caller)->scopes.empty());
  }
}

TEST(ClientCert, NamesOfOneKindDoNotPassForAnother) {
  tls::CertificateInfo shown;
  auto subject = [&](CertificateName kind) {
    auto caller = identify(shown, policy({kind}), kNow);
    return caller ? (*caller)->subject : std::string("refused");
  };
  for (const char* odd : {"spiffe://a/b", "cn=root", "a b", "a\nb", ""}) {
    shown.dns_names = {odd};
    EXPECT_EQ(subject(kDns), "refused") << odd;
    shown.dns_names = {odd, "c.example"};
    EXPECT_EQ(subject(kDns), "c.example") << odd;
    auto caller = *identify(shown, policy({kDns}), kNow);
    EXPECT_FALSE(caller->claims.root().member("dns").holds(odd)) << odd;
  }
  shown.uris = {"spiffe://a/b\nc"};
  EXPECT_EQ(subject(kSpiffe), "refused");
  shown.uris = {"spiffe://a/b"};
  EXPECT_EQ(subject(kSpiffe), "spiffe://a/b");
}

TEST(ClientCert, UnitsAreGroupsWhereAskedFor) {
  auto groups = [](std::vector<std::string> units) {
    return identify(certificate({.common_name = "o", .units = std::move(units)}),
                    policy({kSubject}, CertificateGroups::organizational_units), kNow);
  };
  EXPECT_EQ((*groups({"ops", "on, call"}))->groups, (std::vector<std::string>{"ops", "on, call"}));
  EXPECT_TRUE((*groups({}))->groups.empty());
  EXPECT_FALSE(groups({"ops", "line\nend"}));
  EXPECT_FALSE(groups({std::string("ops\0x", 5)}));
}

TEST(ClientCert, ClaimsSayWhatTheCertificateSays) {
  auto shown =
      certificate({.common_name = "o \"x\"", .names = "DNS:a.example,DNS:b.example,URI:spiffe://c/o"});
  auto caller = *identify(shown, policy({kSpiffe}), kNow);
  JsonValue claims = caller->claims.root();
  EXPECT_EQ(claims.member("spiffe_id").text(), "spiffe://c/o");
  EXPECT_TRUE(claims.member("dns").is(JsonKind::array));
  EXPECT_TRUE(claims.member("dns").holds("a.example"));
  EXPECT_TRUE(claims.member("dns").holds("b.example"));
  EXPECT_EQ(claims.member("subject_dn").text(), "CN=o \\\"x\\\"");
  EXPECT_EQ(claims.member("serial").text(), shown.serial);
  EXPECT_EQ(claims.member("fingerprint").text(), base::hex_encode(crypto::as_text(shown.sha256)));
  auto bare = *identify(certificate({.common_name = "o"}), policy({kSubject}), kNow);
  EXPECT_FALSE(bare->claims.root().member("spiffe_id"));
  EXPECT_FALSE(bare->claims.root().member("dns"));
}

TEST(ClientCert, ManyNamesAreRead) {
  std::string names = "DNS:n0.example";
  for (int i = 1; i < 1000; ++i) names += ",DNS:n" + std::to_string(i) + ".example";
  auto caller = identify(certificate({.names = names}), policy({kDns}), kNow);
  ASSERT_TRUE(caller);
  EXPECT_TRUE((*caller)->claims.root().member("dns").holds("n999.example"));
}

ProviderSpec provider(std::string name = "mesh") {
  ProviderSpec spec;
  spec.name = std::move(name);
  spec.client_cert = ClientCertSpec{.ca_file = "ca.pem", .ca_pem = authority().pem()};
  return spec;
}

std::shared_ptr<const Providers> compile(std::vector<ProviderSpec> specs,
                                         const Providers* previous = nullptr) {
  auto out = compile_providers(specs, previous);
  EXPECT_TRUE(out) << out.error()[0].message;
  return out.value_or(nullptr);
}

std::vector<ProviderSpec> list(ProviderSpec one) {
  std::vector<ProviderSpec> out;
  out.push_back(std::move(one));
  return out;
}

TEST(ClientCert, IsAProviderLikeOthers) {
  auto first = compile(list(provider()));
  ASSERT_TRUE((*first)[0].client_cert);
  EXPECT_EQ((*first)[0].client_cert->authorities->certificates().size(), 1u);
  EXPECT_FALSE(first->accepts_tokens());
  EXPECT_NE(first->certificates_version(), 0u);
  auto same = compile(list(provider()), first.get());
  EXPECT_EQ(&(*same)[0], &(*first)[0]) << "the same object in the next generation";
  EXPECT_EQ(same->certificates_version(), first->certificates_version());
}

TEST(ClientCert, TheVersionFollowsTheDefinitionsThatCount) {
  auto two = [] {
    auto specs = list(provider("a"));
    specs.push_back(provider("b"));
    return specs;
  };
  const uint64_t before = compile(two())->certificates_version();
  using Change = void (*)(std::vector<ProviderSpec>&);
  const struct {
    Change change;
    bool counts;
  } cases[] = {
      {[](auto& s) { s[1].client_cert->ca_pem += tls::testing::make_authority("x").pem(); }, true},
      {[](auto& s) { s[1].client_cert->identity = {kDns}; }, true},
      {[](auto& s) { s[1].client_cert->identity = {kDns, kSpiffe, kSubject}; }, true},
      {[](auto& s) { s[0].client_cert->groups_from = CertificateGroups::organizational_units; }, true},
      {[](auto& s) { s[0].name = "c"; }, true},
      {[](auto& s) { std::swap(s[0], s[1]); }, true},
      {[](auto& s) { s.pop_back(); }, true},
      {[](auto& s) { s[0].client_cert->ca_file = "moved.pem"; }, false},
      {[](auto& s) { s.push_back(testing::key_provider("keys", {})); }, false},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    auto specs = two();
    cases[i].change(specs);
    EXPECT_EQ(compile(std::move(specs))->certificates_version() != before, cases[i].counts) << i;
  }
  EXPECT_EQ(compile({})->certificates_version(), 0u);
}

TEST(ClientCert, AuthoritiesThatCannotBeReadAreReported) {
  ProviderSpec broken = provider();
  broken.client_cert->ca_pem = "nothing";
  broken.client_cert->ca_source.line = 7;
  auto out = compile_providers(std::span(&broken, 1), nullptr);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error()[0].source.line, 7);
  EXPECT_TRUE(out.error()[0].message.starts_with("the authorities of \"mesh\" cannot be used: "));
  ProviderSpec both = provider();
  both.api_keys.emplace();
  EXPECT_FALSE(compile_providers(std::span(&both, 1), nullptr));
}

TEST(ClientCert, RulesSpeakOfItLikeOfAnyOther) {
  auto caller = *identify(
      certificate({.common_name = "o", .names = "URI:spiffe://c/o,DNS:a.example", .units = {"ops"}}),
      policy({kSpiffe}, CertificateGroups::organizational_units), kNow);
  using Wish = void (*)(WhoSpec&);
  const struct {
    Wish who;
    bool allowed;
  } cases[] = {
      {[](WhoSpec& w) { w.providers = {"mesh"}; }, true},
      {[](WhoSpec& w) { w.providers = {"other"}; }, false},
      {[](WhoSpec& w) { w.subjects = {"spiffe://c/o"}; }, true},
      {[](WhoSpec& w) { w.subjects = {"spiffe://c/other"}; }, false},
      {[](WhoSpec& w) { w.groups = {"ops", "dev"}; }, true},
      {[](WhoSpec& w) { w.groups = {"dev"}; }, false},
      {[](WhoSpec& w) { w.claims.push_back({.path = "dns", .values = {"a.example"}}); }, true},
      {[](WhoSpec& w) { w.claims.push_back({.path = "subject_dn", .values = {"CN=p"}}); }, false},
      {[](WhoSpec& w) { w.authenticated = true; }, true},
  };
  const std::string names[] = {"mesh", "other"};
  for (size_t i = 0; i < std::size(cases); ++i) {
    std::vector<RuleSpec> rules(1);
    cases[i].who(rules[0].who);
    auto compiled = compile_rules({.rules = rules, .provider_names = names});
    ASSERT_TRUE(compiled) << compiled.error()[0].message;
    auto none = compile_rules({.rules = {}, .owner = RuleOwner::gate});
    Verdict verdict =
        check_access(**none, **compiled, {.method = "GET", .path = "/", .caller = caller.get()});
    EXPECT_EQ(verdict.allowed, cases[i].allowed) << i;
  }
}

}  // namespace
}  // namespace auth
