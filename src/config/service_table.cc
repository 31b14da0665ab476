// services/NAME.yaml: one service.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

constexpr uint64_t kHeadBytesMin = 1024;
constexpr uint64_t kHeadBytesMax = 64 * 1024;

// --- match ---

constexpr Field kMatchFields[] = {
    field<&MatchSettings::hosts, kSome<kHostPattern>>(
        {.key = "host",
         .doc = "One host or several; `*.example.com` is every host below. Without it, every host.",
         .example = "\"api.example.com\""}),
    field<&MatchSettings::path, kPathPattern>(
        {.key = "path",
         .doc = "This path and everything below it, by whole segments; `{id}` is any one segment.",
         .example = "\"/orders\"",
         .fallback = "\"/\""}),
    field<&MatchSettings::methods, kSome<kMethod>>({.key = "methods",
                                                    .doc = "One method or several. Without it, every method.",
                                                    .example = "[\"GET\",\"HEAD\"]"}),
    field<&MatchSettings::headers, kHeaderConditions>(
        {.key = "headers",
         .doc = "Headers with an exact value, any one of a list, or `*` for any value.",
         .example = R"({"X-Version":"2"})"}),
};
constexpr Record kMatchRecord = {"match", "a match", "A place of the address space. All keys hold together.",
                                 kMatchFields};

constexpr Kind<MatchSettings> kMatch = {[](Decoder& decoder, const Node& node, MatchSettings& out) {
                                          out.source = decoder.source(node);
                                          decode_record(decoder, node, kMatchRecord, &out);
                                        },
                                        record_schema<kMatchRecord>};

// --- forward ---

constexpr Word<BackendProtocol> kProtocolWords[] = {{"auto", BackendProtocol::automatic},
                                                    {"http1", BackendProtocol::http1},
                                                    {"http2", BackendProtocol::http2}};
constexpr Word<ClientCertSent> kClientCertWords[] = {{"off", ClientCertSent::off},
                                                     {"header", ClientCertSent::header}};
constexpr Word<ProxyProtocolSent> kProxyProtocolWords[] = {
    {"off", ProxyProtocolSent::off}, {"v1", ProxyProtocolSent::v1}, {"v2", ProxyProtocolSent::v2}};
constexpr Word<HostSent> kHostWords[] = {{"preserve", HostSent::preserve}, {"backend", HostSent::backend}};

void decode_prefix(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "a path");
  if (!text) return;
  std::string_view path = *text;
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path.find('{') != path.npos || path.find('*') != path.npos) {
    return decoder.error(
        node, fmt::format("{} is a pattern, and a prefix is stripped as it stands", decoder.quoted(node)),
        "write a plain path, such as `/orders`");
  }
  if (check_path_pattern(decoder, node, path) && path != "/") out = path;
}
constexpr Kind<std::string> kPrefix = {decode_prefix, path_schema};

constexpr Field kForwardFields[] = {
    field<&ForwardSettings::to, kSome<kBackendAddress>>(
        {.key = "to",
         .doc = "The backend's addresses: `host:port`, `https://host:port` for TLS, or `unix:/path`. Without "
                "it, the environment's value of the service's name.",
         .example = "\"127.0.0.1:9001\""}),
    field<&ForwardSettings::protocol, kOneOf<kProtocolWords>>(
        {.key = "protocol",
         .doc =
             "`auto`: over TLS what both sides speak, HTTP/2 first; in clear text HTTP/1.1, and HTTP/2 for "
             "gRPC. Or always `http1` or `http2`.",
         .fallback = "\"auto\""}),
    field<&ForwardSettings::tls, kBackendTls>(
        {.key = "tls", .doc = "How backends with `https://` are called.", .example = R"({"ca":"ca.pem"})"}),
    field<&ForwardSettings::client_cert, kOneOf<kClientCertWords>>(
        {.key = "client_cert",
         .doc = "`header`: the client's certificate goes to the backend as `Client-Cert` (RFC 9440).",
         .fallback = "\"off\""}),
    field<&ForwardSettings::proxy_protocol, kOneOf<kProxyProtocolWords>>(
        {.key = "proxy_protocol",
         .doc = "Tells the backend the client's address with a PROXY protocol header. Each connection to it "
                "then serves one client connection.",
         .fallback = "\"off\""}),
    field<&ForwardSettings::strip_prefix, kPrefix>(
        {.key = "strip_prefix",
         .doc = "Removed from the beginning of the path before it is sent on.",
         .example = "\"/orders\""}),
    field<&ForwardSettings::host, kOneOf<kHostWords>>(
        {.key = "host",
         .doc = "The Host header sent: the client's, or the backend's own address.",
         .fallback = "\"preserve\""}),
    field<&ForwardSettings::connect_timeout, kTimeout>(
        {.key = "connect_timeout", .doc = "How long a connection may take to open.", .fallback = "\"5s\""}),
    field<&ForwardSettings::response_timeout, kTimeout>(
        {.key = "response_timeout",
         .doc = "How long the answer's head may take, and any pause within its body.",
         .fallback = "\"60s\""}),
};
constexpr Record kForwardRecord = {"forward", "`forward`", "Where requests are sent on to, and how.",
                                   kForwardFields};

void decode_forward(Decoder& decoder, const Node& node, ForwardSettings& out) {
  if (node.kind != Node::Kind::map) {
    return decoder.error(
        node, fmt::format("`forward` is a map of keys, and this is {}", decoder.described(node)),
        node.kind == Node::Kind::scalar ? fmt::format("did you mean `forward: {{ to: {} }}`?", node.text)
                                        : "write `forward: { to: [...] }`");
  }
  decode_record(decoder, node, kForwardRecord, &out);
  if (const Node* to = node.find("to")) out.to_source = decoder.source(*to);
}
constexpr Kind<ForwardSettings> kForward = {decode_forward, record_schema<kForwardRecord>};

// --- limits, paths ---

constexpr Field kLimitFields[] = {
    {.text = {.key = "body",
              .doc = "The largest body of a request. Without it, any.",
              .example = "\"10MiB\""},
     .decode =
         [](Decoder& decoder, const Node& node, void* limits) {
           constexpr static Kind<std::optional<uint64_t>> kBody = {
               [](Decoder& decoder, const Node& node, std::optional<uint64_t>& out) {
                 if (auto size = read_size(decoder, node, {0, 1ULL << 60})) out = *size;
               },
               size_schema};
           decoder.decode(kBody, node, static_cast<LimitSettings*>(limits)->body_bytes_max);
         },
     .schema = size_schema},
    {.text = {.key = "head",
              .doc = "The largest head of a request, up to 64KiB.",
              .example = "\"16KiB\"",
              .fallback = "\"64KiB\""},
     .decode =
         [](Decoder& decoder, const Node& node, void* limits) {
           constexpr static Kind<uint32_t> kHead = {
               [](Decoder& decoder, const Node& node, uint32_t& out) {
                 if (auto size = read_size(decoder, node, {kHeadBytesMin, kHeadBytesMax}))
                   out = static_cast<uint32_t>(*size);
               },
               size_schema};
           decoder.decode(kHead, node, static_cast<LimitSettings*>(limits)->head_bytes_max);
         },
     .schema = size_schema},
};
constexpr Record kLimitRecord = {"limits", "`limits`", "How large a request may be.", kLimitFields};

constexpr Word<PathChoice> kPathWords[] = {{"refuse", PathChoice::refuse}, {"keep", PathChoice::keep}};
constexpr Field kPathFields[] = {
    field<&PathSettings::encoded_slash, kOneOf<kPathWords>>(
        {.key = "encoded_slash",
         .doc = "A path with `%2F`: refuse the request, or match and forward it as written.",
         .fallback = "\"refuse\""}),
    field<&PathSettings::parameters, kOneOf<kPathWords>>(
        {.key = "parameters",
         .doc = "A path with `;`: refuse the request, or match and forward it as written.",
         .fallback = "\"refuse\""}),
};
constexpr Record kPathRecord = {"paths", "`paths`", "Which unusual paths the service takes.", kPathFields};

// --- websocket ---

constexpr Field kWebSocketFields[] = {
    field<&WebSocketSettings::origins, kSome<kOrigin>>(
        {.key = "origins",
         .doc = "Pages of which origins may open a WebSocket; `https://*.example.com` is every host below. "
                "Without it, any.",
         .example = R"(["https://app.example.com"])"}),
    field<&WebSocketSettings::idle_timeout, kTimeout>(
        {.key = "idle_timeout",
         .doc = "How long neither side may send anything, before the connection is closed.",
         .fallback = "\"1h\""}),
};
constexpr Record kWebSocketRecord = {"websocket", "`websocket`", "WebSockets and other upgraded connections.",
                                     kWebSocketFields};

constexpr Word<ResourceMetadata> kResourceMetadataWords[] = {{"on", ResourceMetadata::on},
                                                             {"off", ResourceMetadata::off}};

// --- the service ---

constexpr Field kServiceFields[] = {
    field<&ServiceSettings::matches, kSome<kMatch>>(
        {.key = "match",
         .doc = "What the service answers to: one place or a list. Without it, every host and path.",
         .example = R"({"host":"api.example.com","path":"/orders"})"}),
    field<&ServiceSettings::forward, kForward>(
        {.key = "forward",
         .doc = "Where its requests go. Without it, to the environment's value of the service's name.",
         .example = R"({"to":"${orders}"})"}),
    field<&ServiceSettings::access, kRules>(
        {.key = "access",
         .doc = "Who may do what. Nothing matches: denied. A deny always wins.",
         .example = R"([{"allow":"authenticated","on":"GET /orders/**"}])"}),
    field<&ServiceSettings::tests, kAny<kTest>>(
        {.key = "tests",
         .doc = "Requests and what must come of them; `gatehouse test` runs these.",
         .example = R"(["GET /orders/health -> allow"])"}),
    field<&ServiceSettings::headers, kHeaderSettings>(
        {.key = "headers", .doc = "Headers to set, add or remove on the way through."}),
    field<&ServiceSettings::limits, kRecordOf<LimitSettings, kLimitRecord>>(
        {.key = "limits", .doc = "How large a request may be.", .example = R"({"body":"10MiB"})"}),
    field<&ServiceSettings::paths, kRecordOf<PathSettings, kPathRecord>>(
        {.key = "paths",
         .doc = "Which unusual paths the service takes.",
         .example = R"({"encoded_slash":"keep"})"}),
    field<&ServiceSettings::websocket, kRecordOf<WebSocketSettings, kWebSocketRecord>>(
        {.key = "websocket",
         .doc = "WebSockets: whose pages may open one, and how long it may be silent.",
         .example = R"({"origins":["https://app.example.com"]})"}),
    field<&ServiceSettings::token, kToken>(
        {.key = "token",
         .doc =
             "The token its backend gets in `Authorization`: `none`, the caller's own, one exchanged for it, "
             "or one of the gate's own.",
         .example = R"({"exchange":{"provider":"staff","audience":"orders"}})",
         .fallback = "\"none\""}),
    field<&ServiceSettings::csrf, kCsrf>(
        {.key = "csrf",
         .doc = "Which other sites' pages may use a session: none (`on`), these origins, or all (`off`).",
         .example = R"({"origins":["https://app.example.com"]})",
         .fallback = "\"on\""}),
    field<&ServiceSettings::resource_metadata, kOneOf<kResourceMetadataWords>>(
        {.key = "resource_metadata",
         .doc = "Whether clients are told where tokens for it come from (RFC 9728).",
         .fallback = "\"on\""}),
    field<&ServiceSettings::enabled, kBoolean>(
        {.key = "enabled", .doc = "`false` takes the service out.", .fallback = "true"}),
};
constexpr Record kServiceRecord = {"service", "a service",
                                   "One service: where, to what, who may, limits, tests.", kServiceFields};

// What only a service itself can say.
bool is_own_key(std::string_view key) { return key == "access" || key == "tests"; }

void apply_defaults(Decoder& decoder, const Node& body, const Defaults& defaults, ServiceSettings& out) {
  if (!defaults.node) return;
  Decoder::In in(decoder, *defaults.document, "defaults");
  const auto& items = defaults.node->items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    const Field* field = kServiceRecord.find(items[i].text);
    if (!field || is_own_key(field->text.key) || body.find(items[i].text)) continue;
    Decoder::At at(decoder, items[i].text);
    field->decode(decoder, items[i + 1], &out);
  }
}

// `forward: { to }` left out: the value of the service's own name.
void find_backend(Decoder& decoder, const Node& body, ServiceSettings& out) {
  if (!out.forward.to.empty() || out.forward.to_source.file) return;
  const Node* forward = body.find("forward");
  if (forward && forward->kind != Node::Kind::map) return;  // reported
  const Node& site = forward ? *forward : body;
  out.forward.to_source = decoder.source(site);
  Decoder::At at_forward(decoder, "forward");
  if (!decoder.has_value(out.name)) {
    if (decoder.errors() > 0) return;  // a misspelt `forward`, most likely
    Decoder::At at_to(decoder, "to");
    std::string lacking = decoder.who_lacks(out.name);
    return decoder.error(
        site,
        fmt::format(
            "nothing says where `{}` is: there is no `forward: {{ to: ... }}`, and no value `{}` in {}",
            out.name, out.name, lacking == "environments " ? "an environment" : lacking),
        fmt::format("add `{}: HOST:PORT` to the environment", out.name));
  }
  decoder.decode_value(kSome<kBackendAddress>, out.name, site, out.forward.to);
}

void check_tests(Decoder& decoder, const Node& body, const ServiceSettings& service) {
  const Node* tests = body.find("tests");
  if (!tests) return;
  Decoder::At at_tests(decoder, "tests");
  std::vector<std::string_view> rules = decoder.known.gate_rules;
  for (const auth::RuleSpec& rule : service.access) rules.push_back(rule.name);
  std::span<const Node> nodes = list_items(decoder, *tests, Empty::allowed);
  for (size_t i = 0; i < nodes.size() && i < service.tests.size(); ++i) {
    const std::string& by = service.tests[i].by;
    if (by.empty() || std::find(rules.begin(), rules.end(), by) != rules.end()) continue;
    Decoder::At at(decoder, i);
    std::string_view nearest = base::nearest_word(by, rules);
    decoder.error(nodes[i], fmt::format("no rule of this service is called `{}`", by),
                  nearest.empty() ? "write the rule's `name`" : fmt::format("did you mean `{}`?", nearest));
  }
}

// --- What keys of `forward` say together ---

// Where to point at for a key of `forward`, which may stand among the defaults.
const Node& forward_node(const Node& body, const char* key) {
  const Node* forward = body.find("forward");
  const Node* found = forward ? forward->find(key) : nullptr;
  return found ? *found : body;
}

void check_schemes(Decoder& decoder, const Node& body, const ForwardSettings& forward) {
  auto undecoded = [](const Address& address) { return address.host.empty() && address.unix_path.empty(); };
  if (decoder.incomplete() || std::ranges::any_of(forward.to, undecoded)) return;
  auto secure = [](const Address& address) { return address.scheme == Address::Scheme::https; };
  size_t secured = static_cast<size_t>(std::ranges::count_if(forward.to, secure));
  if (secured > 0 && secured < forward.to.size()) {
    Decoder::At at(decoder, "to");
    return decoder.error(forward_node(body, "to"), "some of the addresses are `https://` and some are not",
                         "a service is called with TLS at all of its addresses, or at none");
  }
  if (secured > 0 || forward.to.empty() || !forward.tls.source.file) return;
  // An environment may well be one without TLS. What stands here itself is a slip.
  const Node& to = forward_node(body, "to");
  bool written_here =
      &to != &body && to.text.find("${") == std::string::npos &&
      std::ranges::none_of(to.items, [](const Node& item) { return item.text.starts_with("${"); });
  std::string message = fmt::format("the backend at `{}` is called in clear text, so `tls` means nothing",
                                    forward.to.front().text());
  std::string hint = forward.to.front().unix_path.empty()
                         ? fmt::format("write `https://{}`", forward.to.front().text())
                         : "write `https://host:port`, or remove `tls`";
  Decoder::At at(decoder, "tls");
  if (written_here) {
    decoder.error(forward_node(body, "tls"), std::move(message), std::move(hint));
  } else {
    decoder.warning(forward_node(body, "tls"), std::move(message), std::move(hint));
  }
}

// gRPC is HTTP/2: trailers and streams that HTTP/1.1 does not have.
void check_grpc(Decoder& decoder, const Node& body, const ServiceSettings& service) {
  if (service.forward.protocol != BackendProtocol::http1) return;
  for (const auth::RuleSpec& rule : service.access) {
    auto is_grpc = [](const auth::OnSpec& on) { return on.form == auth::OnForm::grpc; };
    if (rule.effect == auth::Effect::deny || std::ranges::none_of(rule.on, is_grpc)) continue;
    Decoder::At at(decoder, "protocol");
    return decoder.error(forward_node(body, "protocol"),
                         fmt::format("gRPC needs HTTP/2, and the rule `{}` lets gRPC calls in", rule.name),
                         "write `protocol: auto` or `protocol: http2`");
  }
}

void check_forward(Decoder& decoder, const Node& body, const ServiceSettings& service) {
  Decoder::At at(decoder, "forward");
  check_schemes(decoder, body, service.forward);
  check_grpc(decoder, body, service);
}

void check_methods_of_strip(Decoder& decoder, const Node& body, const ServiceSettings& service) {
  if (service.forward.strip_prefix.empty()) return;
  for (const MatchSettings& match : service.matches) {
    if (match.path == service.forward.strip_prefix ||
        match.path.starts_with(service.forward.strip_prefix + "/"))
      continue;
    const Node* forward = body.find("forward");
    Decoder::At at(decoder, "forward");
    Decoder::At at_prefix(decoder, "strip_prefix");
    const Node* prefix = forward ? forward->find("strip_prefix") : nullptr;
    decoder.warning(prefix ? *prefix : body,
                    fmt::format("not every request begins with `{}`: the service also matches `{}`",
                                service.forward.strip_prefix, match.path),
                    "requests without the prefix are forwarded as they are");
    return;
  }
}

}  // namespace

void decode_service(Decoder& decoder, const Node& body, const Defaults& defaults, ServiceSettings& out) {
  out.name = decoder.known.service;
  out.source = decoder.source(body);
  if (body.is_null()) {
    return decoder.error(body, "the service is empty", "write at least `access: [{ allow: authenticated }]`");
  }
  decode_record(decoder, body, kServiceRecord, &out);
  if (body.kind != Node::Kind::map) return;
  apply_defaults(decoder, body, defaults, out);
  if (out.matches.empty() && !body.find("match")) out.matches.emplace_back().source = out.source;
  find_backend(decoder, body, out);
  check_forward(decoder, body, out);
  check_callers(decoder, body, out);
  check_tests(decoder, body, out);
  check_methods_of_strip(decoder, body, out);
  if (out.access.empty() && out.enabled && decoder.errors() == 0) {
    decoder.warning(body, "the service has no `access` rules, so every request is denied",
                    "say who may call it, such as `access: [{ allow: authenticated }]`");
  }
}

void check_defaults(Decoder& decoder, const Node& node) {
  if (node.kind == Node::Kind::map) {
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      if (!is_own_key(node.items[i].text)) continue;
      Decoder::At at(decoder, node.items[i].text);
      decoder.error(
          node.items[i],
          fmt::format("`{}` has no default, because only a service's own file can let anyone in",
                      node.items[i].text),
          "write it in each service; denials for every service stand under `access:` of gatehouse.yaml");
    }
  }
  ServiceSettings scratch;
  decode_record(decoder, node, kServiceRecord, &scratch);
}

std::string service_reference(SchemaBook& book) { return book.reference(kServiceRecord); }
std::string service_object(SchemaBook& book) { return book.object(kServiceRecord); }

std::string defaults_object(SchemaBook& book) {
  return fmt::format(R"({{"allOf":[{},{{"properties":{{"access":false,"tests":false}}}}]}})",
                     book.reference(kServiceRecord));
}

}  // namespace config
