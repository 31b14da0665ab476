// What the contexts are compiled from: plain values, the files already read by the caller. Kept by nobody.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tls/certificate.h"

namespace tls {

class TicketKeys;

enum class Version : uint8_t { tls12, tls13 };

struct CertificateSettings {
  std::string chain_pem;           // the certificate itself first, then each one's issuer
  std::string key_pem;             // unencrypted
  std::string ocsp_response;       // DER, stapled to the certificate; empty: none
  std::vector<std::string> names;  // "a.example", "*.a.example"; empty: the DNS names in the certificate
};

// required: no handshake without one. optional: one that is sent must be good.
enum class ClientCertificates : uint8_t { none, optional, required };
// For a client that names no host, or one that no certificate is for.
enum class UnknownName : uint8_t { first_certificate, refuse };

struct ServerSettings {
  // A second one of another key type for the same name is used by clients that prefer it.
  std::vector<CertificateSettings> certificates;
  UnknownName unknown_name = UnknownName::first_certificate;
  Version version_min = Version::tls12;
  std::vector<std::string> alpn;  // in order of preference; empty: the extension is ignored
  ClientCertificates client_certificates = ClientCertificates::none;
  std::shared_ptr<const TrustStore> client_ca;  // with optional and required
  int client_intermediates_max = 4;
  std::shared_ptr<const TicketKeys> ticket_keys;  // null: no resumption
};

enum class Verification : uint8_t { full, insecurely_off };

struct ClientSettings {
  Verification verification = Verification::full;
  std::shared_ptr<const TrustStore> ca;  // TrustStore::of_system() or of the user's bundle
  // Takes the place of the name that connections are made for, as SNI and in verification.
  std::string server_name;
  std::string certificate_pem;  // to show to backends that ask; empty: none
  std::string key_pem;
  Version version_min = Version::tls12;
  Version version_max = Version::tls13;
  std::vector<std::string> alpn;
};

// One thing wrong in settings.
struct Problem {
  enum class Severity : uint8_t { error, warning } severity = Severity::error;
  size_t certificate = SIZE_MAX;  // its place in ServerSettings::certificates; SIZE_MAX: none of them
  std::string sentence;           // for the user, without the file's name
};

}  // namespace tls
