// Upgrades within the request path: what a WebSocket's handshake needs where the two sides speak different
// HTTP versions (RFC 6455 §4, RFC 8441 §5), the switch of protocols, and access decided once more for what is
// open when a generation comes. The bytes themselves are tunnel.cc's.
#include "gate/exchange.h"
#include "gate/tunnel.h"
#include "websocket/handshake.h"

namespace gate {

using base::Reason;
using http::HeaderId;

std::string_view Exchange::upgrade_asked() const {
  const http::Header* upgrade = client_.head().headers.find(HeaderId::upgrade);
  return upgrade != nullptr ? upgrade->value : std::string_view{};
}

// The client's own key, or a fresh one where HTTP/2 has none. It is proof between the two ends of one
// HTTP/1.1 connection, and as hop-by-hop stays out of HTTP/2.
bool Exchange::add_websocket_key() {
  const http::RequestHead& head = client_.head();
  if (!websocket::asks_for_websocket(head)) return true;
  if (const http::Header* key = head.headers.find(HeaderId::sec_websocket_key)) {
    websocket_key_ = key->value;
  } else {
    websocket_key_ = scratch_.join(websocket::as_text(websocket::make_key(worker_.random())));
  }
  return !websocket_key_.empty() && headers_out_.add({.name = "Sec-WebSocket-Key",
                                                      .value = websocket_key_,
                                                      .id = HeaderId::sec_websocket_key,
                                                      .hop_by_hop = true});
}

// An HTTP/2 backend says in its settings whether it takes upgrades (RFC 8441 §3).
io::Task<Exchange::Result> Exchange::await_settings() {
  http2::ClientConnection& connection = *backend_.http2();
  base::Instant deadline = worker_.loop().now() + service_->connect_timeout;
  while (!connection.settings_known()) {
    if (connection.gone_stale()) {
      co_return base::backend_error(Reason::connection_terminated, "the backend closed a new connection",
                                    base::Retry::safe);
    }
    io::Broadcast::Seat seat(connection.changed());
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, seat.signal, client_.gone());
    if (client_.client_gone())
      co_return base::client_error(Reason::client_disconnected, "the client went away");
    if (wake == io::Wake::timed_out) {
      co_return base::backend_error(Reason::connection_timeout, "the backend did not send its settings");
    }
  }
  co_return Result{};
}

// An answer to an upgrade over HTTP/2 that is no switch must not look like one: there, any 2xx is.
Exchange::Result Exchange::check_upgrade_refusal() const {
  const http::RequestHead& head = client_.head();
  if (!head.upgrade || head.version != http::Version::http2 || answer_.status / 100 != 2) return {};
  return base::backend_error(Reason::http_upgrade_failed, "the backend answered without switching protocols");
}

// RFC 9110 §7.8: the backend may only switch to a protocol the client asked for.
Exchange::Result Exchange::switch_protocols() {
  const http::RequestHead& head = client_.head();
  const http::Header* chosen = answer_.headers.find(HeaderId::upgrade);
  if (!head.upgrade || chosen == nullptr ||
      !http::has_token(head.headers, HeaderId::upgrade, chosen->value)) {
    return base::backend_error(Reason::http_upgrade_failed,
                               "the backend switched to a protocol nobody asked for");
  }
  build_response_headers();
  if (!websocket_key_.empty()) {
    if (auto agreed = finish_handshake(); !agreed) return agreed;
  }
  record_.status = 101;
  Result started =
      client_.start_response({.status = 101, .headers = &headers_out_, .upgrade = chosen->value});
  if (!started) return started;
  client_.switch_to_raw();
  backend_.http().switch_to_raw();
  return {};
}

// Each side's half of the proof that the other speaks the protocol. A backend over HTTP/2 has none to give.
Exchange::Result Exchange::finish_handshake() {
  if (answer_.version != http::Version::http2) {
    if (auto fits = websocket::check_response(answer_, websocket_key_); !fits) return fits;
  }
  std::string_view accept = scratch_.join(websocket::as_text(websocket::make_accept(websocket_key_)));
  if (accept.empty() || !headers_out_.add({.name = "Sec-WebSocket-Accept",
                                           .value = accept,
                                           .id = HeaderId::sec_websocket_accept,
                                           .hop_by_hop = true})) {
    return base::backend_error(Reason::http_response_header_section_size,
                               "the answer's head leaves no room for the handshake");
  }
  return {};
}

io::Task<Exchange::Result> Exchange::relay_upgraded() {
  Tunnel tunnel({.loop = worker_.loop(),
                 .random = worker_.random(),
                 .client = client_,
                 .backend = backend_.http(),
                 .protocol = websocket_key_.empty() ? Tunnel::Protocol::other : Tunnel::Protocol::websocket,
                 .idle_patience = service_->websocket.idle_patience,
                 .write_patience = service_->response_timeout,
                 .send_patience = send_patience_});
  io::Task<> review = review_access(tunnel);
  review.start();
  Tunnel::End end = co_await tunnel.run();
  review.cancel();
  ended_ = worker_.now();
  if (end.manner == Tunnel::End::Manner::cut) co_return base::fail(end.why);
  record_.reason = end.why.reason;
  record_.detail = end.why.detail;
  co_return Result{};
}

// Access was decided at the handshake. A generation that would decide otherwise ends what it finds open. So
// does a drain, of WebSockets, since their clients are told and can connect elsewhere.
io::Task<> Exchange::review_access(Tunnel& tunnel) {
  io::Broadcast::Seat seat(worker_.generations());
  for (;;) {
    if (worker_.draining() && !websocket_key_.empty()) {
      co_return tunnel.end(
          {.why = {Reason::draining, base::Side::gate, base::Retry::never, "the gate is shutting down"},
           .to_client = {.code = websocket::kGoingAway, .reason = "the gate is shutting down"}});
    }
    Result still = check_signed_out();
    if (still && snapshot_ == worker_.snapshot()) {
      co_await io::wait_for(worker_.loop(), base::kNever, seat.signal);
      continue;
    }
    if (still) still = co_await decide_again();
    if (!still) {
      co_return tunnel.end(
          {.why = still.error(),
           .to_client = {.code = websocket::kPolicyViolation, .reason = "access was withdrawn"}});
    }
  }
}

// Nothing else is decided anew when somebody signs out: what strangers do ends no connection.
Exchange::Result Exchange::check_signed_out() {
  const auth::Revocations& revocations = worker_.sessions().revocations();
  if (session_ == nullptr || revocations_seen_ == revocations.version()) return {};
  revocations_seen_ = revocations.version();
  if (!revocations.covers(*session_, identity_->subject)) return {};
  return base::client_error(Reason::access_withdrawn, "the session was signed out");
}

// How the exchange stood before it was decided upon again; also where it is cancelled in the middle.
class Exchange::Standing {
 public:
  explicit Standing(Exchange& exchange)
      : exchange_(exchange),
        snapshot_(exchange.snapshot_),
        service_(exchange.service_),
        identity_(exchange.identity_),
        session_(exchange.session_),
        record_(exchange.record_),
        scratch_(exchange.scratch_.mark()) {}
  Standing(const Standing&) = delete;
  Standing& operator=(const Standing&) = delete;
  ~Standing() {
    if (kept_) restore();
    exchange_.scratch_.give_back(scratch_);  // nothing that a decision leaves behind lies in it
  }
  const Service& service() const { return *service_; }
  const telemetry::ExchangeRecord& record() const { return record_; }
  void restore() {
    exchange_.snapshot_ = snapshot_;
    exchange_.service_ = service_;
    exchange_.identity_ = identity_;
    exchange_.session_ = session_;
    exchange_.record_ = record_;
    kept_ = false;
  }
  void give_up() { kept_ = false; }

 private:
  Exchange& exchange_;
  SnapshotPtr snapshot_;
  const Service* service_;
  auth::IdentityPtr identity_;
  auth::SessionPtr session_;
  telemetry::ExchangeRecord record_;
  Scratch::Mark scratch_;
  bool kept_ = true;
};

// The stages up to authorise for this same request by the newest generation. Where it still says yes, the
// exchange goes over to it, and the old one need not be kept.
io::Task<Exchange::Result> Exchange::decide_again() {
  Standing standing(*this);
  snapshot_ = worker_.snapshot();
  credential_ = {};
  identity_ = nullptr;
  session_ = nullptr;
  session_failure_.reason = Reason::none;
  record_.generation = snapshot_->generation;
  record_.listener = snapshot_->listeners[context_.listener].name;
  record_.rule_name = record_.rule_source = record_.observed_rule = {};
  record_.observed_verdict = telemetry::Verdict::none;
  Result outcome = find_client();
  if (outcome) outcome = find_service();
  if (outcome && service_->slot != standing.service().slot) {
    outcome = base::client_error(Reason::no_route, "another service is at this address now");
  }
  if (outcome) outcome = co_await authenticate();
  if (outcome) outcome = authorise();
  if (outcome) {
    record_.phases = standing.record().phases;
    standing.give_up();
    co_return outcome;
  }
  // Who it was and where it went stays in the record; the rule, if one decided, is the new one.
  withdrawn_by_ = snapshot_;
  std::string_view rule_name = record_.rule_name;
  std::string_view rule_source = record_.rule_source;
  standing.restore();
  record_.generation = withdrawn_by_->generation;
  record_.rule_name = rule_name;
  record_.rule_source = rule_source;
  co_return base::client_error(Reason::access_withdrawn, outcome.error().detail);
}

}  // namespace gate
