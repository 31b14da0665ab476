// The parts of the request path that depend on nothing but the Snapshot and the request, so that `test` and
// `explain` answer with the very code that traffic runs through. Called by the exchange and by
// control/decide. Nothing here allocates, waits or records.
#pragma once

#include <cstdint>
#include <string_view>

#include "access/rules.h"
#include "base/result.h"
#include "gate/snapshot.h"
#include "http/head.h"
#include "http/origin.h"
#include "http/target.h"

namespace gate {

// What the gate answers for no service: an unknown expectation, TRACE, the server as a whole, and a
// WebSocket's handshake that is none.
base::Result<> check_head(const http::RequestHead& head);

// Why there is no route to the target.
base::Error no_route_to(const http::Target& target);

// The service that a request for resource metadata (RFC 9728 §3.1) asks about, by the path behind the
// well-known one. Null: it is no such request, the service has none, or a service has a route of its own
// below
// /.well-known, which goes first.
const Service* find_described(const Snapshot& snapshot, const http::RequestHead& head, std::string_view host,
                              const http::Target& target);
// Where it stands in the URL of that metadata; empty: the URL has no path.
std::string_view described_path(const http::Target& target);

// path_refused for what only some services accept in a path, unless this one does.
base::Result<> check_path_choices(const Service& service, const http::Target& target);

// origin_refused for a WebSocket that a page of another origin than the service's asks for.
base::Result<> check_origin(const Service& service, const http::RequestHead& head);

// cross_site_refused for a request with a session that a page of another site makes in somebody's name. A
// WebSocket's origins, where the service names them, say it instead. own: the address that was asked.
base::Result<> check_session_use(const Service& service, const http::RequestHead& head,
                                 const http::Origin& own);

// Whether a request that failed for the reason is answered by sending the browser to log in: a navigation to
// the top of a window, to a service that people log in for. For step_up_required: whoever has a session.
bool leads_to_login(const Service& service, const http::RequestHead& head, base::Reason reason);

// Browsers keep our cookies only over TLS, or for a laptop's own names. host: without the port.
bool cookies_can_be_kept(std::string_view scheme, std::string_view host);

// bytes: of the request's head.
base::Result<> check_head_bytes(const Service& service, uint64_t bytes);
// What the head says of the body; a chunked one is counted on its way.
base::Result<> check_announced_body(const Service& service, const http::BodyLength& body);

// The path a backend is sent: the one matched, less the prefix the service itself named, by whole segments.
std::string_view strip_prefix(std::string_view path, std::string_view prefix);

// What a client is told of a verdict that is not an allow.
base::Error denial_of(const auth::Verdict& verdict);

// "services/orders.yaml:4:5", of a rule of the service or of the gate; lives as long as the snapshot.
std::string_view place_of(const Snapshot& snapshot, const Service& service, const auth::Rule& rule);

}  // namespace gate
