// Providers: who vouches for callers. Key sets and API keys are named here; what the files hold is read by
// the loader and by control/.
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
  auto url = parse_web_url(*text);
  if (!url) {
    bool is_file = text->find("://") == text->npos && text->ends_with(".json");
    return decoder.error(node,
                         fmt::format("{} is not an URL that keys can be fetched from", decoder.quoted(node)),
                         is_file ? fmt::format("did you mean `{{ file: {} }}`?", *text)
                                 : "write `https://host/path`, or `{ file: PATH }`");
  }
  if (url->guard == WebUrl::Guard::none) {
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
  if (out.empty() || decoder.missing_files_ignored() || decoder.known.files->identify(out)) return;
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
    field<&JwtSpec::clock_skew, kClockSkew>(
        {.key = "clock_skew", .doc = "How far clocks may differ, up to 5m.", .fallback = "\"30s\""}),
    kSubjectClaim<&JwtSpec::claims>,
    kScopesClaim<&JwtSpec::claims>,
    kGroupsClaim<&JwtSpec::claims>,
    kGroupsSeparator<&JwtSpec::claims>,
    kSenderConstrained<&JwtSpec::sender_constrained>,
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
    field<&ProviderSpec::client_cert, kClientCert>(
        {.key = "client_cert",
         .doc = "Client certificates, which listeners with `tls: { client_cert: ... }` ask for.",
         .example = R"({"ca":"ca.pem"})"}),
    field<&ProviderSpec::oidc, kOidc>(
        {.key = "oidc", .doc = "People who log in at an issuer, with OpenID Connect."}),
    field<&ProviderSpec::introspection, kIntrospection>(
        {.key = "introspection", .doc = "Tokens that only their issuer can read: it is asked about each."}),
};
constexpr Record kProviderRecord = {"provider", "a provider",
                                    "Who vouches for callers: exactly one of the keys.", kProviderFields};

}  // namespace

void decode_algorithm(Decoder& decoder, const Node& node, auth::Algorithm& out) {
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
}

std::string algorithm_schema(SchemaBook&) { return words_schema(kAlgorithmNames); }

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
      decoder.error(key, "a provider has exactly one mechanism",
                    "write one of `api_keys`, `jwt`, `client_cert`, `oidc` and `introspection`");
    }
    out.push_back(std::move(provider));
  }
}

std::string providers_schema(SchemaBook& book) {
  return fmt::format(
      R"({{"type":"object","additionalProperties":{{"allOf":[{},{{"minProperties":1,"maxProperties":1}}]}}}})",
      book.reference(kProviderRecord));
}

}  // namespace config
