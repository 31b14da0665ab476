// gatehouse.yaml: listeners, providers and what holds for every service.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

using auth::JwtSpec;
using auth::KeySetSpec;
using auth::ProviderSpec;

constexpr uint32_t kWorkersMax = 1024;

// --- listen, admin ---

constexpr Field kListenerFields[] = {
    field<&ListenerSettings::address, kListenAddress>(
        {.key = "address",
         .doc = "`host:port`, `:port` for every address, or `unix:/path`.",
         .need = Need::required,
         .example = "\":8080\""}),
    field<&ListenerSettings::trusted_proxies, kAny<kTrustedNetwork>>(
        {.key = "trusted_proxies",
         .doc = "Networks of proxies in front whose forwarded headers are believed. Nobody by default.",
         .example = "[\"10.0.0.0/8\"]"}),
    field<&ListenerSettings::unix_mode, kFileMode>(
        {.key = "mode",
         .doc = "Who may connect to a `unix:` address: the mode of its file, whatever the umask.",
         .example = "\"0660\"",
         .fallback = "\"0660\""}),
    later_field("tls", "Certificates."),
};
constexpr Record kListenerRecord = {"listener", "a listener", "Where clients connect.", kListenerFields};
constexpr Kind<ListenerSettings> kListener = {
    [](Decoder& decoder, const Node& node, ListenerSettings& out) {
      out.source = decoder.source(node);
      if (node.kind == Node::Kind::scalar) {
        return decoder.error(
            node, fmt::format("a listener is a map of keys, and this is {}", decoder.described(node)),
            fmt::format("write `listen: [{{ address: \"{}\" }}]`", node.text));
      }
      size_t errors = decoder.errors();
      decode_record(decoder, node, kListenerRecord, &out);
      const Node* mode = node.find("mode");
      if (mode == nullptr || !out.address.unix_path.empty() || decoder.errors() != errors) return;
      Decoder::At at(decoder, "mode");
      decoder.error(*mode, "only a unix socket has a file with a mode",
                    "remove it, or listen on `unix:/path`");
    },
    record_schema<kListenerRecord>};

constexpr Field kAdminFields[] = {
    field<&AdminSettings::address, kAdminAddress>(
        {.key = "address",
         .doc = "Where metrics, health and the console are; never a public address.",
         .example = "\"127.0.0.1:8900\"",
         .fallback = "\"127.0.0.1:8900\""}),
};
constexpr Record kAdminRecord = {"admin", "`admin`", "The listener for those who run the gate.",
                                 kAdminFields};

// --- log ---

using AccessForm = AccessLogSettings::Form;
constexpr Word<AccessForm> kAccessForms[] = {{"json", AccessForm::json}, {"text", AccessForm::text}};
constexpr Field kAccessLogFields[] = {
    field<&AccessLogSettings::file, kFilePath>(
        {.key = "file", .doc = "The file to append to, as JSON lines.", .example = "\"access.log\""}),
    field<&AccessLogSettings::form, kOneOf<kAccessForms>>(
        {.key = "stdout",
         .doc = "Standard output, as JSON lines or as short lines for people, whether a terminal or not.",
         .example = "\"json\""}),
};
constexpr Record kAccessLogRecord = {"access_log", "an access log",
                                     "Where access records go: exactly one of the keys.", kAccessLogFields};

constexpr Kind<AccessLogSettings> kAccessLog = {
    [](Decoder& decoder, const Node& node, AccessLogSettings& out) {
      if (node.kind == Node::Kind::map) {
        out.to = node.find("file") ? AccessLogSettings::To::file : AccessLogSettings::To::standard_output;
        size_t errors = decoder.errors();
        decode_record(decoder, node, kAccessLogRecord, &out);
        if (decoder.errors() == errors && node.items.size() != 2)
          decoder.error(node, "access records go to exactly one place", "write one of `file` and `stdout`");
        return;
      }
      if (node.kind == Node::Kind::scalar && (node.text == "stdout" || node.text == "off")) {
        out.to = node.text == "off" ? AccessLogSettings::To::off : AccessLogSettings::To::standard_output;
        return;
      }
      std::string hint;
      if (node.kind == Node::Kind::scalar && (node.text == "json" || node.text == "text")) {
        hint = fmt::format("did you mean `{{ stdout: {} }}`?", node.text);
      } else if (node.kind == Node::Kind::scalar && node.text.find_first_of("./") != node.text.npos) {
        hint = fmt::format("did you mean `{{ file: {} }}`?", node.text);
      }
      decoder.error(node,
                    fmt::format("must be `stdout`, `off`, `{{ stdout: json }}` or `{{ file: PATH }}`, and "
                                "this is {}",
                                decoder.described(node)),
                    hint);
    },
    [](SchemaBook& book) {
      return fmt::format(
          R"({{"anyOf":[{{"enum":["stdout","off"]}},{{"allOf":[{},{{"minProperties":1,"maxProperties":1}}]}}]}})",
          book.reference(kAccessLogRecord));
    }};

constexpr Word<LogLevel> kLevels[] = {{"debug", LogLevel::debug},
                                      {"info", LogLevel::info},
                                      {"warning", LogLevel::warning},
                                      {"error", LogLevel::error}};
constexpr Field kLogFields[] = {
    field<&LogSettings::access, kAccessLog>(
        {.key = "access",
         .doc = "Where access records go: as JSON lines, but to a terminal as short lines for people.",
         .example = R"({"file":"access.log"})",
         .fallback = "\"stdout\""}),
    field<&LogSettings::level, kOneOf<kLevels>>({.key = "level",
                                                 .doc = "From which level the gate's own messages are shown.",
                                                 .fallback = "\"info\""}),
};
constexpr Record kLogRecord = {"log", "`log`", "What is logged, and where to.", kLogFields};

// --- providers ---

void append_json(std::string& out, const Node& node) {
  if (node.kind == Node::Kind::scalar) {
    ScalarType type = scalar_type(node);
    bool is_word = type == ScalarType::boolean || type == ScalarType::null;
    bool is_json_integer = type == ScalarType::integer && base::parse_unsigned(node.text).has_value();
    out += is_word || is_json_integer ? base::lowercase(node.text) : base::json_quoted(node.text);
    return;
  }
  bool is_map = node.kind == Node::Kind::map;
  out += is_map ? '{' : '[';
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0) out += is_map && i % 2 == 1 ? ':' : ',';
    if (is_map && i % 2 == 0) {
      out += base::json_quoted(node.items[i].text);
    } else {
      append_json(out, node.items[i]);
    }
  }
  out += is_map ? '}' : ']';
}

void decode_key_set_url(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "an URL");
  if (!text) return;
  std::string_view rest = *text;
  bool secure = rest.starts_with("https://");
  if (!secure && !rest.starts_with("http://")) {
    return decoder.error(node,
                         fmt::format("{} is not an URL that keys can be fetched from", decoder.quoted(node)),
                         rest.ends_with(".json") ? fmt::format("did you mean `{{ file: {} }}`?", rest)
                                                 : "write `https://...`, or `{ file: PATH }`");
  }
  rest.remove_prefix(secure ? 8 : 7);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  std::string_view host =
      authority.substr(0, authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':'));
  if (host.empty() || rest.find_first_of(" \t\r\n") != rest.npos || authority.find('@') != authority.npos) {
    return decoder.error(node,
                         fmt::format("{} is not an URL that keys can be fetched from", decoder.quoted(node)),
                         "write `https://host/path`");
  }
  if (!secure && host != "localhost" && host != "[::1]" && !host.starts_with("127.")) {
    decoder.warning(node, "keys fetched without TLS can be replaced on the way",
                    "use `https://` outside of a laptop");
  }
  out = *text;
}
constexpr Kind<std::string> kKeySetUrl = {
    decode_key_set_url, [](SchemaBook&) { return text_schema_with(R"("pattern":"^https?://.+")"); }};

constexpr Kind<std::string> kInlineKeySet = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      if (node.kind == Node::Kind::map) return append_json(out, node);
      auto text = read_text(decoder, node, "a JSON key set");
      if (!text) return;
      if (!base::trim(*text).starts_with('{'))
        return decoder.error(node, "this is not a JSON key set", "write `{ keys: [...] }`");
      out = *text;
    },
    [](SchemaBook&) -> std::string { return R"({"type":["string","object"]})"; }};

// A file named in a setting must be there, unless the check is for another machine.
void decode_key_set_file(Decoder& decoder, const Node& node, std::string& out) {
  decode_file_path(decoder, node, out);
  if (out.empty() || !decoder.known.files || decoder.known.files->identify(out)) return;
  decoder.error(node, fmt::format("the file {} does not exist", decoder.quoted(node)),
                "relative paths are taken from the gate's folder");
}
constexpr Kind<std::string> kKeySetFile = {decode_key_set_file, text_schema};

constexpr Field kKeySetFields[] = {
    field<&KeySetSpec::file, kKeySetFile>(
        {.key = "file", .doc = "A file with the key set.", .example = "\"jwks.json\""}),
    field<&KeySetSpec::url, kKeySetUrl>({.key = "url",
                                         .doc = "Where the key set is fetched from and refreshed.",
                                         .example = "\"https://id.example/jwks\""}),
    field<&KeySetSpec::inline_json, kInlineKeySet>(
        {.key = "inline", .doc = "The key set itself, as JSON text or a map."}),
};
constexpr Record kKeySetRecord = {"key_set", "a key set",
                                  "Where the keys come from: exactly one of the keys.", kKeySetFields};

void decode_key_set(Decoder& decoder, const Node& node, KeySetSpec& out) {
  out.source = decoder.source(node);
  if (node.kind == Node::Kind::map) {
    decode_record(decoder, node, kKeySetRecord, &out);
    if (node.items.size() != 2)
      decoder.error(node, "a key set comes from exactly one place",
                    "write one of `file`, `url` and `inline`");
    return;
  }
  // A value written { file: jwks.json } stays a file, so that a change of it is seen.
  if (!decoder.value_file().empty()) {
    out.file = decoder.value_file();
    return;
  }
  if (node.kind == Node::Kind::scalar && base::trim(node.text).starts_with('{')) {
    out.inline_json = node.text;
    return;
  }
  decode_key_set_url(decoder, node, out.url);
}
constexpr Kind<KeySetSpec> kKeySet = {
    decode_key_set, [](SchemaBook& book) {
      return fmt::format(R"({{"anyOf":[{},{{"allOf":[{},{{"minProperties":1,"maxProperties":1}}]}}]}})",
                         text_schema_with(R"("pattern":"^(https?://.+| *\\{.*)$")"),
                         book.reference(kKeySetRecord));
    }};

constexpr std::string_view kAlgorithmNames[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                "PS512", "ES256", "ES384", "ES512", "EdDSA"};

constexpr Kind<auth::Algorithm> kAlgorithm = {
    [](Decoder& decoder, const Node& node, auth::Algorithm& out) {
      if (node.kind == Node::Kind::scalar && (node.text == "none" || node.text.starts_with("HS"))) {
        return decoder.error(
            node,
            node.text == "none"
                ? "`none` would accept tokens that nobody signed"
                : fmt::format("{} needs a shared secret, and a key set is public", decoder.quoted(node)),
            "use RS256, ES256 or EdDSA");
      }
      if (auto index = read_word(decoder, node, kAlgorithmNames))
        out = *auth::parse_algorithm(kAlgorithmNames[*index]);
    },
    [](SchemaBook&) { return words_schema(kAlgorithmNames); }};

constexpr Field kJwtFields[] = {
    field<&JwtSpec::issuer, kText>({.key = "issuer",
                                    .doc = "The `iss` of its tokens, compared exactly.",
                                    .need = Need::required,
                                    .example = "\"https://id.example\""}),
    field<&JwtSpec::audience, kSome<kText>>({.key = "audience",
                                             .doc = "A token's `aud` has any one of these.",
                                             .need = Need::required,
                                             .example = "[\"orders\"]"}),
    field<&JwtSpec::jwks, kKeySet>({.key = "jwks",
                                    .doc = "The keys: an URL, or one of `file`, `url` and `inline`.",
                                    .need = Need::required,
                                    .example = "\"https://id.example/jwks\""}),
    field<&JwtSpec::algorithms, kSome<kAlgorithm>>({.key = "algorithms",
                                                    .doc = "The algorithms its tokens may be signed with.",
                                                    .fallback = R"(["RS256","ES256"])"}),
    field<&JwtSpec::clock_skew, kDuration<0, 300'000>>(
        {.key = "clock_skew", .doc = "How far clocks may differ, up to 5m.", .fallback = "\"30s\""}),
    field<&JwtSpec::scopes_claim, kText>({.key = "scopes_claim",
                                          .doc = "The claim that holds the scopes, nested by dotted name.",
                                          .fallback = "\"scope\""}),
    field<&JwtSpec::groups_claim, kText>({.key = "groups_claim",
                                          .doc = "The claim that holds the groups.",
                                          .example = "\"realm_access.roles\"",
                                          .fallback = "\"groups\""}),
    field<&JwtSpec::subject_claim, kText>(
        {.key = "subject_claim", .doc = "The claim that names the caller.", .fallback = "\"sub\""}),
};
constexpr Record kJwtRecord = {"jwt", "`jwt`", "Signed tokens of one issuer.", kJwtFields};
constexpr Kind<std::optional<JwtSpec>> kJwt = {
    [](Decoder& decoder, const Node& node, std::optional<JwtSpec>& out) {
      decode_record(decoder, node, kJwtRecord, &out.emplace());
      if (out->algorithms.empty()) out->algorithms = {auth::Algorithm::rs256, auth::Algorithm::es256};
    },
    record_schema<kJwtRecord>};

constexpr Field kApiKeyFields[] = {
    field<&auth::ApiKeysSpec::file, kFilePath>({.key = "file",
                                                .doc = "The file of digests that `gatehouse keys` writes.",
                                                .need = Need::required,
                                                .example = "\"keys.yaml\""}),
};
constexpr Record kApiKeyRecord = {"api_keys", "`api_keys`", "API keys, stored as digests.", kApiKeyFields};
constexpr Kind<std::optional<auth::ApiKeysSpec>> kApiKeys = {
    [](Decoder& decoder, const Node& node, std::optional<auth::ApiKeysSpec>& out) {
      decode_record(decoder, node, kApiKeyRecord, &out.emplace());
    },
    record_schema<kApiKeyRecord>};

constexpr Field kProviderFields[] = {
    field<&ProviderSpec::api_keys, kApiKeys>(
        {.key = "api_keys", .doc = "API keys from a file.", .example = R"({"file":"keys.yaml"})"}),
    field<&ProviderSpec::jwt, kJwt>({.key = "jwt", .doc = "Signed tokens of one issuer."}),
    later_field("oidc", "Log-in with OpenID Connect."),
    later_field("introspection", "Tokens the issuer is asked about."),
    later_field("client_cert", "Client certificates."),
};
constexpr Record kProviderRecord = {"provider", "a provider",
                                    "Who vouches for callers: exactly one of the keys.", kProviderFields};

void decode_providers(Decoder& decoder, const Node& node, std::vector<ProviderSpec>& out) {
  if (node.kind != Node::Kind::map) {
    return decoder.error(
        node, fmt::format("must be a map of provider names, and this is {}", decoder.described(node)),
        "write `providers: { NAME: { jwt: {...} } }`");
  }
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const Node& key = node.items[i];
    const Node& value = node.items[i + 1];
    Decoder::At at(decoder, key.text);
    if (!is_plain_name(key.text))
      decoder.error(key, fmt::format("{} cannot be the name of a provider", decoder.quoted(key)),
                    "use letters, digits, `_`, `-` and `.`");
    ProviderSpec provider;
    provider.name = key.text;
    provider.source = decoder.source(key);
    size_t errors = decoder.errors();
    decode_record(decoder, value, kProviderRecord, &provider);
    if (decoder.errors() == errors && value.items.size() != 2) {
      decoder.error(key, "a provider has exactly one mechanism", "write one of `api_keys` and `jwt`");
    }
    out.push_back(std::move(provider));
  }
}
constexpr Kind<std::vector<ProviderSpec>> kProviders = {
    decode_providers, [](SchemaBook& book) -> std::string {
      return fmt::format(
          R"({{"type":"object","additionalProperties":{{"allOf":[{},{{"minProperties":1,"maxProperties":1}}]}}}})",
          book.reference(kProviderRecord));
    }};

// --- identity ---

constexpr Word<http::HeaderId> kIdentityWords[] = {
    {"X-Forwarded-User", http::HeaderId::x_forwarded_user},
    {"X-Forwarded-Email", http::HeaderId::x_forwarded_email},
    {"X-Forwarded-Groups", http::HeaderId::x_forwarded_groups},
    {"X-Forwarded-Preferred-Username", http::HeaderId::x_forwarded_preferred_username},
};
constexpr Field kIdentityFields[] = {
    field<&IdentitySettings::issuer, kText>({.key = "issuer",
                                             .doc = "The `iss` of the assertions, an URI.",
                                             .example = "\"https://gate.example\""}),
    field<&IdentitySettings::key_file, kFilePath>(
        {.key = "key_file",
         .doc = "The private key that signs, as PEM. Without it the gate makes and keeps one.",
         .example = "\"identity.pem\""}),
    field<&IdentitySettings::headers, kAny<kOneOf<kIdentityWords>>>(
        {.key = "headers",
         .doc = "Plain headers a backend gets beside the signed assertion.",
         .example = R"(["X-Forwarded-User"])"}),
};
constexpr Record kIdentityRecord = {
    "identity", "`identity`", "How backends are told who calls: the signed `Gatehouse-Identity` header.",
    kIdentityFields};

// --- timeouts ---

constexpr Field kTimeoutFields[] = {
    field<&TimeoutSettings::head, kTimeout>(
        {.key = "head", .doc = "From a request's first byte to the end of its head.", .fallback = "\"10s\""}),
    field<&TimeoutSettings::body, kTimeout>(
        {.key = "body", .doc = "Without a byte of the request's body arriving.", .fallback = "\"30s\""}),
    field<&TimeoutSettings::send, kTimeout>(
        {.key = "send", .doc = "Without the client taking a byte of the answer.", .fallback = "\"30s\""}),
    field<&TimeoutSettings::idle, kTimeout>(
        {.key = "idle", .doc = "Between two requests of a connection.", .fallback = "\"75s\""}),
    field<&TimeoutSettings::drain, kTimeout>({.key = "drain",
                                              .doc = "For what is in flight when the gate is told to stop.",
                                              .fallback = "\"30s\""}),
};
constexpr Record kTimeoutRecord = {"timeouts", "`timeouts`", "How long a client may take.", kTimeoutFields};

// --- the file ---

// The loader takes these from the tree itself: services are decoded, cached and refused one by one.
constexpr Field left_to_loader(FieldText text, std::string (*schema)(SchemaBook&)) {
  return {.text = text, .decode = [](Decoder&, const Node&, void*) {}, .schema = schema};
}

constexpr Field kGateFields[] = {
    field<&GateSettings::listeners, kSome<kListener>>(
        {.key = "listen",
         .doc = "Where clients connect: one listener or several.",
         .need = Need::required,
         .example = R"([{"address":":8080"}])"}),
    field<&GateSettings::admin, kRecordOf<AdminSettings, kAdminRecord>>(
        {.key = "admin", .doc = "The listener for those who run the gate."}),
    field<&GateSettings::workers, kInteger<0, kWorkersMax>>(
        {.key = "workers", .doc = "Threads that serve; 0 is one per core.", .fallback = "0"}),
    field<&GateSettings::log, kRecordOf<LogSettings, kLogRecord>>(
        {.key = "log", .doc = "What is logged, and where to."}),
    field<&GateSettings::providers, kProviders>(
        {.key = "providers",
         .doc = "Who vouches for callers, by name.",
         .example = R"({"robots":{"api_keys":{"file":"keys.yaml"}}})"}),
    field<&GateSettings::identity, kRecordOf<IdentitySettings, kIdentityRecord>>(
        {.key = "identity", .doc = "How backends are told who calls."}),
    field<&GateSettings::timeouts, kRecordOf<TimeoutSettings, kTimeoutRecord>>(
        {.key = "timeouts", .doc = "How long a client may take."}),
    field<&GateSettings::access, kDenials>({.key = "access",
                                            .doc = "Denials for every service.",
                                            .example = R"([{"deny":"anyone","from":["192.0.2.0/24"]}])"}),
    left_to_loader({.key = "defaults",
                    .doc = "Service keys for services that do not say, each key as a whole.",
                    .example = R"({"limits":{"body":"10MiB"}})"},
                   defaults_object),
    left_to_loader({.key = "services", .doc = "Services by name, for a gate of one file."},
                   [](SchemaBook& book) {
                     return fmt::format(R"({{"type":"object","additionalProperties":{}}})",
                                        service_reference(book));
                   }),
    left_to_loader({.key = "environments", .doc = "Environments by name, for a gate of one file."},
                   [](SchemaBook&) {
                     return fmt::format(R"({{"type":"object","additionalProperties":{}}})",
                                        environment_schema());
                   }),
};
constexpr Record kGateRecord = {
    "gate", "gatehouse.yaml",
    "A gate: where clients connect, who vouches for them, and what holds for every service.", kGateFields};

}  // namespace

void decode_gate(Decoder& decoder, const Node& root, GateSettings& out) {
  if (root.is_null())
    return decoder.error(root, "the file is empty",
                         "a gate needs at least `listen: [{ address: \":8080\" }]`");
  decode_record(decoder, root, kGateRecord, &out);
  const Node* listen = root.find("listen");
  for (size_t i = 0; i < out.listeners.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const Address& address = out.listeners[i].address;
      bool chosen_by_system = address.unix_path.empty() && address.port == 0;
      if (chosen_by_system || !(address == out.listeners[j].address) || listen->kind != Node::Kind::list)
        continue;
      Decoder::At at(decoder, "listen");
      Decoder::At at_index(decoder, i);
      decoder.error(listen->items[i],
                    fmt::format("the listener on line {} has the same address, `{}`",
                                out.listeners[j].source.line, address.text()),
                    "keep one of them");
      break;
    }
  }
}

std::string gate_object(SchemaBook& book) { return book.object(kGateRecord); }

}  // namespace config
