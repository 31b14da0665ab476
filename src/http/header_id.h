// The header names the gate has an opinion about, recognised once at parsing so that later stages compare a
// byte instead of text.
#pragma once

#include <cstdint>
#include <string_view>

namespace http {

// X(identifier, "canonical-name in lower case")
#define GATEHOUSE_HEADERS(X)                                          \
  X(accept, "accept")                                                 \
  X(authorization, "authorization")                                   \
  X(cache_control, "cache-control")                                   \
  X(client_cert, "client-cert")                                       \
  X(client_cert_chain, "client-cert-chain")                           \
  X(connection, "connection")                                         \
  X(content_length, "content-length")                                 \
  X(content_type, "content-type")                                     \
  X(cookie, "cookie")                                                 \
  X(date, "date")                                                     \
  X(dpop, "dpop")                                                     \
  X(expect, "expect")                                                 \
  X(forwarded, "forwarded")                                           \
  X(gatehouse_debug, "gatehouse-debug")                               \
  X(gatehouse_identity, "gatehouse-identity")                         \
  X(host, "host")                                                     \
  X(keep_alive, "keep-alive")                                         \
  X(origin, "origin")                                                 \
  X(proxy_authenticate, "proxy-authenticate")                         \
  X(proxy_authorization, "proxy-authorization")                       \
  X(proxy_connection, "proxy-connection")                             \
  X(proxy_status, "proxy-status")                                     \
  X(sec_fetch_mode, "sec-fetch-mode")                                 \
  X(sec_fetch_site, "sec-fetch-site")                                 \
  X(sec_websocket_accept, "sec-websocket-accept")                     \
  X(sec_websocket_key, "sec-websocket-key")                           \
  X(server, "server")                                                 \
  X(set_cookie, "set-cookie")                                         \
  X(te, "te")                                                         \
  X(traceparent, "traceparent")                                       \
  X(tracestate, "tracestate")                                         \
  X(trailer, "trailer")                                               \
  X(transfer_encoding, "transfer-encoding")                           \
  X(upgrade, "upgrade")                                               \
  X(user_agent, "user-agent")                                         \
  X(via, "via")                                                       \
  X(www_authenticate, "www-authenticate")                             \
  X(x_api_key, "x-api-key")                                           \
  X(x_forwarded_email, "x-forwarded-email")                           \
  X(x_forwarded_for, "x-forwarded-for")                               \
  X(x_forwarded_groups, "x-forwarded-groups")                         \
  X(x_forwarded_host, "x-forwarded-host")                             \
  X(x_forwarded_port, "x-forwarded-port")                             \
  X(x_forwarded_preferred_username, "x-forwarded-preferred-username") \
  X(x_forwarded_prefix, "x-forwarded-prefix")                         \
  X(x_forwarded_proto, "x-forwarded-proto")                           \
  X(x_forwarded_user, "x-forwarded-user")                             \
  X(x_http_method, "x-http-method")                                   \
  X(x_http_method_override, "x-http-method-override")                 \
  X(x_method_override, "x-method-override")                           \
  X(x_original_url, "x-original-url")                                 \
  X(x_real_ip, "x-real-ip")                                           \
  X(x_request_id, "x-request-id")                                     \
  X(x_rewrite_url, "x-rewrite-url")

enum class HeaderId : uint8_t {
  other,
#define X(id, name) id,
  GATEHOUSE_HEADERS(X)
#undef X
};

// Case is ignored and `_` equals `-`, so that no spelling of a header we own passes as another.
HeaderId find_header_id(std::string_view name);
std::string_view header_name(HeaderId id);  // lower case; empty for other

class HeaderIdSet {
 public:
  constexpr HeaderIdSet() = default;
  template <class... Ids>
  static constexpr HeaderIdSet of(Ids... ids) {
    HeaderIdSet set;
    (set.set(ids), ...);
    return set;
  }
  constexpr void set(HeaderId id) { bits_ |= uint64_t{1} << static_cast<int>(id); }
  constexpr bool test(HeaderId id) const { return bits_ >> static_cast<int>(id) & 1; }
  constexpr HeaderIdSet operator|(HeaderIdSet other) const {
    HeaderIdSet set;
    set.bits_ = bits_ | other.bits_;
    return set;
  }

 private:
  uint64_t bits_ = 0;
};

}  // namespace http
