// What a user's files say, decoded and checked, with defaults filled in; immutable once loaded. config/ makes
// these, control/ compiles them into a Snapshot, cli/ prints and tests them. Nothing here is compiled:
// patterns are text that is known to be valid. The data plane never includes this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/spec.h"
#include "base/ip.h"
#include "base/source.h"
#include "base/time.h"
#include "http/header_id.h"

namespace config {

// host:port, :port or unix:/path.
struct Address {
  std::string host;       // lower case, IPv6 without brackets; empty: every address of the machine
  uint16_t port = 0;      // 0 only for a listener: the system chooses
  std::string unix_path;  // set: host and port mean nothing
  std::string text() const;
  bool operator==(const Address&) const = default;
};

struct ListenerSettings {
  Address address;
  std::vector<base::Network> trusted_proxies;  // whose forwarded headers are believed; nobody by default
  base::Source source;
};

struct AdminSettings {
  Address address{.host = "127.0.0.1", .port = 8900, .unix_path = {}};
};

struct AccessLogSettings {
  enum class To : uint8_t { standard_output, file, off } to = To::standard_output;
  std::string file;  // as written; relative paths are taken from the gate's folder
};

enum class LogLevel : uint8_t { debug, info, warning, error };

struct LogSettings {
  AccessLogSettings access;
  LogLevel level = LogLevel::info;
};

// The assertion the gate signs for backends, and plain copies of what it says for those that cannot verify
// it.
struct IdentitySettings {
  std::string issuer;                   // empty: not configured, control/ derives one
  std::string key_file;                 // empty: the gate makes and keeps a key of its own
  std::vector<http::HeaderId> headers;  // of the four x-forwarded-{user,email,groups,preferred-username}
};

// How long a client may take. Those towards a backend stand in the service's forward.
struct TimeoutSettings {
  base::Duration head = base::seconds(10);   // from a request's first byte to the end of its head
  base::Duration body = base::seconds(30);   // without a byte of the body arriving
  base::Duration send = base::seconds(30);   // without the client taking a byte of the answer
  base::Duration idle = base::seconds(75);   // between two requests of a connection
  base::Duration drain = base::seconds(30);  // after SIGTERM, for what is in flight
};

struct GateSettings {
  std::vector<ListenerSettings> listeners;  // at least one
  AdminSettings admin;
  uint32_t workers = 0;  // 0: one per core
  LogSettings log;
  std::vector<auth::ProviderSpec> providers;  // api_keys files are read in
  IdentitySettings identity;
  TimeoutSettings timeouts;
  std::vector<auth::RuleSpec> access;  // only denials; for every service; named "gate#1" unless named
};

struct HeaderCondition {
  std::string name;                 // lower case
  std::vector<std::string> values;  // any one, exactly; empty: the header is there, whatever it says
  base::Source source;
};

// One place of the address space. All parts hold together.
struct MatchSettings {
  std::vector<std::string> hosts;    // lower case; "*.example.com" is any depth below; empty: every host
  std::string path = "/";            // a routing::PathPattern
  std::vector<std::string> methods;  // empty: every method
  std::vector<HeaderCondition> headers;
  base::Source source;  // without a file when the service has no `match`
};

enum class HostSent : uint8_t { preserve, backend };

struct ForwardSettings {
  std::vector<Address> to;  // plain HTTP/1.1; at least one
  base::Source to_source;
  std::string strip_prefix;  // begins with '/', does not end with one; empty: nothing is stripped
  HostSent host = HostSent::preserve;
  base::Duration connect_timeout = base::seconds(5);
  base::Duration response_timeout =
      base::seconds(60);  // until the response's head, and between bytes of its body
};

struct HeaderValue {
  std::string name;  // as written
  std::string value;
};

// Applied in this order: remove, set (replaces all of that name), add.
struct HeaderChanges {
  std::vector<std::string> remove;
  std::vector<HeaderValue> set;
  std::vector<HeaderValue> add;
};

struct HeaderSettings {
  HeaderChanges request;
  HeaderChanges response;
};

struct LimitSettings {
  std::optional<uint64_t> body_bytes_max;  // nothing: no limit
  uint32_t head_bytes_max = 64 * 1024;
};

enum class PathChoice : uint8_t { refuse, keep };

struct PathSettings {
  PathChoice encoded_slash = PathChoice::refuse;
  PathChoice parameters = PathChoice::refuse;
};

// Whom an access test pretends to be. Without a caller the request carries no credential.
struct CallerSpec {
  std::string provider;
  std::string subject;
  std::vector<std::string> groups;
  std::vector<std::string> scopes;
  std::vector<auth::ClaimSpec> claims;  // several values: the claim is a list of them
};

struct TestSpec {
  std::string text;  // as written, or put together from the long form: what a report shows
  std::string method;
  std::string scheme;  // empty unless an URL was given, as host
  std::string host;
  std::string target;  // path and query
  std::optional<CallerSpec> caller;
  std::optional<base::IpAddress> from;
  std::vector<HeaderValue> headers;
  auth::Effect expect = auth::Effect::deny;
  std::string by;  // the rule that must decide; empty: any
  base::Source source;
};

struct ServiceSettings {
  std::string name;
  base::Source source;                 // of the definition as a whole
  std::vector<MatchSettings> matches;  // at least one; the only one covers everything when none is written
  ForwardSettings forward;
  std::vector<auth::RuleSpec> access;
  std::vector<TestSpec> tests;
  HeaderSettings headers;
  LimitSettings limits;
  PathSettings paths;
  bool enabled = true;
};

}  // namespace config
