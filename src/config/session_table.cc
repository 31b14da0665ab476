// What holds for people who are logged in, and for the gate's own calls.
#include <fmt/core.h>

#include <algorithm>

#include "config/kinds.h"
#include "config/tables.h"
#include "redis/target.h"

namespace config {
namespace {

// Of a text whose every character may be guessed worse than a random one: more than enough for 256 bits.
constexpr size_t kSessionSecretBytesMin = 32;
constexpr int64_t kMinuteMs = 60 * 1000;
constexpr int64_t kLifetimeMsMax = 30 * 24 * 60 * kMinuteMs;
constexpr std::string_view kMakeSecret = "make one with `openssl rand -base64 32`";

// --- store ---

constexpr Kind<std::string> kRedisUrl = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      bool has_password = node.kind == Node::Kind::scalar && node.text.find('@') != node.text.npos;
      auto text =
          has_password ? read_secret(decoder, node) : read_text(decoder, node, "the URL of a Redis server");
      if (!text) return;
      if (auto target = redis::parse_target(*text); !target)
        return decoder.error_in_secret(node, std::move(target.error()));
      out = *text;
    },
    [](SchemaBook&) {
      return text_schema_with(
          R"("pattern":"^(rediss?|unix):.+$","examples":["redis://127.0.0.1:6379/0","unix:/run/redis.sock"])");
    }};

constexpr Field kStoreFields[] = {
    field<&SessionSettings::redis, kRedisUrl>({.key = "redis",
                                               .doc = "A Redis that several gates share.",
                                               .need = Need::required,
                                               .example = "\"redis://127.0.0.1:6379/0\""}),
};
constexpr Record kStoreRecord = {"session_store", "`store`", "Where sessions are kept.", kStoreFields};

// --- sessions ---

constexpr Kind<std::string> kSessionSecret = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      auto text = read_secret(decoder, node);
      if (!text) return;
      if (text->size() < kSessionSecretBytesMin) {
        return decoder.error_in_secret(node,
                                       fmt::format("a secret has at least {} characters, and this has {}",
                                                   kSessionSecretBytesMin, text->size()),
                                       std::string(kMakeSecret));
      }
      out = *text;
    },
    [](SchemaBook&) { return text_schema_with(fmt::format(R"("minLength":{})", kSessionSecretBytesMin)); }};

constexpr Field kSessionFields[] = {
    inner_field<&SessionSettings::limits, &auth::SessionLimits::lifetime,
                kDuration<kMinuteMs, kLifetimeMsMax>>(
        {.key = "lifetime",
         .doc = "How long somebody stays logged in at most, from 1m to 720h.",
         .fallback = "\"12h\""}),
    inner_field<&SessionSettings::limits, &auth::SessionLimits::idle, kDuration<kMinuteMs, kLifetimeMsMax>>(
        {.key = "idle", .doc = "How long a session lasts without a request of it.", .fallback = "\"1h\""}),
    {.text = {.key = "store",
              .doc = "Where tokens and ended sessions are kept. Without it, in the gate's folder.",
              .example = R"({"redis":"redis://127.0.0.1:6379/0"})"},
     .decode = [](Decoder& decoder, const Node& node,
                  void* sessions) { decode_record(decoder, node, kStoreRecord, sessions); },
     .schema = record_schema<kStoreRecord>},
    field<&SessionSettings::secrets, kSome<kSessionSecret>>(
        {.key = "secret",
         .doc =
             "What cookies are sealed with, the same for gates that share sessions: one, or a list to change "
             "it, where the first seals and all open. Without it the gate makes and keeps its own.",
         .example = "\"${session_secret}\""}),
};
constexpr Record kSessionRecord = {"sessions", "`sessions`", "People who are logged in.", kSessionFields};

// --- fetch ---

constexpr Kind<base::Network> kFetchedNetwork = {
    [](Decoder& decoder, const Node& node, base::Network& out) {
      size_t errors = decoder.errors();
      decode_network(decoder, node, out);
      if (decoder.errors() != errors || out.prefix_bits > 0) return;
      decoder.error(node, fmt::format("{} would let an issuer send the gate anywhere", decoder.quoted(node)),
                    "name the addresses of the issuer, such as `169.254.10.0/24`");
    },
    network_schema};

constexpr Field kFetchFields[] = {
    field<&FetchSettings::ca, kFileText>(
        {.key = "ca",
         .doc = "A PEM file with CAs that vouch for issuers, beside the machine's own.",
         .example = "\"internal-ca.pem\""}),
    field<&FetchSettings::allow, kAny<kFetchedNetwork>>(
        {.key = "allow",
         .doc = "Addresses that may be called although they are link-local or a cloud's metadata service.",
         .example = R"(["169.254.10.0/24"])"}),
};
constexpr Record kFetchRecord = {
    "fetch", "`fetch`", "The gate's own calls: discovery, key sets, tokens, introspection.", kFetchFields};

}  // namespace

void decode_sessions(Decoder& decoder, const Node& node, SessionSettings& out) {
  size_t errors = decoder.errors();
  decode_record(decoder, node, kSessionRecord, &out);
  if (node.kind != Node::Kind::map || decoder.errors() != errors) return;
  if (out.limits.idle > out.limits.lifetime) {
    if (const Node* idle = node.find("idle")) {
      Decoder::At at(decoder, "idle");
      decoder.error(*idle, "a session cannot be idle for longer than it lasts",
                    "write less than `lifetime`, which is 12h unless set");
    }
    out.limits.idle = out.limits.lifetime;
  }
  if (node.find("store") && !node.find("secret")) {
    Decoder::At at(decoder, "store");
    decoder.error(*node.find("store"), "gates that share sessions need the same `secret`, and there is none",
                  fmt::format("write `secret: \"${{session_secret}}\"` beside it, and {}", kMakeSecret));
  }
}

std::string sessions_schema(SchemaBook& book) { return book.reference(kSessionRecord); }

void decode_fetch(Decoder& decoder, const Node& node, FetchSettings& out) {
  decode_record(decoder, node, kFetchRecord, &out);
}

std::string fetch_schema(SchemaBook& book) { return book.reference(kFetchRecord); }

}  // namespace config
