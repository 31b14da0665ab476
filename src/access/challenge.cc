#include "access/challenge.h"

#include "access/proof.h"

namespace auth {
namespace {

// RFC 6750 §3: error_description and scope hold %x20-21 / %x23-5B / %x5D-7E. All values are held to the same.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    bool allowed = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
    out += allowed ? c : '\'';
  }
  out += '"';
}

void append_parameter(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(", ").append(name).append("=");
  append_quoted(out, value);
}

}  // namespace

std::string_view challenge_error(base::Reason reason) {
  switch (reason) {
    case base::Reason::credential_malformed:
    case base::Reason::credential_conflict:
      return "invalid_request";
    case base::Reason::credential_invalid:
      return "invalid_token";
    case base::Reason::proof_invalid:
      return "invalid_dpop_proof";
    case base::Reason::scope_insufficient:
      return "insufficient_scope";
    case base::Reason::step_up_required:
      return "insufficient_user_authentication";
    default:
      return {};
  }
}

bool needs_challenge(base::Reason reason) {
  // RFC 9110 §15.5.2: a 401 always carries one.
  return base::reason_status(reason) == 401 || !challenge_error(reason).empty();
}

void append_challenge(std::string& out, AuthScheme scheme, const Challenge& challenge) {
  out += scheme == AuthScheme::bearer ? "Bearer realm=" : "DPoP realm=";
  append_quoted(out, challenge.realm);
  if (scheme == AuthScheme::dpop) append_parameter(out, "algs", kProofAlgorithms);
  // RFC 6750 §3.1: a request without a credential is told nothing about what went wrong.
  std::string_view error = challenge_error(challenge.reason);
  if (!error.empty() && scheme == challenge.used) {
    append_parameter(out, "error", error);
    append_parameter(out, "error_description", challenge.description);
    append_parameter(out, "scope", challenge.scope);
    if (challenge.step_up != nullptr) {
      append_parameter(out, "acr_values", challenge.step_up->acr_values);
      if (auto age = challenge.step_up->max_age)
        append_parameter(out, "max_age", std::to_string(age->ns / 1'000'000'000));
    }
  }
  append_parameter(out, "resource_metadata", challenge.resource_metadata);
}

}  // namespace auth
