// Header names and values in a service's file: which may be set or matched, and which belong to the gate.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

using http::HeaderId;
using http::HeaderIdSet;

// RFC 9110 §7.6.1 and the framing of RFC 9112 §6: they belong to one connection.
constexpr HeaderIdSet kConnectionHeaders =
    HeaderIdSet::of(HeaderId::connection, HeaderId::content_length, HeaderId::expect, HeaderId::keep_alive,
                    HeaderId::proxy_authenticate, HeaderId::proxy_authorization, HeaderId::proxy_connection,
                    HeaderId::te, HeaderId::trailer, HeaderId::transfer_encoding, HeaderId::upgrade);
// What the gate says about the caller: a rule that wrote these would be believed.
constexpr HeaderIdSet kIdentityHeaders =
    HeaderIdSet::of(HeaderId::client_cert, HeaderId::client_cert_chain, HeaderId::gatehouse_identity,
                    HeaderId::x_forwarded_email, HeaderId::x_forwarded_groups,
                    HeaderId::x_forwarded_preferred_username, HeaderId::x_forwarded_user);
// What the gate says about the request.
constexpr HeaderIdSet kForwardingHeaders =
    HeaderIdSet::of(HeaderId::forwarded, HeaderId::traceparent, HeaderId::tracestate, HeaderId::via,
                    HeaderId::x_forwarded_for, HeaderId::x_forwarded_host, HeaderId::x_forwarded_port,
                    HeaderId::x_forwarded_prefix, HeaderId::x_forwarded_proto, HeaderId::x_real_ip,
                    HeaderId::x_request_id, HeaderId::gatehouse_debug);

// `_` is refused on the wire, and so here.
bool check_name(Decoder& decoder, const Node& node, std::string_view name) {
  if (!is_token(name)) {
    decoder.error(node, fmt::format("`{}` is not the name of a header", name.substr(0, 80)));
    return false;
  }
  if (name.find('_') != name.npos) {
    std::string dashed(name);
    std::replace(dashed.begin(), dashed.end(), '_', '-');
    decoder.error(node, fmt::format("`{}` has an underscore, which header names do not have here", name),
                  fmt::format("did you mean `{}`?", dashed));
    return false;
  }
  return true;
}

enum class Side : uint8_t { request, response };

template <Side kSide>
bool check_changeable(Decoder& decoder, const Node& node, std::string_view name) {
  if (!check_name(decoder, node, name)) return false;
  HeaderId id = http::find_header_id(name);
  if (kConnectionHeaders.test(id)) {
    decoder.error(node, fmt::format("`{}` belongs to the connection, and the gate sets it itself", name),
                  "remove it");
  } else if (id == HeaderId::host) {
    decoder.error(node, "`Host` is not changed here",
                  "write `forward: { host: preserve }` or `forward: { host: backend }`");
  } else if (kSide == Side::request && kIdentityHeaders.test(id)) {
    decoder.error(node, fmt::format("`{}` says who the caller is, and only the gate writes it", name),
                  "use another name, or `identity: { headers: [...] }` in gatehouse.yaml");
  } else if (kSide == Side::request && kForwardingHeaders.test(id)) {
    decoder.error(node,
                  fmt::format("`{}` says where the request came from, and only the gate writes it", name),
                  "use another name");
  } else if (kSide == Side::response && (id == HeaderId::proxy_status || id == HeaderId::x_request_id)) {
    decoder.error(node, fmt::format("`{}` is written by the gate", name), "use another name");
  } else {
    return true;
  }
  return false;
}

// RFC 9110 §5.5: visible characters, spaces and tabs; a line break would begin another header.
void decode_value(Decoder& decoder, const Node& node, std::string& out) {
  if (node.kind == Node::Kind::scalar && node.typing == Node::Typing::quoted && node.text.empty()) {
    out.clear();
    return;
  }
  auto text = read_text(decoder, node, "the value of a header");
  if (!text) return;
  bool allowed = std::all_of(text->begin(), text->end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  });
  if (!allowed)
    return decoder.error(node,
                         fmt::format("{} has a control character or a line break", decoder.quoted(node)),
                         "write one line");
  out = *text;
}
constexpr Kind<std::string> kHeaderValueText = {decode_value,
                                                [](SchemaBook&) { return text_schema_with(""); }};

using NameCheck = bool (*)(Decoder&, const Node&, std::string_view);

void decode_values(Decoder& decoder, const Node& node, NameCheck check, std::vector<HeaderValue>& out) {
  if (node.kind != Node::Kind::map) {
    return decoder.error(
        node, fmt::format("must be a map of header names to values, and this is {}", decoder.described(node)),
        "write `{ X-Name: \"value\" }`");
  }
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    Decoder::At at(decoder, node.items[i].text);
    HeaderValue header{.name = node.items[i].text, .value = {}};
    bool known = check(decoder, node.items[i], header.name);
    decoder.decode(kHeaderValueText, node.items[i + 1], header.value);
    bool twice = std::any_of(out.begin(), out.end(), [&](const HeaderValue& h) {
      return base::equals_ignoring_case(h.name, header.name);
    });
    if (twice)
      decoder.error(node.items[i], fmt::format("`{}` is written twice, in another case", header.name),
                    "keep one of them");
    if (known) out.push_back(std::move(header));
  }
}

template <Side kSide>
constexpr Kind<std::vector<HeaderValue>> kChanges = {
    [](Decoder& decoder, const Node& node, std::vector<HeaderValue>& out) {
      decode_values(decoder, node, check_changeable<kSide>, out);
    },
    header_values_schema};

template <Side kSide>
constexpr Kind<std::string> kRemovedName = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      auto text = read_text(decoder, node, "the name of a header");
      if (text && check_changeable<kSide>(decoder, node, *text)) out = *text;
    },
    [](SchemaBook&) { return text_schema_with(R"("pattern":"^[^ :_]+$")"); }};

template <Side kSide>
constexpr Field kChangeFields[] = {
    field<&HeaderChanges::set, kChanges<kSide>>({.key = "set",
                                                 .doc = "Headers to set, replacing those of the same name.",
                                                 .example = R"({"X-Team":"orders"})"}),
    field<&HeaderChanges::add, kChanges<kSide>>(
        {.key = "add", .doc = "Headers to add to those that are there.", .example = R"({"Vary":"Origin"})"}),
    field<&HeaderChanges::remove, kSome<kRemovedName<kSide>>>(
        {.key = "remove",
         .doc = "Names of headers to remove, before the others are set.",
         .example = R"(["X-Debug"])"}),
};
constexpr Record kRequestRecord = {"request_headers", "the changes of request headers",
                                   "Changes of the headers a backend gets.", kChangeFields<Side::request>};
constexpr Record kResponseRecord = {"response_headers", "the changes of response headers",
                                    "Changes of the headers a client gets.", kChangeFields<Side::response>};

constexpr Field kHeaderFields[] = {
    field<&HeaderSettings::request, kRecordOf<HeaderChanges, kRequestRecord>>(
        {.key = "request", .doc = "Towards the backend."}),
    field<&HeaderSettings::response, kRecordOf<HeaderChanges, kResponseRecord>>(
        {.key = "response", .doc = "Towards the client."}),
};
constexpr Record kHeaderRecord = {"headers", "the changes of headers",
                                  "Headers to set, add or remove on the way through.", kHeaderFields};

bool check_matchable(Decoder& decoder, const Node& node, std::string_view name) {
  if (!check_name(decoder, node, name)) return false;
  HeaderId id = http::find_header_id(name);
  if (id == HeaderId::user_agent) {
    decoder.error(node, "`User-Agent` is whatever a client says, and nothing is decided on it",
                  "match on another header, the host or the path");
  } else if (id == HeaderId::host) {
    decoder.error(node, "the host is not matched as a header", "write `host:` beside `headers:`");
  } else if (id == HeaderId::authorization || id == HeaderId::x_api_key || id == HeaderId::cookie) {
    decoder.error(node, fmt::format("`{}` carries a credential, and providers read those", name),
                  "say who may call under `access:`");
  } else if (kIdentityHeaders.test(id) || kForwardingHeaders.test(id)) {
    decoder.error(node,
                  fmt::format("`{}` is written by the gate, and what a client sends in it is dropped", name),
                  "match on another header");
  } else if (kConnectionHeaders.test(id)) {
    decoder.error(node, fmt::format("`{}` belongs to the connection, and is not matched", name),
                  "match on another header");
  } else {
    return true;
  }
  return false;
}

}  // namespace

void decode_header_values(Decoder& decoder, const Node& node, std::vector<HeaderValue>& out) {
  decode_values(decoder, node, check_name, out);
}

std::string header_values_schema(SchemaBook&) {
  return R"({"type":"object","propertyNames":{"pattern":"^[^ :_]+$"},"additionalProperties":{"type":"string"}})";
}

void decode_header_settings(Decoder& decoder, const Node& node, HeaderSettings& out) {
  decode_record(decoder, node, kHeaderRecord, &out);
}
std::string header_settings_schema(SchemaBook& book) { return book.reference(kHeaderRecord); }

void decode_header_conditions(Decoder& decoder, const Node& node, std::vector<HeaderCondition>& out) {
  if (node.kind != Node::Kind::map) {
    return decoder.error(
        node, fmt::format("must be a map of header names to values, and this is {}", decoder.described(node)),
        "write `{ X-Version: \"2\" }`, or `\"*\"` for any value");
  }
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const Node& key = node.items[i];
    Decoder::At at(decoder, key.text);
    HeaderCondition condition{.name = base::lowercase(key.text), .values = {}, .source = decoder.source(key)};
    bool known = check_matchable(decoder, key, key.text);
    decoder.decode(kSome<kHeaderValueText>, node.items[i + 1], condition.values);
    if (std::find(condition.values.begin(), condition.values.end(), "*") != condition.values.end())
      condition.values.clear();
    bool twice = std::any_of(out.begin(), out.end(),
                             [&](const HeaderCondition& c) { return c.name == condition.name; });
    if (twice)
      decoder.error(key, fmt::format("`{}` is written twice, in another case", key.text), "keep one of them");
    if (known) out.push_back(std::move(condition));
  }
}

std::string header_conditions_schema(SchemaBook&) {
  return R"({"type":"object","propertyNames":{"pattern":"^[^ :_]+$"},"additionalProperties":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"},"minItems":1}]}})";
}

}  // namespace config
