// Certificates made in the process, for tests and benches of TLS: authorities and what they issue, with
// whatever is wrong with it. Test code of other folders includes it too; product code never does.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls::testing {

enum class TestKey { ecdsa, rsa, ed25519 };

struct CertificateWish {
  std::string common_name;  // empty: an empty subject
  std::string names;        // as openssl.cnf writes subjectAltName: "DNS:a.example,URI:spiffe://x/y"
  TestKey key = TestKey::ecdsa;
  int valid_from_days = -1;  // from today
  int valid_to_days = 90;
  enum class Use { both, server, client, authority } use = Use::both;
  std::vector<std::string> units = {};  // OU, before the common name
};

template <auto kFree>
struct TestFree {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

inline std::string pem_text(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

// A certificate and its key; issues others when it is an authority.
class TestCertificate {
 public:
  // Self-signed.
  explicit TestCertificate(const CertificateWish& wish) : TestCertificate(wish, nullptr) {}
  TestCertificate issue(const CertificateWish& wish) const { return TestCertificate(wish, this); }

  const std::string& pem() const { return pem_; }
  // With the issuer's behind it, as a server's file has them.
  std::string chain_pem() const { return pem_ + issuers_pem_; }
  std::string key_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return pem_text(bio);
  }
  std::string encrypted_key_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    char passphrase[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), EVP_aes_128_cbc(), passphrase, 6, nullptr, nullptr);
    return pem_text(bio);
  }

 private:
  TestCertificate(const CertificateWish& wish, const TestCertificate* issuer) {
    key_.reset(make_key(wish.key), EVP_PKEY_free);
    certificate_.reset(X509_new(), X509_free);
    X509* made = certificate_.get();
    static long serial = 1000;
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_time_adj_ex(X509_getm_notBefore(made), wish.valid_from_days, 0, nullptr);
    X509_time_adj_ex(X509_getm_notAfter(made), wish.valid_to_days, 0, nullptr);
    X509_set_pubkey(made, key_.get());
    for (const std::string& unit : wish.units) {
      X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "OU", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(unit.data()),
                                 static_cast<int>(unit.size()), -1, 0);
    }
    if (!wish.common_name.empty()) {
      X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1, -1, 0);
    }
    const TestCertificate& by = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(made, X509_get_subject_name(by.certificate_.get()));
    add_extensions(wish, by);
    bool own_digest = EVP_PKEY_get_base_id(by.key_.get()) == EVP_PKEY_ED25519;
    X509_sign(made, by.key_.get(), own_digest ? nullptr : EVP_sha256());
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, made);
    pem_ = pem_text(bio);
    if (issuer != nullptr) issuers_pem_ = issuer->chain_pem();
  }

  static EVP_PKEY* make_key(TestKey kind) {
    switch (kind) {
      case TestKey::rsa:
        return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
      case TestKey::ed25519:
        return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
      case TestKey::ecdsa:
        break;
    }
    return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  }

  void add_extension(int id, const std::string& value, const TestCertificate& issuer) {
    if (value.empty()) return;
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.certificate_.get(), certificate_.get(), nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, TestFree<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
    if (extension) X509_add_ext(certificate_.get(), extension.get(), -1);
  }

  void add_extensions(const CertificateWish& wish, const TestCertificate& issuer) {
    using Use = CertificateWish::Use;
    add_extension(NID_subject_key_identifier, "hash", issuer);
    add_extension(NID_subject_alt_name, wish.names, issuer);
    if (wish.use == Use::authority) {
      add_extension(NID_basic_constraints, "critical,CA:TRUE", issuer);
      add_extension(NID_key_usage, "critical,keyCertSign,cRLSign", issuer);
      return;
    }
    add_extension(NID_basic_constraints, "critical,CA:FALSE", issuer);
    add_extension(NID_key_usage, "critical,digitalSignature", issuer);
    add_extension(NID_ext_key_usage,
                  wish.use == Use::both     ? "serverAuth,clientAuth"
                  : wish.use == Use::server ? "serverAuth"
                                            : "clientAuth",
                  issuer);
  }

  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
  std::string issuers_pem_;
};

inline TestCertificate make_authority(const std::string& name) {
  return TestCertificate({.common_name = name, .use = CertificateWish::Use::authority});
}

}  // namespace tls::testing
