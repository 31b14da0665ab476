// The composite kinds of a gate's files, each defined beside its field table: rules and tests in
// rule_table.cc and test_table.cc, services in service_table.cc, gatehouse.yaml in gate_table.cc with
// listener_table.cc and provider_table.cc, keys.yaml in keys_table.cc; what concerns TLS in all of them in
// tls_table.cc. The loader and the schemas use them; nobody else does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "access/spec.h"
#include "config/decode.h"
#include "config/settings.h"

namespace config {

// A list of rules; names them by place where they have none, and refuses a name used twice.
void decode_rules(Decoder&, const Node&, std::vector<auth::RuleSpec>&);
std::string rules_schema(SchemaBook&);
inline constexpr Kind<std::vector<auth::RuleSpec>> kRules = {decode_rules, rules_schema};

// The same, where an allow is refused.
void decode_denials(Decoder&, const Node&, std::vector<auth::RuleSpec>&);
std::string denials_schema(SchemaBook&);
inline constexpr Kind<std::vector<auth::RuleSpec>> kDenials = {decode_denials, denials_schema};

// Claims by dotted name, or nested.
void decode_claims(Decoder&, const Node&, std::vector<auth::ClaimSpec>&);
std::string claims_schema(SchemaBook&);
inline constexpr Kind<std::vector<auth::ClaimSpec>> kClaims = {decode_claims, claims_schema};

void decode_scope(Decoder&, const Node&, std::string&);
std::string scope_schema(SchemaBook&);
inline constexpr Kind<std::string> kScope = {decode_scope, scope_schema};

// The name of a provider that gatehouse.yaml has.
void decode_provider_name(Decoder&, const Node&, std::string&);
std::string provider_name_schema(SchemaBook&);
inline constexpr Kind<std::string> kProviderName = {decode_provider_name, provider_name_schema};

void decode_test(Decoder&, const Node&, TestSpec&);
std::string test_schema(SchemaBook&);
inline constexpr Kind<TestSpec> kTest = {decode_test, test_schema};

// A map of header names to values.
void decode_header_values(Decoder&, const Node&, std::vector<HeaderValue>&);
std::string header_values_schema(SchemaBook&);
inline constexpr Kind<std::vector<HeaderValue>> kHeaderValues = {decode_header_values, header_values_schema};

void decode_header_settings(Decoder&, const Node&, HeaderSettings&);
std::string header_settings_schema(SchemaBook&);
inline constexpr Kind<HeaderSettings> kHeaderSettings = {decode_header_settings, header_settings_schema};

void decode_header_conditions(Decoder&, const Node&, std::vector<HeaderCondition>&);
std::string header_conditions_schema(SchemaBook&);
inline constexpr Kind<std::vector<HeaderCondition>> kHeaderConditions = {decode_header_conditions,
                                                                         header_conditions_schema};

// --- TLS ---

// A listener's.
void decode_tls(Decoder&, const Node&, std::optional<TlsSettings>&);
std::string tls_schema(SchemaBook&);
inline constexpr Kind<std::optional<TlsSettings>> kTls = {decode_tls, tls_schema};

void decode_backend_tls(Decoder&, const Node&, BackendTls&);
std::string backend_tls_schema(SchemaBook&);
inline constexpr Kind<BackendTls> kBackendTls = {decode_backend_tls, backend_tls_schema};

// A provider's.
void decode_client_cert(Decoder&, const Node&, std::optional<auth::ClientCertSpec>&);
std::string client_cert_schema(SchemaBook&);
inline constexpr Kind<std::optional<auth::ClientCertSpec>> kClientCert = {decode_client_cert,
                                                                          client_cert_schema};

// --- Parts of gatehouse.yaml ---

void decode_listener(Decoder&, const Node&, ListenerSettings&);
std::string listener_schema(SchemaBook&);
inline constexpr Kind<ListenerSettings> kListener = {decode_listener, listener_schema};
// Reports what is wrong with listeners together, and with listeners and providers.
void check_listeners(Decoder& decoder, const Node& root, const GateSettings& gate);

// A map of providers by name.
void decode_providers(Decoder&, const Node&, std::vector<auth::ProviderSpec>&);
std::string providers_schema(SchemaBook&);
inline constexpr Kind<std::vector<auth::ProviderSpec>> kProviders = {decode_providers, providers_schema};

// --- The files ---

// The service keys of gatehouse.yaml's `defaults`, with the document they stand in.
struct Defaults {
  const Document* document = nullptr;
  const Node* node = nullptr;  // null: none
};
// body: the service's map. decoder.known.service is its name.
void decode_service(Decoder& decoder, const Node& body, const Defaults& defaults, ServiceSettings& out);
// Reports what is wrong with the defaults themselves, once instead of for every service.
void check_defaults(Decoder& decoder, const Node& node);
std::string service_reference(SchemaBook&);
std::string service_object(SchemaBook&);
std::string defaults_object(SchemaBook&);

// root: the whole file. Services, environments and defaults are left to the loader.
void decode_gate(Decoder& decoder, const Node& root, GateSettings& out);
std::string gate_object(SchemaBook&);

void decode_keys(Decoder& decoder, const Node& root, std::vector<auth::ApiKeySpec>& out);
std::string keys_object(SchemaBook&);

}  // namespace config
