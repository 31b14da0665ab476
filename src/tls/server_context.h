// How the gate shows itself to clients on a listener: certificates by server name, versions, client
// certificates, tickets. Compiled by the control thread; immutable and shared by workers; connections pin the
// one they began with. Never reads a file.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "tls/settings.h"

namespace tls {

// The certificates that serve a set of names, and what a connection needs of them.
struct Site;

class ServerContext {
 public:
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext();

  // name in lower case, without a final dot: exact, then a wildcard for its first label. nullptr: none.
  const Site* find(std::string_view name) const;

  // For Stream and libssl's callbacks.
  const Site& default_site() const;
  const Site* choose(std::string_view name) const;  // with the default where settings allow it
  const crypto::Sha256& policy() const { return policy_; }
  // Who vouches for clients; null where no client is asked for a certificate.
  const TrustStore* client_authorities() const { return client_authorities_.get(); }
  const TicketKeys* ticket_keys() const { return ticket_keys_.get(); }
  const std::string& alpn_wire() const { return alpn_wire_; }

 private:
  friend struct ServerCompiler;
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  ServerContext() = default;

  std::vector<std::unique_ptr<Site>> sites_;
  std::unordered_map<std::string, const Site*, TextHash, std::equal_to<>>
      names_;  // wildcards with their "*."
  const Site* default_ = nullptr;
  UnknownName unknown_name_ = UnknownName::first_certificate;
  // What a resumed session must have been made under besides its server name: the client certificates' mode,
  // authorities and depth. Tickets are bound to it and the name by the session id context.
  crypto::Sha256 policy_{};
  std::shared_ptr<const TrustStore> client_authorities_;
  std::shared_ptr<const TicketKeys> ticket_keys_;
  std::string alpn_wire_;  // RFC 7301 §3.1
};

struct CompiledServer {
  std::shared_ptr<const ServerContext> context;  // null when there is an error among the problems
  std::vector<Problem> problems;
};

// Certificates that have expired, are not valid yet or expire within kExpirySoon are warnings: a gate that
// has them goes on serving, and it is for the caller to be stricter about new ones.
inline constexpr base::Duration kExpirySoon = base::seconds(21 * 24 * 3600);
CompiledServer compile_server_context(const ServerSettings& settings, base::WallTime now);

}  // namespace tls
