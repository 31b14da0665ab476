// The request path, in order. What each stage does stands beside it or in the file of its name:
//   authenticate.cc  who is calling            request_head.cc  what the backend is sent
//   forward.cc       to a backend, and again   response.cc      what the client is sent
//   relay.cc         bodies                    answer.cc        the gate's own answers and failures
//   upgrade.cc       a switch of protocols     tunnel.cc        and what comes after it
//   session.cc       whose session it is       login.cc         from a page to a login and back
//   own.cc           the gate's own addresses  sign_out.cc      who is signed in, and no more
//   grpc.cc          how a call ends           grpc_call.h      what else is its own
#include "gate/exchange.h"

#include "base/bytes.h"
#include "gate/decision.h"
#include "tls/stream.h"

namespace gate {

using base::Reason;
using telemetry::Phase;

namespace {

// Some proxies write the client's port too: "192.0.2.1:4711", "[2001:db8::1]:4711".
std::optional<base::IpAddress> parse_forwarded_address(std::string_view& text) {
  if (text.starts_with('[')) {
    text = text.substr(1, text.find(']') - 1);
  } else if (size_t colon = text.find(':'); colon != text.npos && text.find(':', colon + 1) == text.npos) {
    text = text.substr(0, colon);
  }
  return base::parse_ip(text);
}

}  // namespace

bool is_trusted(const ListenerPolicy& policy, const io::Address& peer) {
  if (peer.kind != io::Address::Kind::ip) return false;
  for (const base::Network& network : policy.trusted_proxies) {
    if (base::contains(network, peer.ip)) return true;
  }
  return false;
}

io::Task<> Exchange::run() {
  receive();
  Result outcome = normalise();
  if (outcome && snapshot_->listeners[context_.listener].redirect_port != 0) {
    outcome = co_await redirect_to_https();
  } else if (outcome && own_) {
    outcome = co_await answer_own();
  } else if (const Service* described =
                 outcome ? find_described(*snapshot_, client_.head(), host_.host, target_) : nullptr) {
    outcome = co_await answer_resource_metadata(*described);
  } else {
    if (outcome) outcome = route();
    if (outcome) outcome = co_await authenticate();
    if (outcome) outcome = authorise();
    if (outcome) outcome = limit();
    if (outcome) outcome = co_await forward();
    if (outcome) outcome = co_await relay();
  }
  if (!outcome) co_await answer(outcome.error());
  record();
}

io::Task<> Exchange::refuse(base::Error error) {
  record_.phases.start(client_.began());
  co_await answer(error);
  record();
}

Exchange::Exchange(Worker& worker, const ClientContext& context, http::ServerStream& client)
    : worker_(worker),
      context_(context),
      client_(client),
      snapshot_(worker.snapshot()),
      send_patience_(snapshot_->timeouts.send) {
  worker_.metrics().count(telemetry::Counter::exchanges_accepted);
  record_.id = worker_.ids().next();
  record_.time = worker_.wall_at(client_.began());
  record_.generation = snapshot_->generation;
  record_.client = client_text_ = context_.peer_text;
  client_ip_ = context_.peer.ip;
  record_.listener = snapshot_->listeners[context_.listener].name;
}

Exchange::~Exchange() {
  if (recorded_) return;
  // Cancelled in mid-flight: only a drain that ran out of time does that.
  record_.reason = Reason::draining;
  record_.detail = "the gate shut down before the exchange had ended";
  record();
}

void Exchange::receive() {
  const http::RequestHead& head = client_.head();
  record_.phases.start(client_.began());
  record_.scheme = context_.scheme;
  record_.protocol = head.version;
  record_.method = head.method;
  record_.method_text = head.method_text;
  if (const http::Header* agent = head.headers.find(http::HeaderId::user_agent))
    record_.user_agent = agent->value;
  call_.recognise(head, client_.began());
  if (call_.is_call()) send_patience_ = SendPatience(kCallPatience);
  record_.phases.enter(Phase::route, client_.received());
}

Exchange::Result Exchange::find_client() {
  peer_trusted_ = is_trusted(snapshot_->listeners[context_.listener], context_.peer);
  client_ip_ = context_.peer.ip;
  client_text_ = record_.client = context_.peer_text;
  return peer_trusted_ ? find_client_behind_proxies() : Result{};
}

SeenOrigin Exchange::seen_origin() const {
  SeenOrigin seen{.scheme = context_.scheme == telemetry::Scheme::https ? "https" : "http",
                  .authority = client_.head().authority};
  if (!peer_trusted_) return seen;
  // A trusted proxy in front may have taken TLS off.
  const http::Headers& headers = client_.head().headers;
  const http::Header* scheme = headers.find(http::HeaderId::x_forwarded_proto);
  bool one_scheme = scheme != nullptr && headers.count(http::HeaderId::x_forwarded_proto) == 1;
  if (one_scheme && (scheme->value == "https" || scheme->value == "http")) seen.scheme = scheme->value;
  const http::Header* host = headers.find(http::HeaderId::x_forwarded_host);
  if (host != nullptr && headers.count(http::HeaderId::x_forwarded_host) == 1) seen.authority = host->value;
  return seen;
}

// Behind trusted proxies the client is the last address of X-Forwarded-For that no trusted proxy has.
Exchange::Result Exchange::find_client_behind_proxies() {
  const http::Headers& headers = client_.head().headers;
  const auto& trusted = snapshot_->listeners[context_.listener].trusted_proxies;
  for (uint32_t i = headers.size(); i-- > 0;) {
    if (headers[i].id != http::HeaderId::x_forwarded_for) continue;
    std::string_view list = headers[i].value;
    while (!list.empty()) {
      size_t comma = list.rfind(',');
      std::string_view element = base::trim(comma == list.npos ? list : list.substr(comma + 1));
      list = comma == list.npos ? std::string_view{} : list.substr(0, comma);
      if (element.empty()) continue;
      auto address = parse_forwarded_address(element);
      if (!address) {
        // Only a trusted proxy can have written it. Its own address in the client's place would satisfy rules
        // that are about the inside (`from`).
        return base::client_error(Reason::http_request_error,
                                  "X-Forwarded-For of a trusted proxy holds no address");
      }
      client_ip_ = *address;
      client_text_ = record_.client = element;
      bool also_trusted = false;
      for (const base::Network& network : trusted) also_trusted |= base::contains(network, *address);
      if (!also_trusted) return {};
    }
  }
  return {};
}

Exchange::Result Exchange::normalise() {
  const http::RequestHead& head = client_.head();
  if (auto found = find_client(); !found) return found;
  if (auto accepted = check_head(head); !accepted) return accepted;
  std::span<char> path_room = scratch_.take(head.target.size());
  std::span<char> host_room = scratch_.take(head.authority.size());
  if (path_room.size() < head.target.size() || host_room.size() < head.authority.size()) {
    return base::client_error(Reason::request_head_too_large, "the request's target is too long");
  }
  if (!head.authority.empty()) {
    auto host = http::normalise_authority(head.authority, host_room);
    if (!host) return std::unexpected(host.error());
    host_ = *host;
    record_.host = host_.host;
  }
  if (context_.tls != nullptr && !context_.tls->serves(host_.host)) {
    return base::client_error(Reason::misdirected_request,
                              "the connection's certificate is not for this host");
  }
  auto target = http::normalise_target(head.target, path_room);
  if (!target) return std::unexpected(target.error());
  target_ = *target;
  record_.path = target_.path;
  own_ = target_.path.starts_with(kOwnPrefix);
  return {};
}

Exchange::Result Exchange::route() {
  if (auto found = find_service(); !found) return found;
  return check_head_bytes(*service_, client_.bytes_received());
}

Exchange::Result Exchange::find_service() {
  const http::RequestHead& head = client_.head();
  const routing::Route* route = snapshot_->routes.lookup(
      {.host = host_.host, .path = target_.path, .method = head.method, .headers = &head.headers});
  if (route == nullptr) return base::fail(no_route_to(target_));
  service_ = snapshot_->services[route->service].get();
  record_.service = service_->slot;
  record_.service_name = service_->name;
  record_.route = route->label;
  record_.route_pattern = route->pattern;
  return check_path_choices(*service_, target_);
}

Exchange::Result Exchange::authorise() {
  enter(Phase::authorise);
  if (auto accepted = check_origin(*service_, client_.head()); !accepted) {
    record_.verdict = telemetry::Verdict::deny;
    return accepted;
  }
  verdict_ = auth::check_access(*snapshot_->gate_rules, *service_->rules,
                                {.method = client_.head().method_text,
                                 .path = target_.path,
                                 .client = client_ip_,
                                 .caller = identity_.get(),
                                 .now = worker_.wall_at(worker_.loop().now())});
  record_.verdict = verdict_.allowed ? telemetry::Verdict::allow : telemetry::Verdict::deny;
  if (verdict_.rule != nullptr) {
    record_.rule_name = verdict_.rule->name();
    record_.rule_source = place_of(*snapshot_, *service_, *verdict_.rule);
  }
  if (verdict_.observed != nullptr) {
    record_.observed_rule = place_of(*snapshot_, *service_, *verdict_.observed);
    record_.observed_verdict = verdict_.observed->effect() == auth::Effect::allow ? telemetry::Verdict::allow
                                                                                  : telemetry::Verdict::deny;
  }
  if (verdict_.allowed) return {};
  if (verdict_.reason == Reason::credential_missing && session_failure_.reason != Reason::none) {
    return base::fail(session_failure_);
  }
  return base::fail(denial_of(verdict_));
}

Exchange::Result Exchange::limit() {
  Result within = check_announced_body(*service_, client_.head().body);
  if (!within) enter(Phase::limit);
  return within;
}

void Exchange::record() {
  recorded_ = true;
  record_.bytes_received = client_.bytes_received();
  record_.bytes_sent = client_.bytes_sent();
  if (identity_ != nullptr) {
    record_.provider = identity_->provider;
    record_.subject = identity_->subject;
  }
  if (call_.is_call()) settle_call_status();
  base::Instant now = ended_.reached() ? ended_ : worker_.now();
  if (record_.reason == Reason::none) {
    record_.phases.enter(Phase::done, now);
  }
  record_.phases.finish(now);
  worker_.record(record_);
}

}  // namespace gate
