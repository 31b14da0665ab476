// Rules and providers as a user writes them, typed but not compiled. config/ decodes YAML into these, tests
// write them by hand, compile_rules() and compile_providers() turn them into what the request path uses.
// The namespace of this folder is auth: POSIX's access(2) holds the name `access` in the global scope.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/source.h"
#include "base/time.h"
#include "crypto/algorithm.h"

namespace auth {

// One condition on a claim: the claim at a dotted path is, or as a list has, any of values. Values are the
// JSON scalars as text: strings without quotes, numbers and booleans as written.
struct ClaimSpec {
  std::string path;
  std::vector<std::string> values;
  base::Source source;
};

// All conditions hold together. anyone: no credential needed. authenticated: any valid credential.
struct WhoSpec {
  bool anyone = false;
  bool authenticated = false;
  std::vector<std::string> providers;     // any one
  std::vector<std::string> subjects;      // any one
  std::vector<std::string> groups;        // any one
  std::vector<std::string> scopes;        // all
  std::vector<ClaimSpec> claims;          // all
  std::vector<std::string> acr;           // any one
  std::vector<std::string> amr;           // all
  std::optional<base::Duration> max_age;  // since the caller logged in (`auth_time`)
  std::unique_ptr<WhoSpec> none_of;       // `not:` — all of it together must not hold
};

// `METHOD PATH`, or `grpc package.Service/Method`, which means POST /package.Service/Method.
enum class OnForm : uint8_t { http, grpc };

struct OnSpec {
  std::vector<std::string> methods;  // empty: every method
  std::string path;                  // pattern
  OnForm form = OnForm::http;        // as written; says nothing that methods and path do not
  base::Source source;
};

enum class Effect : uint8_t { allow, deny };

struct RuleSpec {
  std::string name;  // as written, or "orders#2"
  Effect effect = Effect::allow;
  WhoSpec who;
  std::vector<OnSpec> on;           // empty: the whole service
  std::vector<base::Network> from;  // empty: anywhere
  bool observe = false;
  base::Source source;
};

using crypto::Algorithm;
using crypto::algorithm_name;
using crypto::parse_algorithm;

// Where a jwt provider's key set comes from: exactly one of the three.
struct KeySetSpec {
  std::string file;
  std::string url;
  std::string inline_json;
  base::Source source;
};

// Which claims say who it is. Dotted paths.
struct ClaimNames {
  std::string subject = "sub";
  std::string scopes = "scope";  // a list or a space-separated string
  std::string groups = "groups";
  std::string groups_separator;  // of groups written as one string; empty: that string is one group
};

// Of tokens bound to a key or certificate of their caller (`cnf`: RFC 8705, RFC 9449).
enum class SenderConstrained : uint8_t { when_bound, required };

struct JwtSpec {
  std::string issuer;
  std::vector<std::string> audience;  // a token needs any one; never empty
  KeySetSpec jwks;
  std::vector<Algorithm> algorithms;
  base::Duration clock_skew = base::seconds(30);
  ClaimNames claims;
  SenderConstrained sender_constrained = SenderConstrained::when_bound;
};

// How the gate shows itself to an authorization server (RFC 6749 §2.3.1).
enum class ClientAuth : uint8_t { basic, post };
struct ClientSpec {
  std::string id;
  std::string secret;  // empty: a public client
  ClientAuth auth = ClientAuth::basic;
};

enum class Userinfo : uint8_t { off, on };

struct OidcSpec {
  std::string issuer;
  ClientSpec client;
  std::vector<std::string> scopes;  // empty: openid profile email, and offline_access where it is offered
  std::vector<Algorithm> algorithms;
  base::Duration clock_skew = base::seconds(30);
  Userinfo userinfo = Userinfo::off;
  std::string resource;  // RFC 8707; empty: none
  std::string label;     // where a person chooses; empty: the provider's name
  std::string prompt;    // empty: none
  ClaimNames claims;
};

struct IntrospectionSpec {
  std::string url;
  ClientSpec client;
  std::string issuer;                 // empty: not compared
  std::vector<std::string> audience;  // a token needs any one; never empty
  base::Duration cache = base::seconds(30);
  ClaimNames claims;
  SenderConstrained sender_constrained = SenderConstrained::when_bound;
};

struct ApiKeySpec {
  std::string id;
  std::string digest;  // "sha256:<hex>"
  std::string owner;
  std::vector<std::string> scopes;
  std::vector<std::string> groups;
  std::optional<base::WallTime> created;
  std::optional<base::WallTime> expires;
  base::Source source;
};

struct ApiKeysSpec {
  std::string file;              // as written in gatehouse.yaml
  std::vector<ApiKeySpec> keys;  // what that file holds
};

enum class CertificateName : uint8_t { spiffe, dns, subject };
enum class CertificateGroups : uint8_t { none, organizational_units };

struct ClientCertSpec {
  std::string ca_file;  // as written in gatehouse.yaml
  std::string ca_pem;   // what that file holds: the roots that vouch for clients
  base::Source ca_source;
  // The first kind that a certificate has becomes the caller's subject.
  std::vector<CertificateName> identity = {CertificateName::spiffe, CertificateName::dns,
                                           CertificateName::subject};
  CertificateGroups groups_from = CertificateGroups::none;  // organizational_units: the subject's OU values
};

struct ProviderSpec {
  std::string name;
  std::optional<JwtSpec> jwt;  // exactly one mechanism is set
  std::optional<ApiKeysSpec> api_keys;
  std::optional<ClientCertSpec> client_cert;
  std::optional<OidcSpec> oidc;
  std::optional<IntrospectionSpec> introspection;
  base::Source source;
};

}  // namespace auth
