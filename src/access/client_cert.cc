#include "access/client_cert.h"

#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "tls/certificate.h"

namespace auth {
namespace {

// Far above what any certificate that a handshake accepts needs.
constexpr JsonLimits kClaimsLimits{.bytes = 256 * 1024, .depth = 4, .values = 8192};

std::unexpected<base::Error> refuse(const char* why) {
  return base::client_error(base::Reason::credential_invalid, why);
}

// RFC 5280 §4.2.1.6. What else stands in the place of a DNS name ("spiffe://a", "CN=a") must not pass for a
// name of another kind.
bool is_host_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_' || c == '*';
  });
}

std::vector<std::string_view> host_names(const tls::CertificateInfo& certificate) {
  std::vector<std::string_view> names;
  for (const std::string& name : certificate.dns_names) {
    if (is_host_name(name)) names.push_back(name);
  }
  return names;
}

// Empty: the certificate has none of that kind.
std::string_view name_of(CertificateName kind, const tls::CertificateInfo& certificate) {
  switch (kind) {
    case CertificateName::spiffe:
      return certificate.spiffe_id();
    case CertificateName::dns: {
      auto names = host_names(certificate);
      return names.empty() ? std::string_view{} : names.front();
    }
    case CertificateName::subject:
      return certificate.subject;
  }
  return {};
}

void add_member(std::string& json, std::string_view name, const std::string& value) {
  json.append(json.empty() ? "{" : ",").append(base::json_quoted(name)).append(":").append(value);
}

std::string claims_of(const tls::CertificateInfo& certificate) {
  std::string json;
  if (auto id = certificate.spiffe_id(); !id.empty()) add_member(json, "spiffe_id", base::json_quoted(id));
  if (auto names = host_names(certificate); !names.empty()) {
    std::string list;
    for (std::string_view name : names) list.append(list.empty() ? "[" : ",").append(base::json_quoted(name));
    add_member(json, "dns", list + "]");
  }
  if (!certificate.subject.empty()) {
    add_member(json, "subject_dn", base::json_quoted(certificate.subject));
  }
  add_member(json, "serial", base::json_quoted(certificate.serial));
  add_member(json, "fingerprint", base::json_quoted(base::hex_encode(crypto::as_text(certificate.sha256))));
  return json + "}";
}

}  // namespace

std::expected<ClientCertPolicy, std::string> compile_client_cert(const ClientCertSpec& spec,
                                                                 std::string provider) {
  auto authorities = tls::TrustStore::from_pem(spec.ca_pem);
  if (!authorities) return std::unexpected(std::move(authorities.error()));
  return ClientCertPolicy{.provider = std::move(provider),
                          .authorities = std::move(*authorities),
                          .identity = spec.identity,
                          .groups_from = spec.groups_from};
}

std::string_view claim_of_name(std::string_view subject) {
  if (subject.starts_with("spiffe://")) return "spiffe_id";
  return is_host_name(subject) ? "dns" : "subject_dn";
}

base::Result<IdentityPtr> identify(const tls::CertificateInfo& certificate, const ClientCertPolicy& policy,
                                   base::WallTime until) {
  Identity identity;
  identity.provider = policy.provider;
  for (CertificateName kind : policy.identity) {
    identity.subject = name_of(kind, certificate);
    if (!identity.subject.empty()) break;
  }
  if (identity.subject.empty()) {
    return refuse("the client certificate has no name of a kind that its provider takes");
  }
  if (identity.subject.size() > kSubjectBytesMax || !is_clean(identity.subject)) {
    return refuse("the client certificate's name cannot be read");
  }
  if (policy.groups_from == CertificateGroups::organizational_units) {
    for (const std::string& unit : certificate.organizational_units) {
      // A rule that denies by group must not be passed by with a unit that cannot be read.
      if (unit.empty() || !is_clean(unit)) return refuse("the client certificate's units cannot be read");
      identity.groups.push_back(unit);
    }
  }
  auto claims = parse_json(claims_of(certificate), kClaimsLimits);
  if (!claims) return refuse("the client certificate has too many names");
  identity.claims = std::move(*claims);
  identity.expires = until;
  return make_identity(std::move(identity));
}

}  // namespace auth
