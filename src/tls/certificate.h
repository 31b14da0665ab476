// What a certificate says, and certificates with their keys as a user's PEM files hold them. Called by the
// control thread when it compiles contexts and by check's diagnostics; identities of peers are read here too.
// Never decides whether a certificate is to be trusted: that is the handshake's.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "crypto/digest.h"
#include "tls/handles.h"

namespace tls {

inline constexpr size_t kPemBytesMax = 4 * 1024 * 1024;  // a system's whole CA bundle is a quarter of that
inline constexpr size_t kChainLengthMax = 10;

struct CertificateInfo {
  std::string subject;  // RFC 2253; empty also when it cannot be put into words
  std::string issuer;
  std::vector<std::string> organizational_units;  // the subject's, in its order; one that is no text is empty
  std::string serial;                             // hexadecimal
  std::vector<std::string> dns_names;  // subject alternative names, lower case; with a NUL inside: left out
  std::vector<std::string> uris;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> emails;
  base::WallTime not_before;
  base::WallTime not_after;
  crypto::Sha256 sha256{};  // of der: RFC 8705 calls it the thumbprint
  std::string der;

  // The SPIFFE ID: empty unless there is exactly one URI and it is one (X.509-SVID §2).
  std::string_view spiffe_id() const;
};

// Of the first certificate in the text. The error is a sentence for the user.
std::expected<CertificateInfo, std::string> certificate_info(std::string_view pem);
CertificateInfo describe(x509_st* certificate);

// Every certificate in the text, in its order; text between them is passed over. The error is a sentence.
std::expected<std::vector<X509Handle>, std::string> parse_certificates(std::string_view pem);

// Certificates that are trusted to vouch for others. Immutable; any thread.
class TrustStore {
 public:
  // Whatever stands in the text is trusted itself, so an intermediate or a single certificate will do.
  static std::expected<std::shared_ptr<const TrustStore>, std::string> from_pem(std::string_view pem);
  // The machine's: $SSL_CERT_FILE or where distributions keep the bundle. Reads a file.
  static std::expected<std::shared_ptr<const TrustStore>, std::string> of_system();

  const crypto::Sha256& digest() const { return digest_; }  // of all certificates: equal when they are
  const std::vector<X509Handle>& certificates() const { return certificates_; }
  // Whether whatever leads to one of other's leads to one of these too.
  bool includes(const TrustStore& other) const;
  x509_store_st* store() const { return store_.get(); }

 private:
  TrustStore() = default;
  crypto::Sha256 digest_{};
  std::vector<X509Handle> certificates_;
  StoreHandle store_;
};

enum class KeyKind : uint8_t { rsa, ecdsa, ed25519 };

struct KeyPair {
  std::vector<X509Handle> chain;  // the certificate itself first, then each one's issuer
  KeyHandle key;
  KeyKind kind = KeyKind::ecdsa;
};

// The errors tell a key that does not fit, is encrypted or unreadable, and a chain that is out of order.
std::expected<KeyPair, std::string> parse_key_pair(std::string_view chain_pem, std::string_view key_pem);

}  // namespace tls
