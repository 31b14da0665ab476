// What the gate says itself: why an exchange failed (RFC 9457 problem details, or a page for a person).
#include <string>

#include "base/bytes.h"
#include "gate/exchange.h"
#include "gate/page.h"
#include "http/query.h"

namespace gate {

using base::Reason;
using http::HeaderId;

std::string_view connection_refusal() {
  static const std::string answer = [] {
    std::string name(base::reason_name(Reason::connection_limit_reached));
    std::string body = "{\"type\":\"" + std::string(kReasonsPath) + name + "\",\"title\":";
    body += base::json_quoted(base::reason_title(Reason::connection_limit_reached));
    body +=
        ",\"status\":503,\"detail\":\"the gate has as many client connections as it takes\",\"reason\":\"";
    body += name + "\"}\n";
    return "HTTP/1.1 503 Service Unavailable\r\nProxy-Status: gatehouse; error=" + name +
           "\r\nRetry-After: 1\r\nCache-Control: no-store\r\nContent-Type: application/problem+json\r\n"
           "Content-Length: " +
           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  }();
  return answer;
}

io::Task<> Exchange::answer(const base::Error& error) {
  record_.reason = error.reason;
  record_.detail = error.detail;
  upload_.cancel();
  backend_ = {};
  int status = base::reason_status(error.reason);
  bool answerable = status != 0 && !client_.client_gone();
  if (call_.is_call() && answerable && (!client_.response_started() || can_end_call())) {
    co_return co_await (client_.response_started() ? end_call(error) : answer_call(error));
  }
  if (client_.response_started() || !answerable) {
    client_.abort();  // a cut connection is the only honest end of a half-sent answer
    co_return;
  }
  Result sent = leads_to_login(error) ? co_await send_to_login(error) : base::fail(error);
  if (!sent && !client_.response_started()) sent = co_await answer_problem(sent.error());
  if (!sent) client_.abort();
}

// error may be another than the exchange ended with: nobody can be sent to a login that cannot begin.
io::Task<Exchange::Result> Exchange::answer_problem(base::Error error) {
  record_.reason = error.reason;
  record_.detail = error.detail;
  uint16_t status = static_cast<uint16_t>(base::reason_status(error.reason));
  if (status == 0) co_return base::fail(error);
  headers_out_.clear();
  std::string challenge;
  add_failure_headers(error, challenge);
  if (!is_navigation(client_.head())) {
    co_return co_await send_text(status, "application/problem+json", make_problem(error));
  }
  add_header("Content-Security-Policy", kPagePolicy);
  co_return co_await send_text(status, "text/html; charset=utf-8", make_problem_page(error));
}

// challenges holds what they say.
void Exchange::add_failure_headers(const base::Error& error, std::string& challenges) {
  add_header("Proxy-Status", scratch_.join("gatehouse; error=", base::reason_name(error.reason)));
  if (auth::needs_challenge(error.reason)) add_challenges(error, challenges);
  if (base::reason_status(error.reason) == 503) add_header("Retry-After", "1");
  if (error.reason == Reason::websocket_version_refused) {
    // RFC 6455 §4.4, RFC 9110 §15.5.22; HTTP/2 leaves the latter two out.
    add_header("Sec-WebSocket-Version", "13");
    add_header("Upgrade", "websocket");
    add_header("Connection", "upgrade");
  }
  add_header("Cache-Control", "no-store");
}

// A field for each scheme: lists of challenges in one are misread often (RFC 9110 §11.6.1).
void Exchange::add_challenges(const base::Error& error, std::string& challenges) {
  using auth::AuthScheme;
  auth::Challenge challenge{.reason = error.reason, .description = error.detail};
  if (service_ != nullptr) challenge.realm = service_->name;
  if (verdict_.missing_scopes != nullptr) challenge.scope = verdict_.missing_scopes->scope_text();
  if (verdict_.step_up != nullptr) challenge.step_up = &verdict_.step_up->step_up();
  std::string metadata = resource_metadata_url();
  challenge.resource_metadata = metadata;
  bool with_proof = credential_.kind == auth::CredentialKind::dpop;
  if (with_proof) challenge.used = AuthScheme::dpop;
  auth::append_challenge(challenges, AuthScheme::bearer, challenge);
  size_t first = challenges.size();
  bool takes_proofs = with_proof || (service_ != nullptr && service_->tokens);
  if (takes_proofs) auth::append_challenge(challenges, AuthScheme::dpop, challenge);
  std::string_view text = challenges;
  add_header("WWW-Authenticate", text.substr(0, first));
  if (text.size() > first) add_header("WWW-Authenticate", text.substr(first));
}

std::string Exchange::make_problem(const base::Error& error) const {
  std::string_view name = base::reason_name(error.reason);
  std::string body = "{\"type\":\"";
  body += kReasonsPath;
  body += name;
  body += "\",\"title\":";
  body += base::json_quoted(base::reason_title(error.reason));
  body += ",\"status\":" + std::to_string(base::reason_status(error.reason)) + ",\"detail\":";
  body += base::json_quoted(error.detail);
  body += ",\"reason\":\"";
  body += name;
  body += "\",\"request_id\":\"";
  body += record_.id.text();
  body += "\"}\n";
  return body;
}

std::string Exchange::make_problem_page(const base::Error& error) const {
  std::string_view name = base::reason_name(error.reason);
  Page page(base::reason_title(error.reason));
  page.sentence(error.detail);
  if (session_ != nullptr && identity_ != nullptr) {
    page.paragraph("You are signed in as " + name_of(*identity_) + ".");
    page.link(std::string(kOwnPrefix) + "session", "Sign out, or as somebody else");
  }
  if (error.reason == Reason::login_state_invalid || error.reason == Reason::login_refused ||
      error.reason == Reason::identity_provider_unavailable) {
    std::string again = std::string(kOwnPrefix) + "login?";
    http::append_form(again, "to", login_return_.empty() ? "/" : login_return_);
    page.link(again, "Try again");
  }
  std::string small = std::to_string(base::reason_status(error.reason));
  small.append(" <a href=\"").append(kReasonsPath).append(name).append("\">").append(name);
  small.append("</a>, request <code>").append(record_.id.text()).append("</code>");
  page.small_print(small);
  return page.take();
}

// The same address with the other scheme; 308, so that a POST stays one.
io::Task<Exchange::Result> Exchange::redirect_to_https() {
  if (host_.host.empty())
    co_return base::client_error(Reason::http_request_error, "the request names no host to go on to");
  uint16_t port = snapshot_->listeners[context_.listener].redirect_port;
  std::string location = "https://" + std::string(host_.host);
  if (port != 443) location += ":" + std::to_string(port);
  location += target_.path;
  if (target_.has_query) location.append("?").append(target_.query);
  headers_out_.clear();
  add_header("Location", location);
  co_return co_await send_text(308, "text/plain; charset=utf-8", "This is served over https.\n");
}

// headers_out_ holds what goes with it. Sends the whole of it.
io::Task<Exchange::Result> Exchange::send_text(uint16_t status, std::string_view content_type,
                                               std::string_view body) {
  add_header("Content-Type", content_type);
  add_header("X-Content-Type-Options", "nosniff");
  add_header("Date", worker_.http_date());
  add_header("X-Request-Id", record_.id.text());
  if (!cookie_out_.empty()) add_header("Set-Cookie", cookie_out_);
  record_.status = status;
  Result started = client_.start_response({.status = status,
                                           .headers = &headers_out_,
                                           .body = {http::BodyLength::Kind::sized, body.size()},
                                           .request_body = http::RequestBody::dropped});
  if (!started) co_return started;
  if (client_.head().method == http::Method::head) body = {};
  while (!body.empty()) {
    auto taken = client_.write(body);
    if (!taken) co_return std::unexpected(taken.error());
    body.remove_prefix(*taken);
    if (*taken > 0) continue;
    if (auto ready = co_await client_ready(); !ready) co_return ready;
  }
  if (auto finished = client_.finish({}); !finished) co_return finished;
  co_return co_await flush_answer(client_);
}

// sink is the client, or writes to it.
io::Task<Exchange::Result> Exchange::flush_answer(http::BodySink& sink) {
  for (;;) {
    auto flushed = sink.flush();
    if (!flushed) co_return std::unexpected(flushed.error());
    if (*flushed) co_return Result{};
    if (auto ready = co_await client_ready(); !ready) co_return ready;
  }
}

io::Task<Exchange::Result> Exchange::client_ready() {
  return wait_for_client({worker_.loop(),
                          client_,
                          send_patience_,
                          {Reason::client_stalled, base::Side::client, base::Retry::never,
                           "the client stopped reading the answer"}});
}

}  // namespace gate
