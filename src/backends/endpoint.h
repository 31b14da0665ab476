// Where a service's backends are, resolved, and how connections to them are made. Made by control/ (from
// literal addresses and from names), read by the workers' pools; immutable and shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/address.h"
#include "io/proxy_protocol.h"

namespace tls {
class ClientContext;
}

namespace backends {

// automatic: what ALPN agrees on over TLS; in clear text HTTP/1.1, but HTTP/2 for what cannot do without.
enum class Protocol : uint8_t { automatic, http1, http2 };

struct Wire {
  Protocol protocol = Protocol::automatic;
  std::shared_ptr<const tls::ClientContext> tls;        // null: clear text
  std::shared_ptr<const tls::ClientContext> tls_http1;  // offers HTTP/1.1 alone, for what HTTP/2 cannot carry
  // A PROXY protocol header begins each connection, which then serves one client alone.
  std::optional<io::ProxyVersion> proxy_header;
};

struct Endpoint {
  io::Address address;
  std::string text;         // "127.0.0.1:9001", for records
  std::string authority;    // what a backend that wants its own name in Host is sent
  std::string server_name;  // the host to be verified over TLS
  // Null: clear text, chosen by itself. Another object is another endpoint: connections made under other
  // settings are not used again.
  std::shared_ptr<const Wire> wire;

  bool operator==(const Endpoint&) const = default;
};

using EndpointList = std::vector<Endpoint>;
using EndpointListPtr = std::shared_ptr<const EndpointList>;

}  // namespace backends
