// gatehouse.yaml: listeners, providers and what holds for every service.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

constexpr uint32_t kWorkersMax = 1024;
constexpr uint32_t kConnectionsMax = 10'000'000;

// --- admin ---

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
        {.key = "send", .doc = "Waiting for the client to take 1 KiB of the answer.", .fallback = "\"30s\""}),
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
    field<&GateSettings::connections_max, kInteger<0, kConnectionsMax>>(
        {.key = "max_connections",
         .doc = "Client connections open at once, shared out evenly among the workers; 0 is half of what the "
                "limit of open files allows.",
         .fallback = "0"}),
    field<&GateSettings::log, kRecordOf<LogSettings, kLogRecord>>(
        {.key = "log", .doc = "What is logged, and where to."}),
    field<&GateSettings::providers, kProviders>(
        {.key = "providers",
         .doc = "Who vouches for callers, by name.",
         .example = R"({"robots":{"api_keys":{"file":"keys.yaml"}}})"}),
    field<&GateSettings::identity, kRecordOf<IdentitySettings, kIdentityRecord>>(
        {.key = "identity", .doc = "How backends are told who calls."}),
    field<&GateSettings::sessions, kSessions>(
        {.key = "sessions",
         .doc = "People who are logged in: how long, and where that is kept.",
         .example = R"({"lifetime":"12h","idle":"1h"})"}),
    field<&GateSettings::fetch, kFetch>(
        {.key = "fetch",
         .doc = "The gate's own calls: discovery, key sets, tokens, introspection.",
         .example = R"({"ca":"internal-ca.pem"})"}),
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
  check_listeners(decoder, root, out);
}

std::string gate_object(SchemaBook& book) { return book.object(kGateRecord); }

}  // namespace config
