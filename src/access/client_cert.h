// The mechanism `client_cert`: whom a provider's authorities vouch for, and who the holder of a certificate
// is. Whether a certificate leads to those authorities is for the connection to say (tls/stream.h), and so
// are caches: this is asked once for each connection and set of providers, never for each request.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "access/spec.h"
#include "base/result.h"

namespace tls {
struct CertificateInfo;
class TrustStore;
}  // namespace tls

namespace auth {

struct ClientCertPolicy {
  std::string provider;
  std::shared_ptr<const tls::TrustStore> authorities;
  std::vector<CertificateName> identity;  // the first kind that a certificate has is the subject
  CertificateGroups groups_from = CertificateGroups::none;
};

// The error is a sentence about ca_pem.
std::expected<ClientCertPolicy, std::string> compile_client_cert(const ClientCertSpec& spec,
                                                                 std::string provider);

// Of a certificate that leads to the policy's authorities, until when: what it and those between hold. The
// time is not looked at, but becomes the identity's end. Fails with credential_invalid for a certificate that
// does not say who its holder is.
base::Result<IdentityPtr> identify(const tls::CertificateInfo& certificate, const ClientCertPolicy& policy,
                                   base::WallTime until);

// The claim that a subject of this look stands in too, for callers that are only pretended.
std::string_view claim_of_name(std::string_view subject);

}  // namespace auth
