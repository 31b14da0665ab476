#include "tls/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>

#include "base/bytes.h"

namespace tls {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Memory = std::unique_ptr<BIO, FreeBio>;

Memory reading(std::string_view text) {
  return Memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  long length = BIO_get_mem_data(bio, &data);
  return length > 0 ? std::string(data, static_cast<size_t>(length)) : std::string();
}

std::string name_text(const X509_NAME* name) {
  Memory out(BIO_new(BIO_s_mem()));
  // UTF-8 stays readable; what separates parts of a name is escaped. Half a name would be another's.
  constexpr unsigned long kForm = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  return X509_NAME_print_ex(out.get(), name, 0, kForm) >= 0 ? text_of(out.get()) : std::string();
}

std::vector<std::string> texts_of(const X509_NAME* name, int attribute) {
  std::vector<std::string> out;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, attribute, at)) >= 0;) {
    unsigned char* text = nullptr;
    int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    out.emplace_back(length > 0 ? std::string(reinterpret_cast<char*>(text), static_cast<size_t>(length))
                                : std::string());
    if (length >= 0) OPENSSL_free(text);
  }
  return out;
}

base::WallTime wall_time(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  constexpr int64_t kSecondsMax = INT64_MAX / 1'000'000'000;  // the year 2262: "never" in practice
  return {std::clamp(int64_t{timegm(&parts)}, -kSecondsMax, kSecondsMax) * 1'000'000'000};
}

// A NUL inside a name once made "bank.example\0.evil.example" pass for another's: such names are left out.
std::optional<std::string> plain_text(const ASN1_IA5STRING* value) {
  std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                        static_cast<size_t>(ASN1_STRING_length(value)));
  if (text.empty() || text.find('\0') != std::string_view::npos) return std::nullopt;
  return std::string(text);
}

std::string address_text(const ASN1_OCTET_STRING* value) {
  char text[INET6_ADDRSTRLEN] = "";
  int length = ASN1_STRING_length(value);
  if (length == 4 || length == 16) {
    inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), text, sizeof text);
  }
  return text;
}

void add_alternative_name(const GENERAL_NAME* name, CertificateInfo& info) {
  int type = 0;
  const void* value = GENERAL_NAME_get0_value(name, &type);
  if (type == GEN_IPADD) {
    std::string address = address_text(static_cast<const ASN1_OCTET_STRING*>(value));
    if (!address.empty()) info.ip_addresses.push_back(std::move(address));
    return;
  }
  if (type != GEN_DNS && type != GEN_URI && type != GEN_EMAIL) return;
  auto text = plain_text(static_cast<const ASN1_IA5STRING*>(value));
  if (!text) return;
  if (type == GEN_DNS) info.dns_names.push_back(base::lowercase(*text));
  if (type == GEN_URI) info.uris.push_back(std::move(*text));
  if (type == GEN_EMAIL) info.emails.push_back(std::move(*text));
}

std::string serial_text(X509* certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* digits = number != nullptr ? BN_bn2hex(number) : nullptr;
  std::string out = digits != nullptr ? digits : "";
  OPENSSL_free(digits);
  BN_free(number);
  return out;
}

std::string der_of(X509* certificate) {
  int length = i2d_X509(certificate, nullptr);
  if (length <= 0) return {};
  std::string der(static_cast<size_t>(length), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &at);
  return der;
}

struct KeyText {
  KeyHandle key;
  bool encrypted = false;
};

KeyText parse_key(std::string_view pem) {
  KeyText out;
  // Without a passphrase an encrypted key fails here, instead of being asked about on the terminal.
  auto no_passphrase = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  Memory input = reading(pem);
  if (input) out.key.reset(PEM_read_bio_PrivateKey(input.get(), nullptr, no_passphrase, &out.encrypted));
  ERR_clear_error();
  return out;
}

std::optional<KeyKind> kind_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return KeyKind::rsa;
    case EVP_PKEY_EC:
      return KeyKind::ecdsa;
    case EVP_PKEY_ED25519:
      return KeyKind::ed25519;
    default:
      return std::nullopt;
  }
}

std::string quoted(X509* certificate) { return "\"" + name_text(X509_get_subject_name(certificate)) + "\""; }

// Each one must be issued by the one behind it; a root at the end is harmless.
std::expected<void, std::string> check_order(const std::vector<X509Handle>& chain) {
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    if (X509_check_issued(chain[i + 1].get(), chain[i].get()) == X509_V_OK) continue;
    ERR_clear_error();
    return std::unexpected("the certificates are in the wrong order: " + quoted(chain[i].get()) +
                           " was not issued by " + quoted(chain[i + 1].get()) +
                           ", which stands behind it; put each one's issuer behind it");
  }
  return {};
}

std::expected<void, std::string> check_key_fits(const std::vector<X509Handle>& chain, EVP_PKEY* key) {
  for (size_t i = 0; i < chain.size(); ++i) {
    bool fits = X509_check_private_key(chain[i].get(), key) == 1;
    ERR_clear_error();
    if (fits && i == 0) return {};
    if (fits) {
      return std::unexpected("the certificates are in the wrong order: the one the key belongs to, " +
                             quoted(chain[i].get()) + ", must come first");
    }
  }
  return std::unexpected("the key does not belong to the certificate " + quoted(chain[0].get()));
}

}  // namespace

std::string_view CertificateInfo::spiffe_id() const {
  if (uris.size() != 1 || !uris[0].starts_with("spiffe://")) return {};
  return uris[0];
}

CertificateInfo describe(x509_st* certificate) {
  CertificateInfo info;
  info.subject = name_text(X509_get_subject_name(certificate));
  info.issuer = name_text(X509_get_issuer_name(certificate));
  info.organizational_units = texts_of(X509_get_subject_name(certificate), NID_organizationalUnitName);
  info.serial = serial_text(certificate);
  info.not_before = wall_time(X509_get0_notBefore(certificate));
  info.not_after = wall_time(X509_get0_notAfter(certificate));
  info.der = der_of(certificate);
  info.sha256 = crypto::sha256(info.der);
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    add_alternative_name(sk_GENERAL_NAME_value(names, i), info);
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
  return info;
}

std::expected<std::vector<X509Handle>, std::string> parse_certificates(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return std::unexpected("the file is too large to be certificates in PEM");
  std::vector<X509Handle> out;
  Memory input = reading(pem);
  while (X509* certificate = PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr)) {
    out.emplace_back(certificate);
  }
  unsigned long why = ERR_peek_last_error();
  ERR_clear_error();
  bool at_end = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
  if (!at_end) {
    return std::unexpected("certificate " + std::to_string(out.size() + 1) + " in the file cannot be read");
  }
  if (out.empty()) {
    return std::unexpected("there is no certificate in PEM (\"-----BEGIN CERTIFICATE-----\") in it");
  }
  return out;
}

std::expected<CertificateInfo, std::string> certificate_info(std::string_view pem) {
  auto certificates = parse_certificates(pem);
  if (!certificates) return std::unexpected(std::move(certificates.error()));
  return describe(certificates->front().get());
}

std::expected<std::shared_ptr<const TrustStore>, std::string> TrustStore::from_pem(std::string_view pem) {
  auto certificates = parse_certificates(pem);
  if (!certificates) return std::unexpected(std::move(certificates.error()));
  std::shared_ptr<TrustStore> out(new TrustStore);
  out->certificates_ = std::move(*certificates);
  out->store_.reset(X509_STORE_new());
  X509_STORE_set_flags(out->store_.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  std::string all;
  for (const X509Handle& certificate : out->certificates_) {
    X509_STORE_add_cert(out->store_.get(), certificate.get());
    all += der_of(certificate.get());
  }
  ERR_clear_error();
  out->digest_ = crypto::sha256(all);
  return out;
}

bool TrustStore::includes(const TrustStore& other) const {
  if (digest_ == other.digest_) return true;
  return std::ranges::all_of(other.certificates_, [&](const X509Handle& theirs) {
    return std::ranges::any_of(certificates_,
                               [&](const X509Handle& own) { return X509_cmp(own.get(), theirs.get()) == 0; });
  });
}

std::expected<std::shared_ptr<const TrustStore>, std::string> TrustStore::of_system() {
  const char* chosen = std::getenv("SSL_CERT_FILE");
  const char* places[] = {chosen, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                          "/etc/ssl/cert.pem"};
  for (const char* place : places) {
    std::FILE* file = place != nullptr ? std::fopen(place, "re") : nullptr;
    if (file == nullptr) continue;
    std::string pem(kPemBytesMax, '\0');
    pem.resize(std::fread(pem.data(), 1, pem.size(), file));
    std::fclose(file);
    auto store = from_pem(pem);
    if (!store) return std::unexpected(std::string(place) + ": " + store.error());
    return store;
  }
  return std::unexpected("this machine has no bundle of certificate authorities (install ca-certificates)");
}

std::expected<KeyPair, std::string> parse_key_pair(std::string_view chain_pem, std::string_view key_pem) {
  KeyPair out;
  auto chain = parse_certificates(chain_pem);
  if (!chain) return std::unexpected(std::move(chain.error()));
  out.chain = std::move(*chain);
  if (out.chain.size() > kChainLengthMax) {
    return std::unexpected("there are more than " + std::to_string(kChainLengthMax) +
                           " certificates in the chain");
  }
  KeyText key = parse_key(key_pem);
  if (!key.key) {
    if (key.encrypted) {
      return std::unexpected(
          "the key is encrypted; store it without a passphrase, readable by the gate alone");
    }
    return std::unexpected("there is no private key in PEM that can be read");
  }
  auto kind = kind_of(key.key.get());
  if (!kind) return std::unexpected("the key is none of RSA, ECDSA and Ed25519");
  if (*kind == KeyKind::rsa && EVP_PKEY_get_bits(key.key.get()) < 2048) {
    return std::unexpected("the RSA key has fewer than 2048 bits");
  }
  out.key = std::move(key.key);
  out.kind = *kind;
  if (auto fits = check_key_fits(out.chain, out.key.get()); !fits) return std::unexpected(fits.error());
  if (auto order = check_order(out.chain); !order) return std::unexpected(order.error());
  return out;
}

}  // namespace tls
