// Providers that the gate itself talks to: issuers where people log in, and those that are asked about a
// token. What the gate shows them is a secret, and so is what it gets, so none of it goes over clear text.
#include <fmt/core.h>

#include <algorithm>

#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

using auth::ClientAuth;
using auth::ClientSpec;
using auth::IntrospectionSpec;
using auth::OidcSpec;
using auth::Userinfo;

constexpr size_t kLabelBytesMax = 100;
constexpr std::string_view kOpenidScope = "openid";

// --- The gate as a client ---

// RFC 6749 appendix A.1
constexpr Kind<std::string> kClientId = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      auto text = read_text(decoder, node, "the id of a client");
      if (!text) return;
      if (!std::ranges::all_of(*text, [](char c) { return c >= 0x20 && c < 0x7F; })) {
        return decoder.error(
            node, fmt::format("{} has a character that client ids do not have", decoder.quoted(node)));
      }
      out = *text;
    },
    text_schema};

constexpr Word<ClientAuth> kClientAuthWords[] = {{"basic", ClientAuth::basic}, {"post", ClientAuth::post}};

template <auto kClient>
constexpr Field kClientIdField =
    inner_field<kClient, &ClientSpec::id, kClientId>({.key = "client_id",
                                                      .doc = "What the gate is called there.",
                                                      .need = Need::required,
                                                      .example = "\"gatehouse\""});
template <auto kClient>
constexpr Field kClientAuthField = inner_field<kClient, &ClientSpec::auth, kOneOf<kClientAuthWords>>(
    {.key = "client_auth",
     .doc = "How the gate shows itself: `basic` in a header, or `post` in the body.",
     .fallback = "\"basic\""});

// --- oidc ---

// Words for the issuer, such as `login consent`; which there are is its matter.
constexpr Kind<std::string> kPrompt = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      auto text = read_text(decoder, node, "a word for the issuer");
      if (!text) return;
      bool words = !text->starts_with(' ') && !text->ends_with(' ') &&
                   std::ranges::all_of(*text, [](char c) { return c == ' ' || is_token({&c, 1}); });
      if (!words) {
        return decoder.error(node, fmt::format("{} is not a word for the issuer", decoder.quoted(node)),
                             "write for example `consent`, `login` or `select_account`");
      }
      out = *text;
    },
    [](SchemaBook&) {
      return text_schema_with(
          R"("pattern":"^[^\\s\"\\\\]+( [^\\s\"\\\\]+)*$","examples":["consent","select_account"])");
    }};

constexpr Kind<std::string> kLabel = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      auto text = read_text(decoder, node, "a name for people");
      if (!text) return;
      bool printable = std::ranges::all_of(
          *text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
      if (!printable || text->size() > kLabelBytesMax) {
        return decoder.error(node, fmt::format("{} cannot be a label", decoder.quoted(node)),
                             fmt::format("a label is one line of at most {} bytes", kLabelBytesMax));
      }
      out = *text;
    },
    text_schema};

constexpr Word<Userinfo> kUserinfoWords[] = {{"off", Userinfo::off}, {"on", Userinfo::on}};

constexpr Field kOidcFields[] = {
    field<&OidcSpec::issuer, kIssuer>({.key = "issuer",
                                       .doc = "The issuer's URL, compared exactly; it describes itself at "
                                              "`/.well-known/openid-configuration` below it.",
                                       .need = Need::required,
                                       .example = "\"https://id.example\""}),
    kClientIdField<&OidcSpec::client>,
    inner_field<&OidcSpec::client, &ClientSpec::secret, kSecret>(
        {.key = "client_secret",
         .doc = "The gate's password there. Without it, the gate is a public client.",
         .example = "\"${staff_secret}\""}),
    kClientAuthField<&OidcSpec::client>,
    field<&OidcSpec::scopes, kSome<kScope>>(
        {.key = "scopes",
         .doc = "What is asked for at a log-in; `openid` always is. Without it: `openid profile email`, and "
                "`offline_access` where the issuer offers it.",
         .example = R"(["openid","email"])"}),
    field<&OidcSpec::algorithms, kSome<kAlgorithm>>(
        {.key = "algorithms",
         .doc = "The algorithms ID tokens and logout tokens may be signed with.",
         .fallback = R"(["RS256","PS256","ES256","EdDSA"])"}),
    field<&OidcSpec::clock_skew, kClockSkew>(
        {.key = "clock_skew", .doc = "How far clocks may differ, up to 5m.", .fallback = "\"30s\""}),
    field<&OidcSpec::userinfo, kOneOf<kUserinfoWords>>(
        {.key = "userinfo",
         .doc = "`on`: the issuer's userinfo is asked too, and its claims are added.",
         .fallback = "\"off\""}),
    field<&OidcSpec::resource, kResource>({.key = "resource",
                                           .doc = "What the tokens are for (RFC 8707).",
                                           .example = "\"https://api.example\""}),
    field<&OidcSpec::label, kLabel>(
        {.key = "label",
         .doc = "What the provider is called where a person chooses among several; otherwise its name.",
         .example = "\"Staff\""}),
    field<&OidcSpec::prompt, kPrompt>(
        {.key = "prompt",
         .doc = "What the issuer is to show at every log-in; passed on as it is.",
         .example = "\"consent\""}),
    kSubjectClaim<&OidcSpec::claims>,
    kGroupsClaim<&OidcSpec::claims>,
    kGroupsSeparator<&OidcSpec::claims>,
};
constexpr Record kOidcRecord = {"oidc", "`oidc`", "An issuer where people log in, with OpenID Connect.",
                                kOidcFields};

// --- introspection ---

constexpr Field kIntrospectionFields[] = {
    field<&IntrospectionSpec::url, kGuardedUrl>({.key = "url",
                                                 .doc = "Where the issuer is asked about a token (RFC 7662).",
                                                 .need = Need::required,
                                                 .example = "\"https://id.example/introspect\""}),
    kClientIdField<&IntrospectionSpec::client>,
    inner_field<&IntrospectionSpec::client, &ClientSpec::secret, kSecret>(
        {.key = "client_secret",
         .doc = "The gate's password there: nobody else may ask.",
         .need = Need::required,
         .example = "\"${legacy_secret}\""}),
    kClientAuthField<&IntrospectionSpec::client>,
    field<&IntrospectionSpec::issuer, kText>(
        {.key = "issuer",
         .doc = "Whose tokens these are: an answer has to name it as `iss`, a JWT of another is not shown "
                "there, and clients are told of it.",
         .example = "\"https://id.example\""}),
    field<&IntrospectionSpec::audience, kSome<kText>>({.key = "audience",
                                                       .doc = "A token's `aud` has any one of these.",
                                                       .need = Need::required,
                                                       .example = "[\"orders\"]"}),
    field<&IntrospectionSpec::cache, kDuration<0, 10 * 60 * 1000>>(
        {.key = "cache",
         .doc = "How long an answer is believed, up to 10m and never beyond the token's end; `0s` asks every "
                "time.",
         .fallback = "\"30s\""}),
    kSubjectClaim<&IntrospectionSpec::claims>,
    kScopesClaim<&IntrospectionSpec::claims>,
    kGroupsClaim<&IntrospectionSpec::claims>,
    kGroupsSeparator<&IntrospectionSpec::claims>,
    kSenderConstrained<&IntrospectionSpec::sender_constrained>,
};
constexpr Record kIntrospectionRecord = {"introspection", "`introspection`",
                                         "Tokens that only their issuer can read: it is asked about each.",
                                         kIntrospectionFields};

}  // namespace

void decode_oidc(Decoder& decoder, const Node& node, std::optional<OidcSpec>& out) {
  OidcSpec& spec = out.emplace();
  decode_record(decoder, node, kOidcRecord, &spec);
  using enum auth::Algorithm;
  if (spec.algorithms.empty()) spec.algorithms = {rs256, ps256, es256, eddsa};
  // Without it the issuer sends no ID token (Core §3.1.2.1), and nobody could be told apart.
  bool complete = spec.scopes.empty() || std::ranges::find(spec.scopes, kOpenidScope) != spec.scopes.end();
  if (!complete) spec.scopes.insert(spec.scopes.begin(), std::string(kOpenidScope));
}

std::string oidc_schema(SchemaBook& book) { return book.reference(kOidcRecord); }

void decode_introspection(Decoder& decoder, const Node& node, std::optional<IntrospectionSpec>& out) {
  decode_record(decoder, node, kIntrospectionRecord, &out.emplace());
}

std::string introspection_schema(SchemaBook& book) { return book.reference(kIntrospectionRecord); }

}  // namespace config
