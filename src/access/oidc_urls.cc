// The URLs a browser is sent to, and what it comes back with.
#include <algorithm>

#include "access/oidc.h"
#include "http/query.h"

namespace auth {
namespace {

constexpr size_t kStateBytesMax = 512;
constexpr size_t kCodeBytesMax = 4096;
constexpr size_t kIssuerBytesMax = 2048;

// RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, RFC 8707 §2, RFC 9470 §5.
constexpr std::string_view kErrors[] = {
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "invalid_request_uri",
    "invalid_request_object",
    "request_not_supported",
    "request_uri_not_supported",
    "registration_not_supported",
    "invalid_target",
    "unmet_authentication_requirements",
};

std::string with_query(std::string_view endpoint) {
  std::string url(endpoint);
  if (url.find('?') == url.npos) url += '?';
  return url;
}

void append_unless_empty(std::string& url, std::string_view name, std::string_view value) {
  if (!value.empty()) http::append_form(url, name, value);
}

std::string scopes_of(const OidcPolicy& policy, const IssuerMetadata& metadata) {
  if (policy.spec.scopes.empty()) {
    return metadata.offers_offline_access ? "openid profile email offline_access" : "openid profile email";
  }
  std::string out;
  for (const std::string& scope : policy.spec.scopes) out.append(out.empty() ? "" : " ").append(scope);
  return out;
}

// VSCHAR (RFC 6749 Appendix A), and what else an answer may hold here.
bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

base::Result<std::string> take_parameter(std::string_view query, std::string_view name, size_t bytes_max) {
  auto found = http::find_parameter(query, name);
  if (!found) return base::client_error(base::Reason::login_state_invalid, found.error());
  std::string value = found->value_or("");
  if (value.size() > bytes_max || !is_visible(value)) {
    return base::client_error(base::Reason::login_state_invalid,
                              "a parameter of the answer is not one that an issuer sends");
  }
  return value;
}

}  // namespace

std::string authorization_url(const AuthorizationRequest& request) {
  const OidcSpec& spec = request.policy.spec;
  std::string url = with_query(request.metadata.authorization_endpoint);
  http::append_form(url, "response_type", "code");
  http::append_form(url, "client_id", spec.client.id);
  http::append_form(url, "redirect_uri", request.redirect_uri);
  http::append_form(url, "scope", scopes_of(request.policy, request.metadata));
  http::append_form(url, "state", request.login.state);
  http::append_form(url, "nonce", request.login.nonce);
  http::append_form(url, "code_challenge", pkce_challenge(request.login.verifier));
  http::append_form(url, "code_challenge_method", "S256");
  append_unless_empty(url, "resource", spec.resource);
  append_unless_empty(url, "prompt", spec.prompt);
  append_unless_empty(url, "acr_values", request.acr_values);
  if (request.max_age) {
    http::append_form(url, "max_age", std::to_string(request.max_age->ns / base::seconds(1).ns));
  }
  return url;
}

base::Result<AuthorizationAnswer> parse_authorization_answer(std::string_view query) {
  AuthorizationAnswer out;
  const struct {
    std::string_view name;
    std::string& value;
    size_t bytes_max;
  } parameters[] = {
      {"state", out.state, kStateBytesMax},
      {"code", out.code, kCodeBytesMax},
      {"error", out.error, kCodeBytesMax},
      {"iss", out.iss, kIssuerBytesMax},
  };
  for (const auto& parameter : parameters) {
    auto value = take_parameter(query, parameter.name, parameter.bytes_max);
    if (!value) return std::unexpected(value.error());
    parameter.value = std::move(*value);
  }
  if (out.state.empty()) {
    return base::client_error(base::Reason::login_state_invalid,
                              "the answer does not say which login it ends");
  }
  if (out.code.empty() == out.error.empty()) {
    return base::client_error(base::Reason::login_state_invalid,
                              "the answer has to hold either a code or an error");
  }
  if (!out.error.empty() && std::ranges::find(kErrors, out.error) == std::end(kErrors)) out.error = "other";
  return out;
}

base::Result<> check_answer_issuer(const AuthorizationAnswer& answer, const IssuerMetadata& metadata) {
  if (answer.iss.empty()) {
    if (!metadata.says_iss) return {};
    return base::client_error(base::Reason::login_refused, "the answer does not say which issuer it is from");
  }
  if (answer.iss != metadata.issuer) {
    return base::client_error(base::Reason::login_refused, "the answer is from another issuer");
  }
  return {};
}

std::string end_session_url(const LogoutRequest& request) {
  if (request.metadata.end_session_endpoint.empty()) return {};
  std::string url = with_query(request.metadata.end_session_endpoint);
  append_unless_empty(url, "id_token_hint", request.id_token);
  http::append_form(url, "client_id", request.policy.spec.client.id);
  append_unless_empty(url, "post_logout_redirect_uri", request.return_uri);
  return url;
}

}  // namespace auth
