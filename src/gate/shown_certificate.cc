#include "gate/shown_certificate.h"

#include "base/bytes.h"
#include "tls/stream.h"

namespace gate {
namespace {

using Outcome = auth::Authentication::Outcome;

auth::Authentication refused(const base::Error& error) {
  auth::Authentication out;
  out.outcome = Outcome::refused;
  out.error = error;
  return out;
}

// RFC 8941 §3.3.5
void append_byte_sequence(std::string& out, std::string_view bytes) {
  out.append(":").append(base::base64_encode(bytes)).append(":");
}

}  // namespace

auth::Authentication ShownCertificate::authenticate(const auth::Providers& providers, base::WallTime now) {
  ask(providers);
  if (!until_) return {};
  if (now >= *until_) {
    return refused(
        base::client_error(base::Reason::credential_invalid, "the client certificate has expired").error());
  }
  if (identity_ == nullptr) return refused(error_);
  auth::Authentication out;
  out.outcome = Outcome::caller;
  out.identity = identity_;
  return out;
}

// Signatures are verified only for providers that were not asked before: a CA that is gone vouches for
// nobody, on connections that are open too.
void ShownCertificate::ask(const auth::Providers& providers) {
  if (providers.certificates_version() == version_) return;
  version_ = providers.certificates_version();
  until_.reset();
  identity_ = nullptr;
  for (uint32_t i = 0; i < providers.size() && !until_; ++i) {
    const auto& policy = providers[i].client_cert;
    if (!policy) continue;
    until_ = stream_.vouched_until(*policy->authorities);
    if (!until_) continue;
    auto identity = auth::identify(*stream_.peer_certificate(), *policy, *until_);
    if (identity) {
      identity_ = std::move(*identity);
    } else {
      error_ = identity.error();
    }
  }
}

const crypto::Sha256& ShownCertificate::thumbprint() {
  if (!thumbprint_) thumbprint_ = stream_.peer_certificate()->sha256;
  return *thumbprint_;
}

ShownCertificate::Fields ShownCertificate::fields(const auth::Providers& providers, base::WallTime now) {
  ask(providers);
  if (!until_ || now >= *until_) return {};
  if (client_cert_.empty()) make_fields();
  return {client_cert_, client_cert_chain_};
}

void ShownCertificate::make_fields() {
  append_byte_sequence(client_cert_, stream_.peer_certificate()->der);
  for (const std::string& issuer : stream_.peer_issuers()) {
    if (!client_cert_chain_.empty()) client_cert_chain_ += ", ";
    append_byte_sequence(client_cert_chain_, issuer);
  }
  if (client_cert_chain_.size() > kClientCertChainBytesMax) client_cert_chain_ = {};
}

}  // namespace gate
