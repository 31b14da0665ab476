// keys.yaml: digests of API keys.
#include <fmt/core.h>

#include <map>

#include "base/bytes.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

using auth::ApiKeySpec;

constexpr size_t kDigestHexDigits = 64;

void decode_digest(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "a digest");
  if (!text) return;
  bool hex = text->starts_with("sha256:") && text->size() == 7 + kDigestHexDigits &&
             text->find_first_not_of("0123456789abcdef", 7) == text->npos;
  if (text->starts_with("gh_")) {
    // Someone pasted the key: say so, and do not repeat it.
    return decoder.error(node, "this is a key, and only its digest is stored",
                         "revoke it, and make a new one with `gatehouse keys new`");
  }
  if (!hex)
    return decoder.error(node, fmt::format("{} is not a digest", decoder.quoted(node)),
                         "`gatehouse keys new` writes it, as `sha256:` and 64 digits");
  out = *text;
}
constexpr Kind<std::string> kDigest = {
    decode_digest, [](SchemaBook&) { return text_schema_with(R"("pattern":"^sha256:[0-9a-f]{64}$")"); }};

constexpr Kind<std::optional<base::WallTime>> kTime = {
    [](Decoder& decoder, const Node& node, std::optional<base::WallTime>& out) {
      auto text = read_text(decoder, node, "a time");
      if (!text) return;
      auto parsed = base::parse_rfc3339(*text);
      if (!parsed)
        return decoder.error(node, fmt::format("{} is not a time", decoder.quoted(node)),
                             "write `2026-01-31T09:30:00Z`");
      out = base::WallTime{*parsed};
    },
    [](SchemaBook&) { return text_schema_with(R"("format":"date-time")"); }};

constexpr Field kKeyFields[] = {
    field<&ApiKeySpec::id, kText>({.key = "id",
                                   .doc = "What the key is called in records and for revoking.",
                                   .need = Need::required,
                                   .example = "\"k_7f3a\""}),
    field<&ApiKeySpec::digest, kDigest>(
        {.key = "digest",
         .doc = "`sha256:` and the key's digest in hexadecimal.",
         .need = Need::required,
         .example = "\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""}),
    field<&ApiKeySpec::owner, kText>({.key = "owner",
                                      .doc = "Who uses it; the subject of its identity.",
                                      .need = Need::required,
                                      .example = "\"nightly-export\""}),
    field<&ApiKeySpec::scopes, kAny<kScope>>(
        {.key = "scopes", .doc = "Its scopes.", .example = "[\"orders:read\"]"}),
    field<&ApiKeySpec::groups, kAny<kText>>(
        {.key = "groups", .doc = "Its groups.", .example = "[\"robots\"]"}),
    field<&ApiKeySpec::created, kTime>(
        {.key = "created", .doc = "When it was made.", .example = "\"2026-01-31T09:30:00Z\""}),
    field<&ApiKeySpec::expires, kTime>({.key = "expires",
                                        .doc = "From when it is no longer valid. Without it, never.",
                                        .example = "\"2027-01-31T09:30:00Z\""}),
};
constexpr Record kKeyRecord = {"key", "a key", "One API key's digest, owner and rights.", kKeyFields};
constexpr Kind<ApiKeySpec> kKey = {[](Decoder& decoder, const Node& node, ApiKeySpec& out) {
                                     out.source = decoder.source(node);
                                     decode_record(decoder, node, kKeyRecord, &out);
                                   },
                                   record_schema<kKeyRecord>};

// `keys:` with nothing behind it is what an editor leaves when the last key goes.
constexpr Kind<std::vector<ApiKeySpec>> kKeyList = {
    kAny<kKey>.decode, [](SchemaBook& book) {
      return fmt::format(R"({{"anyOf":[{},{{"type":"null"}}]}})", kAny<kKey>.schema(book));
    }};

struct KeysFile {
  std::vector<ApiKeySpec> keys;
};
constexpr Field kFileFields[] = {
    field<&KeysFile::keys, kKeyList>({.key = "keys", .doc = "The keys.", .need = Need::required})};
constexpr Record kFileRecord = {"keys", "a file of keys", "Digests of API keys, written by `gatehouse keys`.",
                                kFileFields};

void check_unique(Decoder& decoder, const Node& root, const std::vector<ApiKeySpec>& keys) {
  const Node* list = root.find("keys");
  if (!list || list->kind != Node::Kind::list || list->items.size() != keys.size()) return;
  Decoder::At at_keys(decoder, "keys");
  std::map<std::string_view, size_t> ids;
  std::map<std::string_view, size_t> digests;
  for (size_t i = 0; i < keys.size(); ++i) {
    Decoder::At at(decoder, i);
    auto [same_id, new_id] = ids.try_emplace(keys[i].id, i);
    if (!new_id && !keys[i].id.empty()) {
      decoder.error(list->items[i],
                    fmt::format("the key on line {} has the id `{}` too", keys[same_id->second].source.line,
                                keys[i].id),
                    "give each key its own id");
    }
    auto [same_digest, new_digest] = digests.try_emplace(keys[i].digest, i);
    if (!new_digest && !keys[i].digest.empty()) {
      decoder.error(
          list->items[i],
          fmt::format("the key on line {} has the same digest", keys[same_digest->second].source.line),
          "remove one of them");
    }
  }
}

}  // namespace

void decode_keys(Decoder& decoder, const Node& root, std::vector<ApiKeySpec>& out) {
  const Node* list = root.find("keys");
  if (root.is_null() || (list && list->is_null() && root.items.size() == 2))
    return;  // the last key was revoked
  KeysFile file;
  decode_record(decoder, root, kFileRecord, &file);
  check_unique(decoder, root, file.keys);
  out = std::move(file.keys);
}

std::string keys_object(SchemaBook& book) { return book.object(kFileRecord); }

}  // namespace config
