// What the gate answers for itself on every host, below /.well-known/gatehouse/.
#include "gate/exchange.h"
#include "gate/page.h"

namespace gate {

using base::Reason;

io::Task<Exchange::Result> Exchange::answer_own() {
  const http::RequestHead& head = client_.head();
  std::string_view path = target_.path.substr(kOwnPrefix.size());
  auto take = [&path](std::string_view prefix) {
    if (!path.starts_with(prefix)) return false;
    path.remove_prefix(prefix.size());
    return true;
  };
  headers_out_.clear();
  if (head.method == http::Method::get || head.method == http::Method::head) {
    if (path == "jwks.json" && snapshot_->signer != nullptr) co_return co_await answer_key_set();
    if (path == "login") co_return co_await answer_login();
    if (path == "session") co_return co_await answer_session();
    if (path == "logout") co_return co_await answer_logout_page();
    if (take("callback/")) co_return co_await answer_callback(path);
    if (take("reasons/")) co_return co_await answer_reason(path);
  } else if (head.method == http::Method::post) {
    if (path == "logout") co_return co_await answer_logout();
    if (take("backchannel-logout/")) co_return co_await answer_backchannel_logout(path);
  }
  co_return base::client_error(Reason::no_route, "the gate has nothing at this address");
}

io::Task<Exchange::Result> Exchange::answer_key_set() {
  record_.route_pattern = "/.well-known/gatehouse/jwks.json";
  add_header("Cache-Control", "public, max-age=60");
  return send_text(200, "application/jwk-set+json", snapshot_->signer->key_set_json());
}

io::Task<Exchange::Result> Exchange::answer_reason(std::string_view name) {
  std::string_view text = reason_document(name);
  if (text.empty()) co_return base::client_error(Reason::no_route, "the gate has nothing at this address");
  record_.route_pattern = "/.well-known/gatehouse/reasons/{reason}";
  add_header("Cache-Control", "public, max-age=3600");
  co_return co_await send_text(200, "text/markdown; charset=utf-8", text);
}

// Of what concerns one person alone.
io::Task<Exchange::Result> Exchange::send_own_text(uint16_t status, std::string_view content_type,
                                                   std::string_view body) {
  add_header("Cache-Control", "no-store");
  co_return co_await send_text(status, content_type, body);
}

io::Task<Exchange::Result> Exchange::send_page(uint16_t status, std::string html) {
  add_header("Content-Security-Policy", kPagePolicy);
  add_header("Cache-Control", "no-store");
  add_header("Referrer-Policy", "no-referrer");
  co_return co_await send_text(status, "text/html; charset=utf-8", html);
}

}  // namespace gate
