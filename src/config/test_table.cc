// Access tests: one request each, with who sends it and what must come of it.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

constexpr std::string_view kShortForm =
    "write `METHOD PATH -> allow` or `-> deny`, with `by \"rule\"` behind it if wanted";

constexpr Field kCallerFields[] = {
    field<&CallerSpec::provider, kProviderName>({.key = "provider",
                                                 .doc = "Who vouches for the caller.",
                                                 .need = Need::required,
                                                 .example = "\"partners\""}),
    field<&CallerSpec::subject, kText>(
        {.key = "subject", .doc = "Who the caller is.", .example = "\"alice\""}),
    field<&CallerSpec::subject, kText>({.key = "sub", .doc = "Short for `subject`."}),
    field<&CallerSpec::groups, kSome<kText>>(
        {.key = "groups", .doc = "The caller's groups.", .example = "[\"support\"]"}),
    field<&CallerSpec::scopes, kSome<kScope>>(
        {.key = "scopes", .doc = "The credential's scopes.", .example = "[\"orders:read\"]"}),
    field<&CallerSpec::claims, kClaims>(
        {.key = "claims", .doc = "The token's other claims.", .example = R"({"tenant":"acme"})"}),
    field<&CallerSpec::acr, kLoginWord>(
        {.key = "acr", .doc = "The strength of the caller's login.", .example = "\"urn:example:mfa\""}),
    field<&CallerSpec::amr, kSome<kLoginWord>>(
        {.key = "amr", .doc = "The methods of the caller's login.", .example = "[\"pwd\",\"otp\"]"}),
    field<&CallerSpec::auth_age, kOptionalDuration<0, 365LL * 24 * 60 * 60 * 1000>>(
        {.key = "auth_age", .doc = "How long ago the caller logged in.", .example = "\"5m\""}),
};
constexpr Record kCallerRecord = {"caller", "a caller", "Whom an access test pretends to be.", kCallerFields};

constexpr Kind<std::optional<CallerSpec>> kCaller = {
    [](Decoder& decoder, const Node& node, std::optional<CallerSpec>& out) {
      decode_record(decoder, node, kCallerRecord, &out.emplace());
      if (node.find("sub") && node.find("subject"))
        decoder.error(node, "`sub` and `subject` are the same", "keep one of them");
    },
    record_schema<kCallerRecord>};

// METHOD PATH or METHOD URL.
void read_request(Decoder& decoder, const Node& node, std::string_view text, TestSpec& out) {
  size_t space = text.find(' ');
  std::string_view method = text.substr(0, space);
  std::string_view target = space == text.npos ? "" : base::trim(text.substr(space));
  if (target.empty() || target.find(' ') != target.npos) {
    return decoder.error(node, fmt::format("`{}` is not a request", text),
                         "write `GET /orders/7` or `GET https://api.example.com/orders/7`");
  }
  if (method.find('/') != method.npos || method == "*" || method.find(',') != method.npos) {
    return decoder.error(node, fmt::format("`{}` is not one method", method),
                         "a test sends one request, such as `GET /orders/7`");
  }
  if (!check_method(decoder, node, method)) return;
  if (size_t scheme_end = target.find("://"); scheme_end != target.npos && scheme_end < target.find('/')) {
    out.scheme = target.substr(0, scheme_end);
    target.remove_prefix(scheme_end + 3);
    size_t slash = std::min(target.find('/'), target.size());
    out.host = base::lowercase(target.substr(0, slash));
    target.remove_prefix(slash);
    if (target.empty()) target = "/";
    if ((out.scheme != "http" && out.scheme != "https") || out.host.empty()) {
      return decoder.error(node, fmt::format("`{}` has no URL that a gate serves", text),
                           "write `GET https://api.example.com/orders/7`");
    }
  }
  if (!target.starts_with('/')) {
    return decoder.error(node, fmt::format("the path of `{}` does not begin with `/`", text),
                         fmt::format("did you mean `{} /{}`?", method, target));
  }
  out.method = method;
  out.target = target;
}

// allow, deny, allow by "rule", deny by "rule".
void read_expectation(Decoder& decoder, const Node& node, std::string_view text, TestSpec& out) {
  std::string_view rest = base::trim(text);
  size_t word_end = std::min(rest.find_first_of(" \t"), rest.size());
  std::string_view word = rest.substr(0, word_end);
  rest = base::trim(rest.substr(word_end));
  if (word != "allow" && word != "deny") {
    constexpr std::string_view kWords[] = {"allow", "deny"};
    std::string_view nearest = base::nearest_word(word, kWords);
    return decoder.error(
        node, fmt::format("`{}` is not what a test can expect", word),
        nearest.empty() ? "expect `allow` or `deny`" : fmt::format("did you mean `{}`?", nearest));
  }
  out.expect = word == "allow" ? auth::Effect::allow : auth::Effect::deny;
  if (rest.empty()) return;
  bool quoted = rest.starts_with("by ") && base::trim(rest.substr(3)).size() > 2;
  std::string_view name = quoted ? base::trim(rest.substr(3)) : std::string_view();
  if (!quoted || name.front() != '"' || name.find('"', 1) != name.size() - 1) {
    return decoder.error(node, fmt::format("`{}` is not understood behind `{}`", rest, word),
                         fmt::format("write `{} by \"name of the rule\"`", word));
  }
  out.by = name.substr(1, name.size() - 2);
}

constexpr Kind<TestSpec> kExpectation = {
    [](Decoder& decoder, const Node& node, TestSpec& out) {
      if (auto text = read_text(decoder, node, "`allow` or `deny`"))
        read_expectation(decoder, node, *text, out);
    },
    [](SchemaBook&) {
      return text_schema_with(
          R"("pattern":"^(allow|deny)( +by +\".+\")?$","examples":["allow","deny by \"no robots\""])");
    }};

constexpr Kind<TestSpec> kRequest = {
    [](Decoder& decoder, const Node& node, TestSpec& out) {
      auto text = read_text(decoder, node, "`METHOD PATH`");
      if (!text) return;
      read_request(decoder, node, *text, out);
      out.text = *text;
    },
    [](SchemaBook&) { return text_schema_with(R"("pattern":"^[A-Z-]+ +[^ ]+$")"); }};

// Both are read into the test itself, which holds their parts.
template <const Kind<TestSpec>& kPart>
constexpr Field part_field(FieldText text) {
  return {.text = text,
          .decode = [](Decoder& decoder, const Node& node,
                       void* test) { decoder.decode(kPart, node, *static_cast<TestSpec*>(test)); },
          .schema = kPart.schema};
}

constexpr Field kTestFields[] = {
    part_field<kRequest>({.key = "request",
                          .doc = "`METHOD PATH` or `METHOD URL`.",
                          .need = Need::required,
                          .example = "\"POST /orders/1\""}),
    part_field<kExpectation>({.key = "expect",
                              .doc = "`allow` or `deny`, and `by \"rule\"` to say which rule decides.",
                              .need = Need::required,
                              .example = "\"deny\""}),
    field<&TestSpec::caller, kCaller>({.key = "as",
                                       .doc = "The caller; without it the request carries no credential.",
                                       .example = R"({"provider":"partners","scopes":["orders:read"]})"}),
    field<&TestSpec::from, kIp>({.key = "from", .doc = "The client's address.", .example = "\"10.0.0.7\""}),
    field<&TestSpec::headers, kHeaderValues>(
        {.key = "headers", .doc = "Headers of the request.", .example = R"({"X-Version":"2"})"}),
};
constexpr Record kTestRecord = {"test", "a test", "One request, who sends it, and what must come of it.",
                                kTestFields};

}  // namespace

void decode_test(Decoder& decoder, const Node& node, TestSpec& out) {
  out.source = decoder.source(node);
  if (node.kind == Node::Kind::map) {
    decode_record(decoder, node, kTestRecord, &out);
    const Node* expect = node.find("expect");
    if (expect && !out.text.empty()) out.text += " -> " + expect->text;
    return;
  }
  auto text = read_text(decoder, node, "a test");
  if (!text) return;
  out.text = *text;
  size_t arrow = text->find("->");
  if (arrow == text->npos)
    return decoder.error(node, fmt::format("{} has no `->`", decoder.quoted(node)), std::string(kShortForm));
  read_request(decoder, node, base::trim(text->substr(0, arrow)), out);
  read_expectation(decoder, node, text->substr(arrow + 2), out);
}

std::string test_schema(SchemaBook& book) {
  return fmt::format(
      R"({{"anyOf":[{},{}]}})",
      text_schema_with(
          R"("pattern":"^[A-Z-]+ +[^ ]+ *-> *(allow|deny)( +by +\".+\")? *$","examples":["GET /orders/health -> allow by \"health is public\""])"),
      book.reference(kTestRecord));
}

}  // namespace config
