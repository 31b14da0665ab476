// What the gate would do with a request, without a gate: the decision behind `gatehouse test` and `explain`.
// It calls the very functions the request path calls, in its order, on a compiled Snapshot; it sends nothing
// anywhere, except that a token's key set is fetched from its issuer when that is where it is. One thread.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "access/replay_guard.h"
#include "access/rules.h"
#include "access/token_cache.h"
#include "base/ip.h"
#include "base/time.h"
#include "config/files.h"
#include "config/settings.h"
#include "control/compile.h"

namespace control {

struct RequestToDecide {
  std::string method = "GET";
  std::string scheme = "http";
  std::string authority;     // as in Host; empty: none
  std::string target = "/";  // path and query
  std::vector<config::HeaderValue> headers;
  base::IpAddress client{.bytes = {127, 0, 0, 1}};
  auth::IdentityPtr pretended;  // the caller, in place of a credential; null: what the headers hold
};

// How the caller came to be known.
enum class CallerFrom : uint8_t { nowhere, pretence, api_key, token };

// Pointers and views live as long as snapshot.
struct Decision {
  gate::SnapshotPtr snapshot;
  std::string host;  // as matched; empty when refused before
  std::string path;
  std::string route;                       // pattern; empty: none was found
  const gate::Service* service = nullptr;  // null: refused before, or the gate's own address
  bool own = false;                        // the gate itself answers this address
  CallerFrom caller_from = CallerFrom::nowhere;
  auth::IdentityPtr caller;  // null: nobody
  bool rules_asked = false;
  auth::Verdict verdict;
  auth::Trace trace;
  // The outcome. none: the request goes on to a backend, or is answered by the gate itself. What the gate
  // limits is refused also after a verdict that allows.
  base::Reason reason = base::Reason::none;
  std::string detail;
  std::vector<std::string> logs_in_with;  // refused, and a browser would be sent to log in with any of these
  std::string path_sent;
  std::string host_sent;
  std::vector<std::string> backends;  // "127.0.0.1:9001", or names as written

  bool allowed() const { return reason == base::Reason::none; }
  // "services/orders.yaml:4:5"
  std::string_view place_of(const auth::Rule& rule) const;
};

class Decider {
 public:
  struct Parts {
    const Compiled& compiled;  // with a snapshot; outlives the Decider
    const config::Files& files;
    const config::FetchSettings& fetch;  // outlives the Decider
    base::WallTime now;                  // what credentials' times are held against
  };
  explicit Decider(const Parts& parts);

  Decision decide(const RequestToDecide& request);

 private:
  struct Heads;
  base::Result<> read_head(const RequestToDecide& request, Heads& heads) const;
  base::Result<> decide_into(const RequestToDecide& request, Heads& heads, Decision& out);
  static base::Result<> check_session_use(const RequestToDecide& request, const Heads& heads,
                                          const gate::Service& service);
  base::Result<> authenticate(const RequestToDecide& request, const Heads& heads, Decision& out);
  base::Result<> check_possession(const RequestToDecide& request, const Heads& heads,
                                  const auth::Credential& credential, const auth::Identity& caller);
  void fetch_keys(const auth::Provider& provider);
  void describe_forwarding(const Heads& heads, Decision& out) const;

  const Compiled& compiled_;
  const config::FetchSettings& fetch_;
  base::WallTime now_;
  auth::KeySets key_sets_;
  auth::TokenCache tokens_;
  crypto::SystemRandom random_;
  auth::ReplayGuard replays_{random_, 1};
  std::string keys_problem_;  // why a key set could not be had; empty: all could
};

// The identity that the provider would make of such a caller; API keys carry no claims. now: of the Decider.
auth::IdentityPtr make_caller(const config::CallerSpec& spec, const auth::ProviderSpec& provider,
                              base::WallTime now);

}  // namespace control
