#include "control/token_endpoint.h"

#include "base/bytes.h"
#include "http/query.h"

namespace control {
namespace {

// RFC 6749 §2.3.1: both parts form-encoded, then Basic. A public client names itself in the form.
FetchRequest make_post(std::string url, const auth::ClientSpec& client, std::string form) {
  FetchRequest request{.url = std::move(url), .method = FetchMethod::post};
  if (!client.secret.empty() && client.auth == auth::ClientAuth::basic) {
    std::string pair;
    http::append_form_encoded(pair, client.id);
    pair += ':';
    http::append_form_encoded(pair, client.secret);
    request.headers.push_back({"Authorization", "Basic " + base::base64_encode(pair)});
  } else {
    http::append_form(form, "client_id", client.id);
    if (!client.secret.empty()) http::append_form(form, "client_secret", client.secret);
  }
  request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
  request.headers.push_back({"Accept", "application/json"});
  request.body = std::move(form);
  return request;
}

// A server that fails or asks for patience has not said no.
bool is_unreachable(const FetchResult& result) {
  return result.status == 0 || result.status >= 500 || result.status == 429 || result.status == 408;
}

// Nor has one whose answer cannot be read, such as a page of a proxy before it, or that says it cannot tell.
bool says_no(std::string_view error) {
  return !error.empty() && error != "server_error" && error != "temporarily_unavailable";
}

std::unexpected<CallFailure> failure_of(const FetchResult& result, std::string_view what) {
  return std::unexpected(CallFailure{.sentence = std::string(what) + ": " + result.problem,
                                     .unreachable = is_unreachable(result)});
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

void append_target(std::string& form, const TokenEndpoint::Target& target) {
  if (!target.audience.empty()) http::append_form(form, "audience", target.audience);
  if (!target.resource.empty()) http::append_form(form, "resource", target.resource);
  if (!target.scopes.empty()) http::append_form(form, "scope", joined(target.scopes));
}

std::string form_of_grant(std::string_view grant_type) {
  std::string form;
  http::append_form(form, "grant_type", grant_type);
  return form;
}

}  // namespace

io::Task<CallResult<auth::TokenAnswer>> TokenEndpoint::ask_for_tokens(Issuer issuer, std::string form) {
  FetchRequest request =
      make_post(issuer.metadata.token_endpoint, issuer.policy.spec.client, std::move(form));
  request.bytes_max = auth::kTokenAnswerBytesMax;
  FetchResult result = co_await fetcher_.fetch(std::move(request));
  if (is_unreachable(result)) co_return failure_of(result, "the token endpoint");
  auto answer = auth::parse_token_answer(result.status, result.body);
  if (!answer) {
    co_return std::unexpected(CallFailure{.sentence = "the token endpoint: " + answer.error().sentence,
                                          .unreachable = !says_no(answer.error().error)});
  }
  co_return std::move(*answer);
}

io::Task<CallResult<auth::TokenAnswer>> TokenEndpoint::exchange_code(Issuer issuer, Code code) {
  std::string form = form_of_grant("authorization_code");
  http::append_form(form, "code", code.code);
  http::append_form(form, "redirect_uri", code.redirect_uri);
  http::append_form(form, "code_verifier", code.verifier);
  if (!issuer.policy.spec.resource.empty()) http::append_form(form, "resource", issuer.policy.spec.resource);
  return ask_for_tokens(issuer, std::move(form));
}

io::Task<CallResult<auth::TokenAnswer>> TokenEndpoint::refresh(Issuer issuer, std::string refresh_token) {
  std::string form = form_of_grant("refresh_token");
  http::append_form(form, "refresh_token", refresh_token);
  if (!issuer.policy.spec.resource.empty()) http::append_form(form, "resource", issuer.policy.spec.resource);
  return ask_for_tokens(issuer, std::move(form));
}

io::Task<CallResult<auth::TokenAnswer>> TokenEndpoint::client_credentials(Issuer issuer, Target target) {
  std::string form = form_of_grant("client_credentials");
  append_target(form, target);
  return ask_for_tokens(issuer, std::move(form));
}

io::Task<CallResult<auth::TokenAnswer>> TokenEndpoint::exchange_token(Issuer issuer,
                                                                      std::string subject_token,
                                                                      Target target) {
  constexpr std::string_view kAccessToken = "urn:ietf:params:oauth:token-type:access_token";
  std::string form = form_of_grant("urn:ietf:params:oauth:grant-type:token-exchange");
  http::append_form(form, "subject_token", subject_token);
  http::append_form(form, "subject_token_type", kAccessToken);
  http::append_form(form, "requested_token_type", kAccessToken);
  append_target(form, target);
  return ask_for_tokens(issuer, std::move(form));
}

io::Task<CallResult<std::string>> TokenEndpoint::fetch_userinfo(Issuer issuer, std::string access_token) {
  FetchRequest request{.url = issuer.metadata.userinfo_endpoint};
  request.headers.push_back({"Authorization", "Bearer " + access_token});
  request.headers.push_back({"Accept", "application/json"});
  FetchResult result = co_await fetcher_.fetch(std::move(request));
  if (!result.ok()) co_return failure_of(result, "userinfo");
  // Core §5.3.2: signed or encrypted answers come only to clients that registered for them.
  if (!base::equals_ignoring_case(base::trim(result.content_type.substr(0, result.content_type.find(';'))),
                                  "application/json")) {
    co_return std::unexpected(CallFailure{.sentence = "userinfo: the answer is not application/json"});
  }
  co_return std::move(result.body);
}

io::Task<> TokenEndpoint::revoke(Issuer issuer, std::string refresh_token) {
  std::string form;
  http::append_form(form, "token", refresh_token);
  http::append_form(form, "token_type_hint", "refresh_token");
  co_await fetcher_.fetch(
      make_post(issuer.metadata.revocation_endpoint, issuer.policy.spec.client, std::move(form)));
}

io::Task<CallResult<std::string>> TokenEndpoint::introspect(const auth::IntrospectionPolicy& policy,
                                                            std::string token) {
  std::string form;
  http::append_form(form, "token", token);
  http::append_form(form, "token_type_hint", "access_token");
  FetchRequest request = make_post(policy.spec.url, policy.spec.client, std::move(form));
  request.bytes_max = auth::kIntrospectionBytesMax;
  FetchResult result = co_await fetcher_.fetch(std::move(request));
  if (!result.ok()) co_return failure_of(result, "introspection");
  co_return std::move(result.body);
}

}  // namespace control
