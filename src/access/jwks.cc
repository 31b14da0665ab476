#include "access/jwks.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "access/json.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace auth {
namespace {

using Error = const char*;

bool use_allows_verifying(JsonValue jwk) {
  JsonValue use = jwk.member("use");
  if (use && use.text() != "sig") return false;
  JsonValue operations = jwk.member("key_ops");
  return !operations || operations.holds("verify");
}

// A member that must be a base64url string; empty when it is not.
std::string bytes_of(JsonValue jwk, std::string_view name) {
  JsonValue member = jwk.member(name);
  if (!member.is(JsonKind::string)) return {};
  return base::base64url_decode(member.text()).value_or(std::string());
}

std::optional<crypto::KeyType> curve_of(std::string_view name) {
  if (name == "P-256") return crypto::KeyType::p256;
  if (name == "P-384") return crypto::KeyType::p384;
  if (name == "P-521") return crypto::KeyType::p521;
  return std::nullopt;
}

// nullopt: of a kind that is passed over. The error: of a kind the gate uses, but broken.
std::expected<std::optional<crypto::PublicKey>, Error> parse_public_key(JsonValue jwk) {
  std::string_view type = jwk.member("kty").text();
  std::string_view curve = jwk.member("crv").text();
  if (type == "RSA") return crypto::PublicKey::from_rsa(bytes_of(jwk, "n"), bytes_of(jwk, "e"));
  if (type == "EC") {
    auto known = curve_of(curve);
    if (!known) return std::nullopt;
    return crypto::PublicKey::from_ec(*known, bytes_of(jwk, "x"), bytes_of(jwk, "y"));
  }
  if (type == "OKP" && curve == "Ed25519") return crypto::PublicKey::from_ed25519(bytes_of(jwk, "x"));
  return std::nullopt;
}

// RFC 7518 §6.2.2, §6.3.2, §6.4.1.
bool has_private_member(JsonValue jwk) {
  for (std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (jwk.member(name)) return true;
  }
  return false;
}

}  // namespace

std::expected<std::optional<VerificationKey>, const char*> parse_jwk(JsonValue jwk) {
  if (!jwk.is(JsonKind::object)) return std::unexpected("it is not an object");
  // What carries private members was published by mistake; nothing signed with such a key can be believed.
  if (has_private_member(jwk)) return std::nullopt;
  if (!use_allows_verifying(jwk)) return std::nullopt;
  std::optional<crypto::Algorithm> algorithm;
  if (JsonValue named = jwk.member("alg")) {
    algorithm = crypto::parse_algorithm(named.text());
    if (!algorithm) return std::nullopt;
  }
  JsonValue kid = jwk.member("kid");
  if (kid && (!kid.is(JsonKind::string) || kid.text().empty()))
    return std::unexpected("its kid is not a text");
  if (kid.text().size() > kKeyIdBytesMax) return std::unexpected("its kid is too long");
  auto key = parse_public_key(jwk);
  if (!key) return std::unexpected(key.error());
  if (!*key) return std::nullopt;
  if (algorithm && !(*key)->fits(*algorithm)) return std::unexpected("its alg does not fit its type");
  return VerificationKey{.kid = std::string(kid.text()), .algorithm = algorithm, .key = std::move(**key)};
}

crypto::Sha256 jwk_thumbprint(JsonValue jwk) {
  // In lexicographic order. The values are base64url and names of curves: nothing in them is escaped.
  static constexpr std::string_view kRsa[] = {"e", "kty", "n"};
  static constexpr std::string_view kEc[] = {"crv", "kty", "x", "y"};
  static constexpr std::string_view kOkp[] = {"crv", "kty", "x"};
  std::string_view type = jwk.member("kty").text();
  std::span<const std::string_view> names = kOkp;
  if (type == "RSA") names = kRsa;
  if (type == "EC") names = kEc;
  std::string text;
  for (std::string_view name : names) {
    text.append(text.empty() ? "{\"" : ",\"").append(name).append("\":\"");
    text.append(jwk.member(name).text()).append("\"");
  }
  return crypto::sha256(text + "}");
}

namespace {

std::string describe(size_t index, JsonValue jwk, std::string_view what) {
  std::string out = "key " + std::to_string(index + 1);
  if (JsonValue kid = jwk.member("kid"); kid.is(JsonKind::string)) {
    out += " (kid " + base::json_quoted(kid.text().substr(0, kKeyIdBytesMax)) + ")";
  }
  return out.append(": ").append(what);
}

uint64_t version_of(std::string_view json) {
  crypto::Sha256 digest = crypto::sha256(json);
  uint64_t version;
  std::memcpy(&version, digest.data(), sizeof version);
  return version;
}

}  // namespace

std::expected<KeySetPtr, std::string> parse_key_set(std::string_view json) {
  auto tree = parse_json(json, {.bytes = kKeySetBytesMax, .depth = 8, .values = 8192});
  if (!tree) return std::unexpected(std::string(tree.error()));
  JsonValue keys = tree->root().member("keys");
  if (!keys.is(JsonKind::array)) return std::unexpected(std::string("it has no list `keys` (RFC 7517 §5)"));
  auto set = std::make_shared<KeySet>();
  std::string passed_over;
  size_t index = 0;
  for (JsonValue jwk = keys.first(); jwk; jwk = jwk.next(), ++index) {
    if (index == kKeySetKeysMax) return std::unexpected(std::string("it has more than 100 keys"));
    auto key = parse_jwk(jwk);
    if (!key) {
      // RFC 7517 §5: keys that cannot be used are passed over, so that one old key does not lock everyone
      // out.
      if (passed_over.empty()) passed_over = "; " + describe(index, jwk, key.error());
      continue;
    }
    if (!*key) continue;
    for (const VerificationKey& other : set->keys_) {
      if (!other.kid.empty() && other.kid == (*key)->kid) {
        return std::unexpected(describe(index, jwk, "another key has the same kid"));
      }
    }
    set->keys_.push_back(std::move(**key));
  }
  if (set->keys_.empty()) {
    return std::unexpected("it has no public signature key that the gate can use" + passed_over);
  }
  set->version_ = version_of(json);
  return set;
}

KeySet::Choice KeySet::choose(std::string_view kid, crypto::Algorithm algorithm) const {
  const VerificationKey* only = nullptr;
  bool several = false;
  for (const VerificationKey& key : keys_) {
    if (!kid.empty() && key.kid == kid) {
      if (!key.fits(algorithm)) return {.match = Match::unfit};
      return {.match = Match::found, .key = &key};
    }
    // A token that names a key is never checked with a key of another name.
    bool may_be_meant = kid.empty() || key.kid.empty();
    if (!may_be_meant || !key.fits(algorithm)) continue;
    several = only != nullptr;
    only = &key;
  }
  if (several) return {.match = kid.empty() ? Match::ambiguous : Match::unknown};
  if (only == nullptr) return {.match = Match::unknown};
  return {.match = Match::found, .key = only};
}

void KeySets::put(uint32_t key_slot, KeySetPtr keys) {
  for (auto& [slot, set] : sets_) {
    if (slot == key_slot) {
      set = std::move(keys);
      return;
    }
  }
  sets_.emplace_back(key_slot, std::move(keys));
}

void KeySets::drop(uint32_t key_slot) {
  std::erase_if(sets_, [&](const auto& entry) { return entry.first == key_slot; });
}

const KeySet* KeySets::find(uint32_t key_slot) const {
  for (const auto& [slot, set] : sets_) {
    if (slot == key_slot) return set.get();
  }
  return nullptr;
}

}  // namespace auth
