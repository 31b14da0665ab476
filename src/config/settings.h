// What a user's files say, decoded and checked, with defaults filled in; immutable once loaded. config/ makes
// these, control/ compiles them into a Snapshot, cli/ prints and tests them. Nothing here is compiled:
// patterns are text that is known to be valid. The data plane never includes this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/session.h"
#include "access/spec.h"
#include "base/ip.h"
#include "base/source.h"
#include "base/time.h"
#include "http/header_id.h"

namespace config {

// host:port, :port or unix:/path; a backend's may be an URL.
struct Address {
  std::string host;       // lower case, IPv6 without brackets; empty: every address of the machine
  uint16_t port = 0;      // 0 only for a listener: the system chooses
  std::string unix_path;  // set: host and port mean nothing
  enum class Scheme : uint8_t { http, https } scheme = Scheme::http;  // of a backend; https: TLS
  std::string text() const;                                           // without the scheme
  bool operator==(const Address&) const = default;
};

// A file that a setting names, as it was when the settings were loaded: certificates, keys, stapled answers.
// The text, which may be a secret, never reaches a diagnostic, a log or a dump.
struct FileText {
  std::string file;     // as written; empty: the text was read from an environment variable
  std::string text;     // empty: not written, or not at hand in a check for another machine
  base::Source source;  // without a file when not written
  bool written() const { return source.file != nullptr; }
};

// --- Listeners ---

struct CertificateFiles {
  FileText certificate;  // PEM, the leaf first
  FileText key;          // PEM
  FileText ocsp;         // optional; an answer to staple, DER
  base::Source source;
};

enum class TlsVersion : uint8_t { tls_1_2, tls_1_3 };
enum class ClientCert : uint8_t { none, optional, required };
// For a name that no certificate holds: the first certificate, or an alert.
enum class UnknownNames : uint8_t { first_certificate, refuse };

struct TlsSettings {
  std::vector<CertificateFiles> certificates;  // at least one; the first is the default
  TlsVersion min_version = TlsVersion::tls_1_2;
  ClientCert client_cert = ClientCert::none;
  UnknownNames unknown_names = UnknownNames::first_certificate;
  base::Source source;
};

// What a listener speaks: at least one. Over TLS ALPN chooses, HTTP/2 first; in clear text the client's first
// bytes do.
struct ProtocolSet {
  bool http1 = true;
  bool http2 = true;
  bool operator==(const ProtocolSet&) const = default;
};

enum class ProxyProtocol : uint8_t { off, required };
enum class Redirect : uint8_t { off, https };

struct ListenerSettings {
  Address address;
  std::optional<TlsSettings> tls;  // nothing: clear text
  ProtocolSet protocols;
  uint32_t unix_mode = 0660;                   // of a unix socket's file
  std::vector<base::Network> trusted_proxies;  // whose forwarded headers are believed; nobody by default
  // required: only trusted proxies may connect, and anybody on a unix socket.
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  // https: every request is sent to the first TLS listener that has a port; there is one.
  Redirect redirect = Redirect::off;
  base::Source source;
};

struct AdminSettings {
  Address address{.host = "127.0.0.1", .port = 8900, .unix_path = {}};
};

struct AccessLogSettings {
  enum class To : uint8_t { standard_output, file, off } to = To::standard_output;
  // Of standard output; a file is always JSON.
  enum class Form : uint8_t { chosen_by_terminal, json, text } form = Form::chosen_by_terminal;
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
  base::Duration send = base::seconds(30);   // waited in all for the client to take 1 KiB of the answer
  base::Duration idle = base::seconds(75);   // between two requests of a connection
  base::Duration drain = base::seconds(30);  // after SIGTERM, for what is in flight
};

// People who are logged in.
struct SessionSettings {
  auth::SessionLimits limits;
  std::string redis;  // URL of a store that several gates share; empty: one in the gate's folder
  std::vector<std::string>
      secrets;  // the first seals, all open; empty: the gate makes and keeps its own keys
};

// The gate's own calls: discovery, key sets, tokens, introspection.
struct FetchSettings {
  FileText ca;                       // PEM, beside the machine's own roots
  std::vector<base::Network> allow;  // addresses that are refused otherwise: link-local, cloud metadata
};

struct GateSettings {
  std::vector<ListenerSettings> listeners;  // at least one
  AdminSettings admin;
  uint32_t workers = 0;          // 0: one per core
  uint32_t connections_max = 0;  // of clients; 0: as the limit of descriptors allows
  LogSettings log;
  std::vector<auth::ProviderSpec> providers;  // api_keys files are read in
  IdentitySettings identity;
  SessionSettings sessions;
  FetchSettings fetch;
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
// automatic: over TLS what ALPN agrees on; in clear text HTTP/1.1, and HTTP/2 for gRPC calls.
enum class BackendProtocol : uint8_t { automatic, http1, http2 };
enum class Verify : uint8_t { on, insecure };
enum class ClientCertSent : uint8_t { off, header };  // header: Client-Cert and -Chain, RFC 9440
// Not off: each connection to the backend serves one client connection.
enum class ProxyProtocolSent : uint8_t { off, v1, v2 };

// How backends with https:// are called.
struct BackendTls {
  FileText ca;           // PEM bundle; not written: the machine's own
  std::string name;      // asked for and verified; empty: the address's host
  FileText certificate;  // the gate's own, with its key: both or neither
  FileText key;
  Verify verify = Verify::on;
  base::Source source;
};

struct ForwardSettings {
  std::vector<Address> to;  // at least one; all of one scheme
  base::Source to_source;
  BackendProtocol protocol = BackendProtocol::automatic;
  BackendTls tls;  // means nothing for clear-text addresses
  ClientCertSent client_cert = ClientCertSent::off;
  ProxyProtocolSent proxy_protocol = ProxyProtocolSent::off;
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

struct WebSocketSettings {
  std::vector<std::string> origins;                   // websocket::OriginPattern, lower case; empty: any
  base::Duration idle_timeout = base::seconds(3600);  // of both directions together
};

// What the backend gets in Authorization. none: nothing of the gate's.
enum class BackendToken : uint8_t { none, caller, exchange, client_credentials };

struct TokenSettings {
  BackendToken kind = BackendToken::none;
  std::string provider;  // of exchange and client_credentials: an oidc provider
  std::string audience;  // caller: what the token must be for; else asked for. Empty: not named
  std::string resource;  // RFC 8707; empty: not named
  std::vector<std::string> scopes;
  base::Source source;
};

// Requests with a session that come from another site's pages.
enum class CrossSite : uint8_t { refused, allowed };

struct CsrfSettings {
  CrossSite cross_site = CrossSite::refused;
  std::vector<std::string> origins;  // websocket::OriginPattern, lower case: other origins that may
};

// RFC 9728.
enum class ResourceMetadata : uint8_t { off, on };

// Whom an access test pretends to be. Without a caller the request carries no credential.
struct CallerSpec {
  std::string provider;
  std::string subject;
  std::vector<std::string> groups;
  std::vector<std::string> scopes;
  std::vector<auth::ClaimSpec> claims;  // several values: the claim is a list of them
  std::string acr;                      // of the login; empty: not said
  std::vector<std::string> amr;
  std::optional<base::Duration> auth_age;  // since the login; nothing: not said
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
  WebSocketSettings websocket;
  TokenSettings token;
  CsrfSettings csrf;
  ResourceMetadata resource_metadata = ResourceMetadata::on;
  bool enabled = true;
};

}  // namespace config
