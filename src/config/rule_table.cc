// Rules: who may or may not do what.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"
#include "http/grpc_method.h"

namespace config {
namespace {

constexpr size_t kRuleNameBytesMax = 120;

using auth::ClaimSpec;
using auth::Effect;
using auth::OnSpec;
using auth::RuleSpec;
using auth::WhoSpec;

// --- Who ---

// A login is asked for at most this long after; shorter than a second nobody can.
constexpr auto& kLoginAge = kOptionalDuration<1000, 30LL * 24 * 60 * 60 * 1000>;

enum class Role : uint8_t { allow, deny, exception };

void decode_who(Decoder& decoder, const Node& node, Role role, WhoSpec& out);
std::string who_schema(SchemaBook& book);

template <Role kRole>
constexpr Kind<WhoSpec> kWho = {
    [](Decoder& decoder, const Node& node, WhoSpec& out) { decode_who(decoder, node, kRole, out); },
    who_schema};

constexpr Kind<std::unique_ptr<WhoSpec>> kException = {
    [](Decoder& decoder, const Node& node, std::unique_ptr<WhoSpec>& out) {
      out = std::make_unique<WhoSpec>();
      decode_who(decoder, node, Role::exception, *out);
    },
    who_schema};

constexpr Field kWhoFields[] = {
    field<&WhoSpec::anyone, kBoolean>(
        {.key = "anyone",
         .doc = "Also without a credential. Stands alone; `allow: anyone` is the short form."}),
    field<&WhoSpec::authenticated, kBoolean>(
        {.key = "authenticated",
         .doc = "Any valid credential of any provider; `allow: authenticated` is the short form."}),
    field<&WhoSpec::providers, kSome<kProviderName>>(
        {.key = "provider",
         .doc = "Vouched for by this provider, or any one of these.",
         .example = "\"partners\""}),
    field<&WhoSpec::subjects, kSome<kText>>(
        {.key = "subjects", .doc = "The caller is any one of these.", .example = "[\"alice\"]"}),
    field<&WhoSpec::groups, kSome<kText>>(
        {.key = "groups", .doc = "The caller is in any one of these groups.", .example = "[\"support\"]"}),
    field<&WhoSpec::scopes, kSome<kScope>>({.key = "scopes",
                                            .doc = "The credential carries all of these scopes.",
                                            .example = "[\"orders:read\"]"}),
    field<&WhoSpec::claims, kClaims>(
        {.key = "claims",
         .doc = "The token's claims are these: an exact value, or any one of a list; nested claims by dotted "
                "name.",
         .example = R"({"tenant":"acme","realm_access.roles":["admin","owner"]})"}),
    field<&WhoSpec::acr, kSome<kLoginWord>>(
        {.key = "acr",
         .doc = "The caller's login was of any one of these strengths; one that names none was of none.",
         .example = "[\"urn:example:mfa\"]"}),
    field<&WhoSpec::amr, kSome<kLoginWord>>(
        {.key = "amr",
         .doc = "The caller's login was by all of these methods; one that names none was by none.",
         .example = "[\"mfa\"]"}),
    field<&WhoSpec::max_age, kLoginAge>(
        {.key = "max_age",
         .doc = "The caller logged in at most so long ago; a token that does not say when is too old.",
         .example = "\"15m\""}),
    field<&WhoSpec::none_of, kException>(
        {.key = "not", .doc = "And this does not hold.", .example = R"({"groups":["blocked"]})"}),
};
constexpr Record kWhoRecord = {"who", "a condition on the caller",
                               "A condition on the caller. All keys hold together; groups and subjects need "
                               "any one of their list, scopes all.",
                               kWhoFields};

bool decode_who_word(Decoder& decoder, const Node& node, Role role, WhoSpec& out) {
  constexpr std::string_view kWords[] = {"anyone", "authenticated"};
  if (node.text == kWords[0]) {
    out.anyone = true;
  } else if (node.text == kWords[1]) {
    out.authenticated = true;
  } else {
    constexpr std::string_view kEverybody[] = {"everyone", "everybody", "anybody", "all",
                                               "public",   "any",       "*"};
    bool everybody =
        std::find(std::begin(kEverybody), std::end(kEverybody), node.text) != std::end(kEverybody);
    std::string_view nearest = everybody ? kWords[0] : base::nearest_word(node.text, kWords);
    decoder.error(
        node,
        fmt::format("must be `anyone`, `authenticated` or a map, and this is {}", decoder.described(node)),
        nearest.empty() ? "write for example `{ provider: NAME, scopes: [a] }`"
                        : fmt::format("did you mean `{}`?", nearest));
    return false;
  }
  if (role == Role::exception && out.anyone) {
    decoder.error(node, "`not: anyone` leaves nobody",
                  "name whom to leave out, such as `not: { groups: [blocked] }`");
  }
  return true;
}

void report_empty_who(Decoder& decoder, const Node& node, Role role) {
  switch (role) {
    case Role::allow:
      return decoder.error(node, "an `allow` without a condition would let everybody in",
                           "write `allow: anyone` if that is meant, or name who: `{ provider: NAME }`");
    case Role::deny:
      return decoder.error(node, "a `deny` without a condition would keep everybody out",
                           "write `deny: anyone` if that is meant, or name who: `{ groups: [NAME] }`");
    case Role::exception:
      return decoder.error(node, "a `not` without a condition means nothing",
                           "name whom to leave out, or remove it");
  }
}

void decode_who(Decoder& decoder, const Node& node, Role role, WhoSpec& out) {
  if (node.kind == Node::Kind::scalar) {
    decode_who_word(decoder, node, role, out);
    return;
  }
  if (node.kind == Node::Kind::list) {
    return decoder.error(node, "must be `anyone`, `authenticated` or a map, and this is a list",
                         "several rules are alternatives; within one, write `{ groups: [a, b] }`");
  }
  size_t errors = decoder.errors();
  decode_record(decoder, node, kWhoRecord, &out);
  if (node.kind != Node::Kind::map || decoder.errors() != errors) return;

  bool except = node.find("not") != nullptr;
  // By key, not by what was decoded: a value that is not at hand during a check decodes to nothing.
  bool other = false;
  for (const char* key : {"provider", "subjects", "groups", "scopes", "claims", "acr", "amr", "max_age"})
    other |= node.find(key) != nullptr;
  bool positive = other || out.authenticated;
  if (!positive && !out.anyone && !except) return report_empty_who(decoder, node, role);
  if (out.anyone && positive) {
    return decoder.error(node, "`anyone` stands beside a condition that not everyone meets",
                         "keep one of them: several keys hold together");
  }
  if (role == Role::exception && out.anyone) {
    return decoder.error(node, "`not: anyone` leaves nobody", "name whom to leave out");
  }
  if (const Node* age = node.find("max_age"); role == Role::deny && age != nullptr) {
    return decoder.error(*age, "a `deny` with `max_age` keeps out those who have just logged in",
                         "write `not: { max_age: ... }` for everybody else, or put it into an `allow`");
  }
  if (role == Role::exception && except) {
    return decoder.error(node, "a `not` stands within a `not`",
                         "write the inner condition without `not`, beside the outer one");
  }
  if (role == Role::allow && except && !positive) {
    decoder.error(node, "whoever `not` leaves out would get in by sending no credential",
                  "add whom to let in: `authenticated: true`, or a provider, groups or scopes");
  }
}

std::string who_schema(SchemaBook& book) {
  return fmt::format(
      R"({{"anyOf":[{{"enum":["anyone","authenticated"]}},{{"allOf":[{},{{"minProperties":1}}]}}]}})",
      book.reference(kWhoRecord));
}

// --- On ---

// grpc package.Service/Method
void decode_grpc_on(Decoder& decoder, const Node& node, std::string_view name, OnSpec& out) {
  auto path = http::grpc_path_pattern(name);
  if (!path) {
    return decoder.error(
        node, fmt::format("{} does not name a gRPC method: {}", decoder.quoted(node), path.error()),
        "write `grpc package.Service/Method`, or `grpc package.Service` for all of its methods");
  }
  out.form = auth::OnForm::grpc;
  out.methods = {"POST"};
  out.path = std::move(*path);
}

void decode_on(Decoder& decoder, const Node& node, OnSpec& out) {
  constexpr std::string_view kForm =
      "write `METHOD PATH`, such as `GET /orders/**`, `GET,HEAD /orders` or `* /orders`";
  out.source = decoder.source(node);
  auto text = read_text(decoder, node, "`METHOD PATH`");
  if (!text) return;
  std::string_view word = text->substr(0, text->find(' '));
  if (base::equals_ignoring_case(word, "grpc")) {
    std::string_view name = base::trim(text->substr(word.size()));
    if (word == "grpc") return decode_grpc_on(decoder, node, name, out);
    return decoder.error(node, fmt::format("`{}` is not a method", word),
                         fmt::format("did you mean `grpc {}`?", name));
  }
  size_t slash = text->find('/');
  std::string_view methods = base::trim(text->substr(0, slash));
  if (slash == text->npos) {
    return decoder.error(node, fmt::format("{} has no path", decoder.quoted(node)), std::string(kForm));
  }
  std::string_view path = base::trim(text->substr(slash));
  if (methods.empty()) {
    return decoder.error(node, fmt::format("{} has no method", decoder.quoted(node)),
                         fmt::format("did you mean `* {}`?", path));
  }
  if (path.find(' ') != path.npos) {
    return decoder.error(node, fmt::format("{} has more than a method and a path", decoder.quoted(node)),
                         std::string(kForm));
  }
  if (methods != "*") {
    while (auto method = base::take_list_element(methods)) {
      if (*method == "*") {
        return decoder.error(node, "`*` is every method, and stands alone",
                             fmt::format("write `* {}`", path));
      }
      if (!check_method(decoder, node, *method)) return;
      out.methods.emplace_back(*method);
    }
  }
  if (check_path_pattern(decoder, node, path)) out.path = path;
}

constexpr Kind<OnSpec> kOn = {
    decode_on, [](SchemaBook&) {
      return text_schema_with(
          R"("pattern":"^((\\*|[A-Z-]+( *, *[A-Z-]+)*) +/[^ ?#]*|grpc +[A-Za-z_][^ ?#{}]*)$","examples":["GET /orders/**","GET,HEAD /orders","* /orders","grpc shop.Orders/Get"])");
    }};

// --- Rules ---

void decode_rule_name(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "a name");
  if (!text) return;
  bool printable = std::all_of(text->begin(), text->end(),
                               [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  if (!printable || text->find('"') != text->npos || text->size() > kRuleNameBytesMax) {
    return decoder.error(
        node, fmt::format("{} cannot be the name of a rule", decoder.quoted(node)),
        fmt::format("a name is one line of at most {} bytes without `\"`", kRuleNameBytesMax));
  }
  out = *text;
}
constexpr Kind<std::string> kRuleName = {decode_rule_name, text_schema};

// A rule as its keys stand, before allow and deny become one effect.
struct RuleKeys {
  std::string name;
  WhoSpec allow;
  WhoSpec deny;
  std::vector<OnSpec> on;
  std::vector<base::Network> from;
  bool observe = false;
};

constexpr Field kRuleFields[] = {
    field<&RuleKeys::name, kRuleName>(
        {.key = "name",
         .doc = "What the rule is called in records and tests; otherwise its place, such as `orders#2`.",
         .example = "\"partners read\""}),
    field<&RuleKeys::allow, kWho<Role::allow>>(
        {.key = "allow",
         .doc = "Whom the rule lets in. Either this or `deny`.",
         .example = R"({"provider":"partners","scopes":["orders:read"]})"}),
    field<&RuleKeys::deny, kWho<Role::deny>>({.key = "deny",
                                              .doc = "Whom the rule keeps out, whatever other rules allow.",
                                              .example = R"({"groups":["blocked"]})"}),
    field<&RuleKeys::on, kSome<kOn>>(
        {.key = "on",
         .doc = "`METHOD PATH` or `grpc package.Service/Method`, or several; without it the "
                "whole service.",
         .example = "\"GET /orders/**\""}),
    field<&RuleKeys::from, kSome<kNetwork>>({.key = "from",
                                             .doc = "The client's address is in any one of these networks.",
                                             .example = "[\"10.0.0.0/8\"]"}),
    field<&RuleKeys::observe, kBoolean>(
        {.key = "observe",
         .doc = "Only record what the rule would have decided; enforce nothing.",
         .fallback = "false"}),
};
constexpr Record kRuleRecord = {
    "rule", "a rule",
    "Who may, or may not, do what. No order; a deny wins over every allow; no match denies.", kRuleFields};

void decode_rule(Decoder& decoder, const Node& node, RuleSpec& out) {
  RuleKeys keys;
  out.source = decoder.source(node);
  decode_record(decoder, node, kRuleRecord, &keys);
  if (node.kind != Node::Kind::map) return;
  bool allows = node.find("allow") != nullptr;
  bool denies = node.find("deny") != nullptr;
  if (allows && denies) {
    decoder.error(node, "a rule has both `allow` and `deny`", "split it into two rules");
  } else if (!allows && !denies) {
    bool misspelt = false;  // already reported with the nearest key
    for (size_t i = 0; i < node.items.size(); i += 2)
      misspelt |= kRuleRecord.find(node.items[i].text) == nullptr;
    if (!misspelt)
      decoder.error(node, "a rule needs `allow` or `deny`",
                    "write whom it lets in, such as `allow: authenticated`");
  }
  out.name = std::move(keys.name);
  out.effect = denies ? Effect::deny : Effect::allow;
  out.who = std::move(denies ? keys.deny : keys.allow);
  out.on = std::move(keys.on);
  out.from = std::move(keys.from);
  out.observe = keys.observe;
}

std::string rule_reference(SchemaBook& book) {
  return fmt::format(R"({{"allOf":[{},{{"oneOf":[{{"required":["allow"]}},{{"required":["deny"]}}]}}]}})",
                     book.reference(kRuleRecord));
}

template <class Check>
void decode_rule_list(Decoder& decoder, const Node& node, std::vector<RuleSpec>& out, Check check) {
  std::map<std::string, int, std::less<>> lines;
  std::span<const Node> items = list_items(decoder, node, Empty::allowed);
  out.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].refused) continue;
    Decoder::At at(decoder, i);
    RuleSpec rule;
    decode_rule(decoder, items[i], rule);
    check(items[i], rule);
    if (rule.name.empty()) rule.name = fmt::format("{}#{}", decoder.known.service, i + 1);
    auto [first, is_new] = lines.try_emplace(rule.name, rule.source.line);
    if (!is_new) {
      const Node* name = items[i].find("name");
      decoder.error(name ? *name : items[i],
                    fmt::format("the rule on line {} is called `{}` too", first->second, rule.name),
                    "give each rule of a service its own name");
    }
    out.push_back(std::move(rule));
  }
}

void append_claims(Decoder& decoder, const Node& node, const std::string& prefix,
                   std::vector<ClaimSpec>& out) {
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const Node& key = node.items[i];
    const Node& value = node.items[i + 1];
    Decoder::At at(decoder, key.text);
    if (key.text.empty() || key.text.starts_with('.') || key.text.ends_with('.') ||
        key.text.find("..") != key.text.npos) {
      decoder.error(key, "a claim's name has an empty part", "write `name` or `outer.inner`");
      continue;
    }
    std::string path = prefix.empty() ? key.text : prefix + "." + key.text;
    if (value.kind == Node::Kind::map && !value.items.empty()) {
      append_claims(decoder, value, path, out);
      continue;
    }
    ClaimSpec claim{.path = std::move(path), .values = {}, .source = decoder.source(key)};
    constexpr static Kind<std::string> kScalar = {
        [](Decoder& decoder, const Node& node, std::string& out) {
          if (node.kind != Node::Kind::scalar || node.is_null()) {
            return decoder.error(node, fmt::format("must be a text, a number or a boolean, and this is {}",
                                                   decoder.described(node)));
          }
          out = node.text;
        },
        text_schema};
    decoder.decode(kSome<kScalar>, value, claim.values);
    out.push_back(std::move(claim));
  }
}

}  // namespace

void decode_rules(Decoder& decoder, const Node& node, std::vector<RuleSpec>& out) {
  decode_rule_list(decoder, node, out, [](const Node&, const RuleSpec&) {});
}

void decode_denials(Decoder& decoder, const Node& node, std::vector<RuleSpec>& out) {
  decode_rule_list(decoder, node, out, [&](const Node& item, const RuleSpec& rule) {
    if (rule.effect != Effect::allow || !item.find("allow")) return;
    decoder.error(item, "the gate's own rules only deny, because only a service's own file can let anyone in",
                  "write `deny`, or move the rule to the service");
  });
}

std::string rules_schema(SchemaBook& book) { return list_schema(rule_reference(book), Empty::allowed); }

std::string denials_schema(SchemaBook& book) {
  std::string denial =
      fmt::format(R"({{"allOf":[{},{{"required":["deny"],"not":{{"required":["allow"]}}}}]}})",
                  book.reference(kRuleRecord));
  return list_schema(denial, Empty::allowed);
}

void decode_claims(Decoder& decoder, const Node& node, std::vector<ClaimSpec>& out) {
  if (node.kind != Node::Kind::map || node.items.empty()) {
    return decoder.error(node,
                         fmt::format("must be a map of claims, and this is {}",
                                     node.kind == Node::Kind::map ? "empty" : decoder.described(node)),
                         "write `{ tenant: acme }`");
  }
  append_claims(decoder, node, {}, out);
}

std::string claims_schema(SchemaBook&) {
  return R"({"type":"object","minProperties":1,"additionalProperties":{"type":["string","number","boolean","array","object"]}})";
}

namespace {

// What can stand in a challenge among several (RFC 6749 §3.3, RFC 6750 §3).
void decode_challenge_word(Decoder& decoder, const Node& node, std::string_view noun, std::string& out) {
  auto text = read_text(decoder, node, noun);
  if (!text) return;
  if (text->find(' ') != text->npos) {
    return decoder.error(node, fmt::format("{} has a space, and {} has none", decoder.quoted(node), noun),
                         "write a list: `[a, b]`");
  }
  bool allowed = std::all_of(text->begin(), text->end(),
                             [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\'; });
  if (!allowed) {
    return decoder.error(node,
                         fmt::format("{} has a character that {} does not have", decoder.quoted(node), noun));
  }
  out = *text;
}

}  // namespace

void decode_scope(Decoder& decoder, const Node& node, std::string& out) {
  decode_challenge_word(decoder, node, "a scope", out);
}

void decode_login_word(Decoder& decoder, const Node& node, std::string& out) {
  decode_challenge_word(decoder, node, "a word", out);
}

std::string scope_schema(SchemaBook&) { return text_schema_with(R"("pattern":"^[!#-\\[\\]-~]+$")"); }

void decode_provider_name(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "the name of a provider");
  if (!text) return;
  const auto& known = decoder.known.providers;
  if (std::ranges::find(known, *text, &KnownProvider::name) != known.end()) {
    out = *text;
    return;
  }
  std::vector<std::string_view> names;
  for (const KnownProvider& provider : known) names.push_back(provider.name);
  std::string hint = "gatehouse.yaml has no providers";
  if (!names.empty()) {
    std::string_view nearest = base::nearest_word(*text, names);
    hint = nearest.empty() ? "the providers are" : fmt::format("did you mean `{}`?", nearest);
    for (size_t i = 0; nearest.empty() && i < names.size(); ++i)
      hint += fmt::format("{} `{}`", i == 0 ? "" : ",", names[i]);
  }
  decoder.error(node, fmt::format("{} is not a provider", decoder.quoted(node)), hint);
}

std::string provider_name_schema(SchemaBook&) { return text_schema_with(R"("minLength":1)"); }

}  // namespace config
