#include "tls/certificate.h"

#include "tls/test_certificates.h"

namespace tls {
namespace {

using testing::CertificateWish;
using testing::make_authority;
using testing::TestCertificate;
using testing::TestKey;

bool says(const std::string& sentence, std::string_view part) {
  return sentence.find(part) != std::string::npos;
}

TEST(Certificate, IsDescribed) {
  TestCertificate authority = make_authority("Test CA");
  TestCertificate leaf = authority.issue(
      {.common_name = "orders, \"the\" service",
       .names =
           "DNS:Orders.Example,DNS:*.orders.example,URI:spiffe://example/orders,IP:10.0.0.1,IP:2001:db8::1,"
           "email:ops@example"});
  auto info = certificate_info(leaf.chain_pem());
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(info->subject, "CN=orders\\, \\\"the\\\" service");
  EXPECT_EQ(info->issuer, "CN=Test CA");
  EXPECT_EQ(info->dns_names, (std::vector<std::string>{"orders.example", "*.orders.example"}));
  EXPECT_EQ(info->uris, std::vector<std::string>{"spiffe://example/orders"});
  EXPECT_EQ(info->ip_addresses, (std::vector<std::string>{"10.0.0.1", "2001:db8::1"}));
  EXPECT_EQ(info->emails, std::vector<std::string>{"ops@example"});
  EXPECT_EQ(info->spiffe_id(), "spiffe://example/orders");
  EXPECT_EQ(info->sha256, crypto::sha256(info->der));
  EXPECT_EQ((info->not_after.ns - info->not_before.ns) / 1'000'000'000, 91 * 24 * 3600);
  EXPECT_FALSE(info->serial.empty());
}

TEST(Certificate, UnitsAreTheTextsThemselves) {
  TestCertificate leaf({.common_name = "a", .units = {"one, two", "drei\xc3\xa4", std::string("x\0y", 3)}});
  auto info = certificate_info(leaf.pem());
  EXPECT_EQ(info->organizational_units,
            (std::vector<std::string>{"one, two", "drei\xc3\xa4", std::string("x\0y", 3)}));
  EXPECT_EQ(info->subject, "CN=a,OU=x\\00y,OU=drei\xc3\xa4,OU=one\\, two");
  EXPECT_TRUE(certificate_info(make_authority("b").pem())->organizational_units.empty());
}

TEST(Certificate, AStoreIncludesWhatItHolds) {
  TestCertificate one = make_authority("one"), two = make_authority("two");
  auto store = [](const std::string& pem) { return *TrustStore::from_pem(pem); };
  EXPECT_TRUE(store(one.pem())->includes(*store(one.pem())));
  EXPECT_TRUE(store(one.pem() + two.pem())->includes(*store(two.pem())));
  EXPECT_TRUE(store(one.pem() + two.pem())->includes(*store(two.pem() + one.pem())));
  EXPECT_FALSE(store(one.pem())->includes(*store(two.pem() + one.pem())));
  EXPECT_FALSE(store(one.pem())->includes(*store(make_authority("one").pem())));
}

TEST(Certificate, ASpiffeIdStandsAlone) {
  CertificateInfo info;
  EXPECT_EQ(info.spiffe_id(), "");
  info.uris = {"https://example/a"};
  EXPECT_EQ(info.spiffe_id(), "");
  info.uris = {"spiffe://example/a", "spiffe://example/b"};
  EXPECT_EQ(info.spiffe_id(), "") << "X.509-SVID §2: exactly one URI";
}

TEST(Certificate, WhatCannotBeReadIsSaid) {
  TestCertificate leaf({.common_name = "a"});
  EXPECT_TRUE(says(certificate_info("").error(), "no certificate"));
  EXPECT_TRUE(says(certificate_info(leaf.key_pem()).error(), "no certificate"));
  std::string broken = leaf.pem();
  broken.replace(100, 10, "**********");
  EXPECT_TRUE(says(certificate_info(broken).error(), "certificate 1"));
  EXPECT_TRUE(says(parse_certificates(leaf.pem() + broken).error(), "certificate 2"));
  EXPECT_TRUE(says(certificate_info(std::string(kPemBytesMax + 1, 'x')).error(), "too large"));
}

struct PairCase {
  const char* what;
  std::string chain;
  std::string key;
  const char* problem;  // "": none
};

TEST(Certificate, AKeyPairIsChecked) {
  TestCertificate root = make_authority("Root");
  TestCertificate middle = root.issue({.common_name = "Middle", .use = CertificateWish::Use::authority});
  TestCertificate leaf = middle.issue({.common_name = "leaf", .names = "DNS:a.example"});
  TestCertificate other = root.issue({.common_name = "other"});
  const PairCase cases[] = {
      {"whole chain", leaf.chain_pem(), leaf.key_pem(), ""},
      {"certificate alone", leaf.pem(), leaf.key_pem(), ""},
      {"text around", "subject: x\n" + leaf.pem() + "\nissuer:\n" + middle.pem(), leaf.key_pem(), ""},
      {"another's key", leaf.chain_pem(), other.key_pem(), "does not belong"},
      {"issuer first", middle.pem() + leaf.pem(), leaf.key_pem(), "must come first"},
      {"issuers swapped", leaf.pem() + root.pem() + middle.pem(), leaf.key_pem(), "wrong order"},
      {"foreign issuer", leaf.pem() + other.pem(), leaf.key_pem(), "wrong order"},
      {"encrypted key", leaf.pem(), leaf.encrypted_key_pem(), "encrypted"},
      {"no key", leaf.pem(), "hello", "no private key"},
      {"certificate for a key", leaf.pem(), leaf.pem(), "no private key"},
      {"key for a certificate", leaf.key_pem(), leaf.key_pem(), "no certificate"},
  };
  for (const PairCase& c : cases) {
    auto pair = parse_key_pair(c.chain, c.key);
    if (*c.problem == '\0') {
      EXPECT_TRUE(pair) << c.what << ": " << pair.error();
    } else {
      ASSERT_FALSE(pair) << c.what;
      EXPECT_TRUE(says(pair.error(), c.problem)) << c.what << ": " << pair.error();
    }
  }
}

TEST(Certificate, KindsOfKeys) {
  for (auto [key, kind] : {std::pair{TestKey::ecdsa, KeyKind::ecdsa}, std::pair{TestKey::rsa, KeyKind::rsa},
                           std::pair{TestKey::ed25519, KeyKind::ed25519}}) {
    TestCertificate leaf({.common_name = "a", .key = key});
    auto pair = parse_key_pair(leaf.pem(), leaf.key_pem());
    ASSERT_TRUE(pair) << pair.error();
    EXPECT_EQ(pair->kind, kind);
  }
}

TEST(TrustStore, EqualBundlesHaveOneDigest) {
  TestCertificate a = make_authority("A");
  TestCertificate b = make_authority("B");
  auto one = TrustStore::from_pem(a.pem() + b.pem());
  auto same = TrustStore::from_pem("# a comment\n" + a.pem() + b.pem());
  auto other = TrustStore::from_pem(a.pem());
  ASSERT_TRUE(one && same && other);
  EXPECT_EQ((*one)->digest(), (*same)->digest());
  EXPECT_NE((*one)->digest(), (*other)->digest());
  EXPECT_EQ((*one)->certificates().size(), 2u);
  EXPECT_FALSE(TrustStore::from_pem("nothing"));
}

}  // namespace
}  // namespace tls
