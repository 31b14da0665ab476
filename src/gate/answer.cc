// What the gate says itself: why an exchange failed (RFC 9457 problem details, or a page for a person), and
// the few resources of its own under /.well-known/gatehouse/.
#include <string>

#include "base/bytes.h"
#include "gate/exchange.h"

namespace gate {

using base::Reason;
using http::HeaderId;

namespace {

// A person at a browser, not a program: RFC 9457 says nothing of them, a page does.
bool wants_page(const http::RequestHead& head) {
  if (head.method != http::Method::get) return false;
  const http::Header* mode = head.headers.find(HeaderId::sec_fetch_mode);
  if (mode != nullptr && mode->value != "navigate") return false;
  const http::Header* accept = head.headers.find(HeaderId::accept);
  return accept != nullptr && accept->value.find("text/html") != std::string_view::npos;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

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
  headers_out_.clear();
  std::string challenge;
  add_failure_headers(error, challenge);
  bool page = wants_page(client_.head());
  std::string body = make_problem(error, page ? ProblemForm::page : ProblemForm::json);
  Result sent = co_await send_text(static_cast<uint16_t>(status),
                                   page ? "text/html; charset=utf-8" : "application/problem+json", body);
  if (!sent) client_.abort();
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
  bool with_proof = credential_.kind == auth::CredentialKind::dpop;
  if (with_proof) challenge.used = AuthScheme::dpop;
  auth::append_challenge(challenges, AuthScheme::bearer, challenge);
  size_t first = challenges.size();
  if (with_proof) auth::append_challenge(challenges, AuthScheme::dpop, challenge);
  std::string_view text = challenges;
  add_header("WWW-Authenticate", text.substr(0, first));
  if (text.size() > first) add_header("WWW-Authenticate", text.substr(first));
}

std::string Exchange::make_problem(const base::Error& error, ProblemForm form) const {
  std::string_view name = base::reason_name(error.reason);
  std::string_view title = base::reason_title(error.reason);
  std::string status = std::to_string(base::reason_status(error.reason));
  std::string body;
  if (form == ProblemForm::page) {
    body +=
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>";
    body += html_escaped(title);
    body +=
        "</title><style>:root{color-scheme:light dark}body{font:1rem/1.5 "
        "system-ui,sans-serif;max-width:36rem;"
        "margin:15vh auto;padding:0 1rem}h1{font-size:1.4rem}code{font-size:.9em}</style><h1>";
    body += html_escaped(title);
    body += "</h1><p>";
    body += html_escaped(error.detail);
    body += ".<p><small>" + status + " <a href=\"";
    body += kReasonsPath;
    body += name;
    body += "\">";
    body += name;
    body += "</a>, request <code>";
    body += record_.id.text();
    body += "</code></small>\n";
    return body;
  }
  body += "{\"type\":\"";
  body += kReasonsPath;
  body += name;
  body += "\",\"title\":";
  body += base::json_quoted(title);
  body += ",\"status\":" + status + ",\"detail\":";
  body += base::json_quoted(error.detail);
  body += ",\"reason\":\"";
  body += name;
  body += "\",\"request_id\":\"";
  body += record_.id.text();
  body += "\"}\n";
  return body;
}

io::Task<Exchange::Result> Exchange::answer_own() {
  const http::RequestHead& head = client_.head();
  std::string_view path = target_.path.substr(kOwnPrefix.size());
  bool readable = head.method == http::Method::get || head.method == http::Method::head;
  headers_out_.clear();
  if (readable && path == "jwks.json" && snapshot_->signer != nullptr) {
    record_.route_pattern = "/.well-known/gatehouse/jwks.json";
    add_header("Cache-Control", "public, max-age=60");
    co_return co_await send_text(200, "application/jwk-set+json", snapshot_->signer->key_set_json());
  }
  if (readable && path.starts_with("reasons/")) {
    if (std::string_view text = reason_document(path.substr(8)); !text.empty()) {
      record_.route_pattern = "/.well-known/gatehouse/reasons/{reason}";
      add_header("Cache-Control", "public, max-age=3600");
      co_return co_await send_text(200, "text/markdown; charset=utf-8", text);
    }
  }
  co_return base::client_error(Reason::no_route, "the gate has nothing at this address");
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
