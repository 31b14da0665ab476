// What the backend is sent: the client's headers less what concerned only its connection, every credential
// and every claim of identity, plus what the gate vouches for.
#include "base/bytes.h"
#include "gate/decision.h"
#include "gate/exchange.h"
#include "gate/shown_certificate.h"
#include "http/cookie.h"

namespace gate {

using base::Reason;
using http::HeaderId;

namespace {

// Never taken over from a client: framing is the connection's own, the rest only the gate may say.
// X-Original-Url and X-Rewrite-Url replace the path in some frameworks, X-Http-Method-Override and its kin
// the method, behind the rules' back.
constexpr http::HeaderIdSet kNeverForwarded = http::HeaderIdSet::of(
    HeaderId::host, HeaderId::content_length, HeaderId::transfer_encoding, HeaderId::gatehouse_identity,
    HeaderId::gatehouse_debug, HeaderId::client_cert, HeaderId::client_cert_chain, HeaderId::x_forwarded_user,
    HeaderId::x_forwarded_email, HeaderId::x_forwarded_groups, HeaderId::x_forwarded_preferred_username,
    HeaderId::x_forwarded_for, HeaderId::x_forwarded_host, HeaderId::x_forwarded_port,
    HeaderId::x_forwarded_prefix, HeaderId::x_forwarded_proto, HeaderId::x_real_ip, HeaderId::forwarded,
    HeaderId::x_request_id, HeaderId::x_original_url, HeaderId::x_rewrite_url, HeaderId::x_http_method,
    HeaderId::x_http_method_override, HeaderId::x_method_override, HeaderId::proxy_authorization,
    HeaderId::sec_websocket_key);

bool names(const NamedValue& edit, const http::Header& header) {
  if (edit.id != HeaderId::other) return edit.id == header.id;
  return header.id == HeaderId::other && base::equals_ignoring_case(edit.name, header.name);
}

std::string_view via(http::Version version) {
  static constexpr std::string_view kVia[] = {"1.0 gatehouse", "1.1 gatehouse", "2 gatehouse"};
  return kVia[static_cast<size_t>(version)];
}

}  // namespace

bool is_edited_away(const HeaderEdits& edits, const http::Header& header) {
  for (const NamedValue& edit : edits.remove) {
    if (names(edit, header)) return true;
  }
  for (const NamedValue& edit : edits.set) {
    if (names(edit, header)) return true;
  }
  return false;
}

bool Exchange::add_header(std::string_view name, std::string_view value) {
  return headers_out_.add({.name = name, .value = value, .id = HeaderId::other});
}

// The host matched is the host sent, in the same letters and without a trailing dot.
void Exchange::choose_host() {
  std::string_view as_sent = client_.head().authority;
  if (service_->host == HostSent::backend || as_sent.empty()) return;
  std::string_view host = host_.host;
  if (as_sent.starts_with(host) && (as_sent.size() == host.size() || as_sent[host.size()] == ':')) {
    host_sent_ = as_sent;
    return;
  }
  size_t port = host_.port != 0 ? as_sent.rfind(':') : as_sent.npos;
  host_sent_ = scratch_.join(host, port == as_sent.npos ? std::string_view{} : as_sent.substr(port));
}

Exchange::Result Exchange::build_request_headers() {
  // The path matched is the path forwarded; only a prefix the service itself named may be taken off it.
  path_sent_ = strip_prefix(target_.path, service_->strip_prefix);
  choose_host();
  if (auto made = sign_identity(); !made) return made;
  const http::RequestHead& head = client_.head();
  const HeaderEdits& edits = service_->request_headers;
  bool keys_are_read = snapshot_->providers->reads_credentials();
  bool fits = true;
  headers_out_.clear();
  for (const http::Header& header : head.headers) {
    if (header.hop_by_hop || kNeverForwarded.test(header.id)) continue;
    if ((header.id == HeaderId::x_api_key || header.id == HeaderId::dpop) && keys_are_read) continue;
    // A backend that takes the gate's token there must not be shown one that a client made up.
    if (header.id == HeaderId::authorization &&
        (service_->token.kind != BackendToken::none || credential_stands_in(header)))
      continue;
    if (header.id == HeaderId::cookie) {
      if (!add_others_cookies(header)) fits = false;
      continue;
    }
    if ((header.id == HeaderId::traceparent || header.id == HeaderId::tracestate) && !peer_trusted_) continue;
    if (!edits.empty() && is_edited_away(edits, header)) continue;
    if (!call_.passes(header, headers_out_.size())) continue;
    fits &= headers_out_.add(header);
  }
  for (const NamedValue& edit : edits.set) fits &= add_header(edit.name, edit.value);
  for (const NamedValue& edit : edits.add) fits &= add_header(edit.name, edit.value);
  fits &= add_forwarding_headers() && add_identity_headers() && add_client_certificate() &&
          add_websocket_key() && add_backend_token();
  if (!fits) return base::client_error(Reason::request_head_too_large, "the headers to forward do not fit");
  return {};
}

bool Exchange::add_backend_token() {
  return backend_token_.empty() || add_header("Authorization", scratch_.join("Bearer ", backend_token_));
}

// Our own cookies are for us alone. The service's edits of Cookie hold as for any header.
bool Exchange::add_others_cookies(const http::Header& header) {
  const HeaderEdits& edits = service_->request_headers;
  if (!edits.empty() && is_edited_away(edits, header)) return true;
  std::string_view left = http::strip_cookies(header.value, auth::kCookiePrefix, {});
  if (left.empty()) {
    std::span<char> room = scratch_.take(header.value.size());
    if (room.size() < header.value.size()) return false;
    left = http::strip_cookies(header.value, auth::kCookiePrefix, room);
  }
  return left.empty() || add_header("Cookie", left);
}

// Who called and how, for the backend. A trusted proxy's own account is continued, anybody else's replaced.
bool Exchange::add_forwarding_headers() {
  const http::Headers& headers = client_.head().headers;
  std::string_view peer = context_.peer_text;
  std::string_view own_scheme = context_.scheme == telemetry::Scheme::https ? "https" : "http";
  SeenOrigin seen = seen_origin();
  std::string_view chain;
  std::string_view forwarded;
  if (peer_trusted_) {
    for (const http::Header& header : headers) {
      if (header.id == HeaderId::x_forwarded_for) {
        chain = chain.empty() ? header.value : scratch_.join(chain, ", ", header.value);
      } else if (header.id == HeaderId::forwarded) {
        forwarded = forwarded.empty() ? header.value : scratch_.join(forwarded, ", ", header.value);
      }
    }
  }
  chain = chain.empty() ? peer : scratch_.join(chain, ", ", peer);
  // RFC 7239 §6: an IPv6 address stands in brackets and quotes.
  bool v6 = peer.find(':') != peer.npos;
  std::string_view own = scratch_.join(v6 ? "for=\"[" : "for=", peer, v6 ? "]\"" : "", ";host=\"",
                                       client_.head().authority, "\";proto=", own_scheme);
  if (!forwarded.empty()) own = scratch_.join(forwarded, ", ", own);

  bool fits = add_header("X-Forwarded-For", chain) && add_header("X-Forwarded-Proto", seen.scheme) &&
              add_header("X-Forwarded-Host", seen.authority) && add_header("Forwarded", own) &&
              add_header("Via", via(client_.head().version)) && add_header("X-Request-Id", record_.id.text());
  // W3C trace context: continued from a trusted peer, else begun here under the request's own id.
  if (!(peer_trusted_ && headers.has(HeaderId::traceparent))) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::span<char> span_id = scratch_.take(16);
    uint64_t random = worker_.random_word();
    for (char& c : span_id) {
      c = kHex[random & 15];
      random >>= 4;
    }
    fits = fits &&
           add_header("traceparent", scratch_.join("00-", record_.id.text(), "-",
                                                   std::string_view(span_id.data(), span_id.size()), "-00"));
  }
  return fits && !chain.empty() && !own.empty();
}

Exchange::Result Exchange::sign_identity() {
  if (identity_ == nullptr || snapshot_->signer == nullptr) return {};
  auto assertion = worker_.assertions().find_or_make({.signer = *snapshot_->signer,
                                                      .identity = *identity_,
                                                      .service_slot = service_->slot,
                                                      .service = service_->name,
                                                      .now = worker_.wall_at(worker_.loop().now()),
                                                      .random = worker_.random()});
  if (!assertion) return std::unexpected(assertion.error());
  assertion_ = *assertion;
  attempt_began_ = worker_.now();  // a signature takes as long as many a connection, and is not the backend's
  return {};
}

bool Exchange::add_identity_headers() {
  if (identity_ == nullptr) return true;
  bool fits = assertion_ == nullptr || add_header("Gatehouse-Identity", *assertion_);
  for (HeaderId id : snapshot_->identity_headers) {
    switch (id) {
      case HeaderId::x_forwarded_user:
        fits &= add_header("X-Forwarded-User", header_safe(identity_->subject));
        break;
      case HeaderId::x_forwarded_email:
        if (!identity_->email.empty()) fits &= add_header("X-Forwarded-Email", header_safe(identity_->email));
        break;
      case HeaderId::x_forwarded_preferred_username:
        if (!identity_->preferred_username.empty()) {
          fits &= add_header("X-Forwarded-Preferred-Username", header_safe(identity_->preferred_username));
        }
        break;
      case HeaderId::x_forwarded_groups: {
        if (identity_->groups.empty()) break;
        std::string_view groups = joined_groups();
        fits &= !groups.empty() && add_header("X-Forwarded-Groups", groups);
        break;
      }
      default:
        break;
    }
  }
  return fits;
}

// Beside a key or token too, which then says who is calling: for the backend to bind the two together.
bool Exchange::add_client_certificate() {
  if (service_->client_cert_sent == ClientCertSent::off || context_.certificate == nullptr) return true;
  auto fields = context_.certificate->fields(*snapshot_->providers, worker_.wall_at(worker_.loop().now()));
  if (fields.client_cert.empty()) return true;
  return add_header("Client-Cert", fields.client_cert) &&
         (fields.client_cert_chain.empty() || add_header("Client-Cert-Chain", fields.client_cert_chain));
}

// All of them or, where they do not fit, nothing: some of the groups would be another caller. A comma within
// a name must not make two of it.
std::string_view Exchange::joined_groups() {
  size_t size = 0;
  for (const std::string& group : identity_->groups) size += group.size() + 1;
  std::span<char> room = scratch_.take(size);
  if (room.size() < size) return {};
  char* at = room.data();
  for (const std::string& group : identity_->groups) {
    for (char c : group) *at++ = c == ',' || static_cast<uint8_t>(c) < 0x20 || c == 0x7F ? '?' : c;
    *at++ = ',';
  }
  return {room.data(), size - 1};
}

// A claim may hold anything; in a header it must not end the line or start another.
std::string_view Exchange::header_safe(std::string_view value) {
  bool safe = true;
  for (char c : value) safe &= static_cast<uint8_t>(c) >= 0x20 && c != 0x7F;
  if (safe) return value;
  std::span<char> copy = scratch_.take(value.size());
  if (copy.size() < value.size()) return {};
  for (size_t i = 0; i < value.size(); ++i) {
    uint8_t c = static_cast<uint8_t>(value[i]);
    copy[i] = c < 0x20 || c == 0x7F ? '?' : value[i];
  }
  return {copy.data(), copy.size()};
}

}  // namespace gate
