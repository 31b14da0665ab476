// What a service does with its callers' credentials beyond letting them in: the token its backend gets, which
// other sites' pages may use a session, and whether clients are told where tokens come from.
#include <fmt/core.h>

#include <algorithm>

#include "access/rules.h"
#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

const KnownProvider* find_provider(const Decoder& decoder, std::string_view name) {
  auto found = std::ranges::find(decoder.known.providers, name, &KnownProvider::name);
  return found == decoder.known.providers.end() ? nullptr : &*found;
}

// --- token ---

// Whose issuer gives the gate tokens.
constexpr Kind<std::string> kTokenProvider = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      std::string name;
      decode_provider_name(decoder, node, name);
      const KnownProvider* provider = find_provider(decoder, name);
      if (provider == nullptr || provider->mechanism.empty()) return;  // reported
      if (provider->mechanism != "oidc") {
        return decoder.error(node,
                             fmt::format("{} has no issuer that gives tokens: it is `{}`",
                                         decoder.quoted(node), provider->mechanism),
                             "name an `oidc` provider");
      }
      if (!provider->has_secret) {
        return decoder.error(
            node, fmt::format("the gate cannot show itself at the issuer of {}", decoder.quoted(node)),
            "give the provider its `client_secret`");
      }
      out = std::move(name);
    },
    provider_name_schema};

constexpr Field kCallerTokenFields[] = {
    field<&TokenSettings::audience, kText>({.key = "audience",
                                            .doc = "What the caller's token must be for.",
                                            .need = Need::required,
                                            .example = "\"orders\""}),
};
constexpr Record kCallerTokenRecord = {"caller_token", "`caller`",
                                       "The caller's own token, where its `aud` has the audience.",
                                       kCallerTokenFields};

constexpr Field kProviderField = field<&TokenSettings::provider, kTokenProvider>(
    {.key = "provider",
     .doc = "The `oidc` provider whose issuer gives the token.",
     .need = Need::required,
     .example = "\"staff\""});
constexpr Field kAudienceField = field<&TokenSettings::audience, kText>(
    {.key = "audience", .doc = "What the token is for, by name.", .example = "\"orders\""});
constexpr Field kResourceField =
    field<&TokenSettings::resource, kResource>({.key = "resource",
                                                .doc = "What the token is for, by URI (RFC 8707).",
                                                .example = "\"https://orders.example\""});
constexpr Field kScopesField = field<&TokenSettings::scopes, kSome<kScope>>(
    {.key = "scopes", .doc = "What is asked for.", .example = "[\"orders:read\"]"});

constexpr Field kExchangeFields[] = {kProviderField, kAudienceField, kResourceField, kScopesField};
constexpr Record kExchangeRecord = {"exchanged_token", "`exchange`",
                                    "A token for this backend, got for the caller's own (RFC 8693).",
                                    kExchangeFields};
constexpr Field kOwnTokenFields[] = {kProviderField, kAudienceField, kResourceField, kScopesField};
constexpr Record kOwnTokenRecord = {"own_token", "`client_credentials`",
                                    "A token of the gate's own, the same for all callers (RFC 6749 §4.4).",
                                    kOwnTokenFields};

template <BackendToken kKind, const Record& kTable>
constexpr Field form_field(FieldText text) {
  return {.text = text,
          .decode =
              [](Decoder& decoder, const Node& node, void* record) {
                auto& token = *static_cast<TokenSettings*>(record);
                token.kind = kKind;
                decode_record(decoder, node, kTable, &token);
              },
          .schema = record_schema<kTable>};
}

constexpr Field kTokenFields[] = {
    form_field<BackendToken::caller, kCallerTokenRecord>(
        {.key = "caller",
         .doc = "The caller's own token, where it is for this audience too.",
         .example = R"({"audience":"orders"})"}),
    form_field<BackendToken::exchange, kExchangeRecord>(
        {.key = "exchange",
         .doc = "A token for this backend, got for the caller's own.",
         .example = R"({"provider":"staff","audience":"orders"})"}),
    form_field<BackendToken::client_credentials, kOwnTokenRecord>(
        {.key = "client_credentials",
         .doc = "A token of the gate's own, the same for all callers.",
         .example = R"({"provider":"staff","scopes":["orders"]})"}),
};
constexpr Record kTokenRecord = {"token", "`token`", "The token a backend gets: exactly one of the keys.",
                                 kTokenFields};

constexpr Word<BackendToken> kTokenWords[] = {{"none", BackendToken::none}};

// --- csrf ---

constexpr Kind<std::string> kCsrfOrigin = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      if (node.kind == Node::Kind::scalar && node.text == "*") {
        return decoder.error(node, "`*` is not an origin",
                             "name the origins whose pages may act for whoever is logged in");
      }
      decode_origin(decoder, node, out);
    },
    origin_schema};

constexpr Field kCsrfFields[] = {
    field<&CsrfSettings::origins, kSome<kCsrfOrigin>>(
        {.key = "origins",
         .doc =
             "Other origins whose pages may act for whoever is logged in; `https://*.example.com` is every "
             "host below.",
         .need = Need::required,
         .example = R"(["https://app.example.com"])"}),
};
constexpr Record kCsrfRecord = {"csrf", "`csrf`", "Other sites' pages that may use a session.", kCsrfFields};

constexpr Word<CrossSite> kCsrfWords[] = {{"on", CrossSite::refused}, {"off", CrossSite::allowed}};

// --- What these keys say together with others ---

bool can_be_met(const ServiceSettings& service, const KnownProvider& provider) {
  return std::ranges::any_of(service.access, [&](const auth::RuleSpec& rule) {
    return rule.effect == auth::Effect::allow && auth::can_meet(rule.who, provider.name);
  });
}

// By key, where it stands in the service itself: what comes from the defaults is not meant for each.
template <class IsOne>
void warn_without(Decoder& decoder, const Node* node, const char* key, const ServiceSettings& service,
                  IsOne is_one, const char* message, const char* hint) {
  if (!node || decoder.incomplete()) return;
  auto may_enter = [&](const KnownProvider& provider) {
    return is_one(provider) && can_be_met(service, provider);
  };
  if (std::ranges::any_of(decoder.known.providers, may_enter)) return;
  Decoder::At at(decoder, key);
  decoder.warning(*node, message, hint);
}

bool is_authorization(std::string_view name) { return base::equals_ignoring_case(name, "authorization"); }

void check_authorization(Decoder& decoder, const Node& body, const ServiceSettings& service) {
  const HeaderChanges& changes = service.headers.request;
  auto is_one = [](const HeaderValue& header) { return is_authorization(header.name); };
  if (std::ranges::none_of(changes.set, is_one) && std::ranges::none_of(changes.add, is_one)) return;
  const Node* token = body.find("token");
  Decoder::At at(decoder, "token");
  decoder.error(token ? *token : body,
                "the backend would get `Authorization` from `token` and from `headers`", "keep one of them");
}

}  // namespace

void decode_token(Decoder& decoder, const Node& node, TokenSettings& out) {
  out.source = decoder.source(node);
  if (node.kind == Node::Kind::scalar && node.text == "caller") {
    return decoder.error(node, "a caller's token goes only to a backend it was made for, and none is named",
                         "write `caller: { audience: NAME }`");
  }
  if (node.kind == Node::Kind::scalar) return OneOf<kTokenWords>::decode(decoder, node, out.kind);
  size_t errors = decoder.errors();
  decode_record(decoder, node, kTokenRecord, &out);
  if (decoder.errors() == errors && node.items.size() != 2)
    decoder.error(node, "a backend gets exactly one token",
                  "write one of `caller`, `exchange` and `client_credentials`");
}

std::string token_schema(SchemaBook& book) {
  return fmt::format(R"({{"anyOf":[{},{{"allOf":[{},{{"minProperties":1,"maxProperties":1}}]}}]}})",
                     OneOf<kTokenWords>::schema(book), book.reference(kTokenRecord));
}

void decode_csrf(Decoder& decoder, const Node& node, CsrfSettings& out) {
  if (node.kind != Node::Kind::scalar) return decode_record(decoder, node, kCsrfRecord, &out);
  OneOf<kCsrfWords>::decode(decoder, node, out.cross_site);
  if (out.cross_site == CrossSite::allowed) {
    decoder.warning(node, "every other site's pages may act for whoever is logged in",
                    "name the origins that may: `csrf: { origins: [...] }`");
  }
}

std::string csrf_schema(SchemaBook& book) {
  return fmt::format(R"({{"anyOf":[{},{}]}})", OneOf<kCsrfWords>::schema(book), book.reference(kCsrfRecord));
}

void check_callers(Decoder& decoder, const Node& body, const ServiceSettings& service) {
  if (decoder.errors() > 0 || !service.enabled) return;
  BackendToken kind = service.token.kind;
  if (kind != BackendToken::none) check_authorization(decoder, body, service);
  if (kind == BackendToken::caller || kind == BackendToken::exchange) {
    auto has_tokens = [](const KnownProvider& provider) {
      constexpr std::string_view kMechanisms[] = {"jwt", "oidc", "introspection"};
      return std::ranges::find(kMechanisms, provider.mechanism) != std::end(kMechanisms);
    };
    warn_without(decoder, body.find("token"), "token", service, has_tokens,
                 "nobody comes with a token: the rules let in no caller of a provider that has tokens",
                 "name a `jwt`, `oidc` or `introspection` provider under `access`");
  }
  auto logs_in = [](const KnownProvider& provider) { return provider.mechanism == "oidc"; };
  warn_without(decoder, body.find("csrf"), "csrf", service, logs_in,
               "nobody comes with a session: the rules let in no caller of an `oidc` provider",
               "remove it; other credentials are not sent by another site's page");
}

}  // namespace config
