// The one closed list of why an exchange did not succeed. The name of each is used word for word in the
// record, the log, the metric's error.type, the Proxy-Status header, the problem body and docs/reasons.md.
// The RFC 9209 §2.3 types come first; ours follow where those are too coarse.
// Adding one: a row here, a paragraph in docs/reasons.md, a test that provokes it.
#pragma once

#include <cstdint>
#include <string_view>

namespace base {

// X(identifier, HTTP status answered (0: nothing can be answered), title)
#define GATEHOUSE_REASONS(X)                                                                      \
  X(none, 0, "No failure")                                                                        \
  X(dns_timeout, 504, "The backend's name was not resolved in time")                              \
  X(dns_error, 502, "The backend's name could not be resolved")                                   \
  X(connection_refused, 502, "The backend refused the connection")                                \
  X(connection_terminated, 502, "The backend closed the connection before answering")             \
  X(connection_timeout, 504, "The backend did not accept the connection in time")                 \
  X(connection_read_timeout, 504, "The backend stopped sending in the middle of its answer")      \
  X(connection_write_timeout, 504, "The backend stopped taking the request")                      \
  X(connection_limit_reached, 503, "Too many connections are open")                               \
  X(tls_protocol_error, 502, "The TLS connection could not be made")                              \
  X(tls_certificate_error, 502, "The TLS certificate of the other side was not accepted")         \
  X(tls_alert_received, 502, "The other side refused the TLS connection")                         \
  X(http_request_error, 400, "The request is malformed")                                          \
  X(http_response_timeout, 504, "The backend did not answer in time")                             \
  X(http_response_incomplete, 502, "The backend's answer ended early")                            \
  X(http_response_header_section_size, 502, "The backend's response head is too large")           \
  X(http_protocol_error, 502, "The backend's answer is not valid HTTP")                           \
  X(http_upgrade_failed, 502, "The backend's answer to the upgrade does not fit the request")     \
  X(proxy_internal_error, 500, "The gate failed")                                                 \
  X(request_head_too_large, 431, "The request's head is too large")                               \
  X(request_body_too_large, 413, "The request's body is too large")                               \
  X(request_timeout, 408, "The client did not send its request in time")                          \
  X(websocket_version_refused, 426, "The WebSocket version is not 13")                            \
  X(path_refused, 400, "The path is ambiguous and was refused")                                   \
  X(expectation_failed, 417, "The expectation cannot be met")                                     \
  X(misdirected_request, 421, "The connection is not for this host")                              \
  X(no_route, 404, "No service is at this address")                                               \
  X(credential_missing, 401, "A credential is required")                                          \
  X(credential_malformed, 400, "The credential is malformed or sent more than once")              \
  X(credential_invalid, 401, "The credential is not valid")                                       \
  X(credential_conflict, 400, "Credentials of different kinds were sent together")                \
  X(key_set_unavailable, 503, "The keys to check the credential with are not available")          \
  X(session_invalid, 401, "The session cookie is not valid")                                      \
  X(session_ended, 401, "The session has ended")                                                  \
  X(proof_invalid, 401, "The proof that the token is the caller's own is not valid")              \
  X(proof_memory_full, 503, "The gate cannot remember more proofs of possession")                 \
  X(step_up_required, 401, "A stronger or more recent login is required")                         \
  X(login_state_invalid, 400, "The login was not begun in this browser, or not finished in time") \
  X(login_refused, 403, "The identity provider did not confirm the login")                        \
  X(logout_token_invalid, 400, "The logout token is not valid")                                   \
  X(return_refused, 400, "The page to return to is not one of this host")                         \
  X(cross_site_refused, 403, "Pages of another site may not do this with the session")            \
  X(identity_provider_unavailable, 503, "The identity provider cannot be reached")                \
  X(session_store_unavailable, 503, "The session store cannot be reached")                        \
  X(introspection_unavailable, 503, "The token cannot be checked with its issuer")                \
  X(backend_token_unavailable, 502, "No token for the backend could be had")                      \
  X(scope_insufficient, 403, "The credential lacks a scope")                                      \
  X(rule_denied, 403, "Access is denied")                                                         \
  X(origin_refused, 403, "Pages of this origin may not open a WebSocket here")                    \
  X(access_withdrawn, 0, "Access was taken away while the connection was open")                   \
  X(no_healthy_endpoint, 503, "No endpoint of the service can take the request")                  \
  X(client_disconnected, 0, "The client went away")                                               \
  X(client_stalled, 0, "The client stopped reading the answer")                                   \
  X(draining, 503, "The gate is shutting down")

enum class Reason : uint8_t {
#define X(name, status, title) name,
  GATEHOUSE_REASONS(X)
#undef X
};

#define X(name, status, title) +1
inline constexpr int kReasonCount = 0 GATEHOUSE_REASONS(X);
#undef X

std::string_view reason_name(Reason reason);
std::string_view reason_title(Reason reason);
int reason_status(Reason reason);

}  // namespace base
