// The composite kinds of a gate's files, each defined beside its field table: rules and tests in
// rule_table.cc and test_table.cc, services in service_table.cc, gatehouse.yaml in gate_table.cc with
// listener_table.cc, provider_table.cc, oidc_table.cc and session_table.cc, keys.yaml in keys_table.cc; what
// concerns TLS in all of them in tls_table.cc, and what a service does with callers' credentials in
// token_table.cc. The loader and the schemas use them; nobody else does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "access/spec.h"
#include "config/decode.h"
#include "config/kinds.h"
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

// Of `acr` and `amr`: a word that can stand in a challenge.
void decode_login_word(Decoder&, const Node&, std::string&);
inline constexpr Kind<std::string> kLoginWord = {decode_login_word, text_schema};

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

// The path of a file with a certificate or a key, which is read; or its text, read by the environment.
void decode_file_text(Decoder&, const Node&, FileText&);
inline constexpr Kind<FileText> kFileText = {decode_file_text, text_schema};

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

// An algorithm of signatures that can be verified with a public key.
void decode_algorithm(Decoder&, const Node&, auth::Algorithm&);
std::string algorithm_schema(SchemaBook&);
inline constexpr Kind<auth::Algorithm> kAlgorithm = {decode_algorithm, algorithm_schema};

// Which claims say who it is, for the ClaimNames of a provider.
template <auto kClaims>
inline constexpr Field kSubjectClaim = inner_field<kClaims, &auth::ClaimNames::subject, kText>(
    {.key = "subject_claim", .doc = "The claim that names the caller.", .fallback = "\"sub\""});
template <auto kClaims>
inline constexpr Field kScopesClaim = inner_field<kClaims, &auth::ClaimNames::scopes, kText>(
    {.key = "scopes_claim",
     .doc = "The claim that holds the scopes, nested by dotted name.",
     .fallback = "\"scope\""});
template <auto kClaims>
inline constexpr Field kGroupsClaim = inner_field<kClaims, &auth::ClaimNames::groups, kText>(
    {.key = "groups_claim",
     .doc = "The claim that holds the groups, nested by dotted name.",
     .example = "\"realm_access.roles\"",
     .fallback = "\"groups\""});
template <auto kClaims>
inline constexpr Field kGroupsSeparator = inner_field<kClaims, &auth::ClaimNames::groups_separator, kText>(
    {.key = "groups_separator",
     .doc = "What stands between groups that are written as one text. Without it such a text is one group.",
     .example = "\" \""});

// Whether its tokens have to be bound to their caller, for a provider of tokens.
inline constexpr Word<auth::SenderConstrained> kSenderConstrainedWords[] = {
    {"when_bound", auth::SenderConstrained::when_bound}, {"required", auth::SenderConstrained::required}};
template <auto kMember>
inline constexpr Field kSenderConstrained = field<kMember, kOneOf<kSenderConstrainedWords>>(
    {.key = "sender_constrained",
     .doc =
         "`required`: only tokens that are bound to a key (DPoP) or certificate of their caller. One that is "
         "bound always has to be proved.",
     .fallback = "\"when_bound\""});

void decode_oidc(Decoder&, const Node&, std::optional<auth::OidcSpec>&);
std::string oidc_schema(SchemaBook&);
inline constexpr Kind<std::optional<auth::OidcSpec>> kOidc = {decode_oidc, oidc_schema};

void decode_introspection(Decoder&, const Node&, std::optional<auth::IntrospectionSpec>&);
std::string introspection_schema(SchemaBook&);
inline constexpr Kind<std::optional<auth::IntrospectionSpec>> kIntrospection = {decode_introspection,
                                                                                introspection_schema};

// A map of providers by name.
void decode_providers(Decoder&, const Node&, std::vector<auth::ProviderSpec>&);
std::string providers_schema(SchemaBook&);
inline constexpr Kind<std::vector<auth::ProviderSpec>> kProviders = {decode_providers, providers_schema};

void decode_sessions(Decoder&, const Node&, SessionSettings&);
std::string sessions_schema(SchemaBook&);
inline constexpr Kind<SessionSettings> kSessions = {decode_sessions, sessions_schema};

void decode_fetch(Decoder&, const Node&, FetchSettings&);
std::string fetch_schema(SchemaBook&);
inline constexpr Kind<FetchSettings> kFetch = {decode_fetch, fetch_schema};

// --- What a service says of callers' credentials ---

void decode_token(Decoder&, const Node&, TokenSettings&);
std::string token_schema(SchemaBook&);
inline constexpr Kind<TokenSettings> kToken = {decode_token, token_schema};

void decode_csrf(Decoder&, const Node&, CsrfSettings&);
std::string csrf_schema(SchemaBook&);
inline constexpr Kind<CsrfSettings> kCsrf = {decode_csrf, csrf_schema};

// Reports what these keys say together with the service's rules and headers. body: the service's map.
void check_callers(Decoder& decoder, const Node& body, const ServiceSettings& service);

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
