// Everything the request path decides by, compiled from the user's files: immutable, shared by all workers,
// replaced as a whole by the next generation. An exchange keeps the one it began with. A service whose
// settings did not change is the same object in the next Snapshot. control/ makes these; the data plane only
// reads them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/assertion.h"
#include "access/providers.h"
#include "access/resource_metadata.h"
#include "access/rules.h"
#include "access/session.h"
#include "backends/endpoint.h"
#include "base/ip.h"
#include "base/time.h"
#include "http/header_id.h"
#include "http/limits.h"
#include "routing/table.h"
#include "websocket/origin.h"

namespace tls {
class ServerContext;
}

namespace gate {

struct NamedValue {
  std::string name;
  std::string value;
  http::HeaderId id = http::HeaderId::other;
};

// Applied in this order: remove, set (replaces all of that name), add.
struct HeaderEdits {
  std::vector<NamedValue> remove;
  std::vector<NamedValue> set;
  std::vector<NamedValue> add;
  bool empty() const { return remove.empty() && set.empty() && add.empty(); }
};

enum class HostSent : uint8_t { preserve, backend };

// header: Client-Cert and Client-Cert-Chain (RFC 9440).
enum class ClientCertSent : uint8_t { off, header };

struct WebSocketPolicy {
  std::vector<websocket::OriginPattern> origins;       // whose pages may open one; empty: all, and no pages
  base::Duration idle_patience = base::seconds(3600);  // of both directions together, of any upgrade
};

// Requests with a session that come from another site's pages.
enum class CrossSite : uint8_t { refused, allowed };

struct CsrfPolicy {
  CrossSite cross_site = CrossSite::refused;
  std::vector<websocket::OriginPattern> origins;  // whose pages may come with a session all the same
};

// What the backend gets in Authorization. none: nothing of the gate's.
enum class BackendToken : uint8_t { none, caller, exchange, client_credentials };

struct BackendTokenPolicy {
  BackendToken kind = BackendToken::none;
  std::string provider;  // of exchange and client_credentials: an oidc provider
  std::string audience;  // caller: what the token has to be for; else asked for. Empty: not named
  std::string resource;  // RFC 8707; empty: not named
  std::vector<std::string> scopes;
};

struct Service {
  std::string name;
  uint32_t slot = 0;        // number that is this service's for the life of the process
  uint64_t generation = 0;  // that brought this definition
  std::string place;        // where it is defined, "services/orders.yaml:1:1"

  backends::EndpointListPtr
      endpoints;  // null when names have to be resolved: then they are posted to the workers
  uint64_t backends_generation = 0;  // that brought these backends; a change of anything else keeps it
  std::string strip_prefix;          // "" or "/prefix"
  HostSent host = HostSent::preserve;
  ClientCertSent client_cert_sent = ClientCertSent::off;
  base::Duration connect_timeout;
  base::Duration response_timeout;  // to the answer's head, and between bytes of its body

  std::shared_ptr<const auth::RuleSet> rules;
  std::vector<std::string> rule_places;  // by Rule::index(): "services/orders.yaml:4:5"

  HeaderEdits request_headers;
  HeaderEdits response_headers;
  std::optional<uint64_t> body_bytes_max;
  uint32_t head_bytes_max = 64 * 1024;
  bool accepts_encoded_slash = false;
  bool accepts_parameters = false;
  WebSocketPolicy websocket;

  // The oidc providers whose callers a rule may let in, in the order of their definition: whose sessions
  // count here, and where a person is sent to log in. Empty: nobody logs in for this service.
  std::vector<std::string> login_providers;
  CsrfPolicy csrf;
  BackendTokenPolicy token;
  // What it takes for tokens; nothing: no token lets anybody in. Without issuers clients are not told.
  std::optional<auth::TokenTerms> tokens;
};

struct Timeouts {
  base::Duration body = base::seconds(30);  // to take kBodyProgressBytes more of a request's body
  base::Duration send = base::seconds(30);  // waited in all for a client to take kSendProgressBytes
};

// A client that sends its body slower than this many bytes in Timeouts::body is cut off: an idle timer alone
// would let one byte a second hold an exchange for ever.
inline constexpr uint64_t kBodyProgressBytes = 1024;
// The same for a client that takes its answer.
inline constexpr uint64_t kSendProgressBytes = 1024;

// What a listener speaks; at least one.
struct ProtocolSet {
  bool http1 = true;
  bool http2 = true;
};

// required: every connection begins with a header that says whose it is.
enum class ProxyProtocol : uint8_t { off, required };

struct ListenerPolicy {
  std::string name;                               // the address as configured
  std::vector<base::Network> trusted_proxies;     // whose forwarded headers are believed
  std::shared_ptr<const tls::ServerContext> tls;  // null: clear text
  ProtocolSet protocols;
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  uint16_t redirect_port = 0;  // of the https:// place every request is sent to; 0: none
};

bool is_trusted(const ListenerPolicy& policy, const io::Address& peer);

struct Snapshot {
  uint64_t generation = 0;
  routing::Table routes;
  std::vector<std::shared_ptr<const Service>> services;  // by slot; null where there is none
  std::shared_ptr<const auth::RuleSet> gate_rules;
  std::vector<std::string> gate_rule_places;
  std::shared_ptr<const auth::Providers> providers;
  std::shared_ptr<const auth::AssertionSigner> signer;
  std::shared_ptr<const auth::Sealer> sealer;  // of sessions and logins
  auth::SessionLimits session_limits;
  std::vector<http::HeaderId> identity_headers;  // convenience copies for backends
  http::ServerLimits server_limits;
  Timeouts timeouts;
  uint32_t connections_max = UINT32_MAX;  // of clients, on each worker
  std::vector<ListenerPolicy> listeners;  // by listener number
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace gate
