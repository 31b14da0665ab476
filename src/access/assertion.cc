#include "access/assertion.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

#include "base/bytes.h"

namespace auth {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(",\"").append(name).append("\":\"");
  base::append_json_escaped(out, value);
  out += '"';
}

void append_number(std::string& out, std::string_view name, int64_t value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

void append_list(std::string& out, std::string_view name, const std::vector<std::string>& values) {
  if (values.empty()) return;
  out.append(",\"").append(name).append("\":[");
  for (const std::string& value : values) {
    if (&value != &values.front()) out += ',';
    out += '"';
    base::append_json_escaped(out, value);
    out += '"';
  }
  out += ']';
}

std::string make_token_id(crypto::RandomSource& random) {
  std::array<uint8_t, 16> bytes;
  random.fill(bytes);
  return base::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

uint64_t next_serial() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

base::WallTime whole_seconds(base::WallTime time) { return {time.ns / kSecond * kSecond}; }

}  // namespace

AssertionSigner::AssertionSigner(Setup setup)
    : key_(std::move(setup.key)),
      issuer_(std::move(setup.issuer)),
      life_(std::clamp(setup.life, kAssertionLifeMin, kAssertionLifeMax)),
      serial_(next_serial()) {
  std::string header = "{\"typ\":\"JWT\"";
  append_member(header, "alg", crypto::algorithm_name(key_.algorithm()));
  append_member(header, "kid", key_.kid());
  header_ = base::base64url_encode(header + "}") + ".";
  key_set_json_ = "{\"keys\":[" + key_.public_jwk();
  for (const std::string& jwk : setup.earlier_jwks) {
    if (jwk != key_.public_jwk()) key_set_json_ += "," + jwk;
  }
  key_set_json_ += "]}";
}

AssertionTimes AssertionSigner::times(const Identity& identity, base::WallTime now) const {
  base::WallTime issued = whole_seconds(now);
  int64_t latest = issued.ns + life_.ns;
  int64_t earliest = issued.ns + kAssertionLifeMin.ns;
  // Not longer than the credential it stands for, as far as that leaves time to use it.
  return {.issued = issued, .expires = whole_seconds({std::clamp(identity.expires.ns, earliest, latest)})};
}

base::Result<std::string> AssertionSigner::make_assertion(const Input& input) const {
  AssertionTimes valid = times(input.identity, input.now);
  std::string claims = "{\"iss\":";
  claims += base::json_quoted(issuer_);
  append_member(claims, "aud", input.service);
  append_member(claims, "sub", input.identity.subject);
  append_number(claims, "iat", valid.issued.unix_seconds());
  append_number(claims, "exp", valid.expires.unix_seconds());
  append_member(claims, "jti", make_token_id(input.random));
  append_member(claims, "provider", input.identity.provider);
  append_member(claims, "email", input.identity.email);
  append_member(claims, "preferred_username", input.identity.preferred_username);
  append_list(claims, "groups", input.identity.groups);
  append_list(claims, "scopes", input.identity.scopes);
  append_member(claims, "sid", input.identity.session_id);
  claims += '}';
  std::string assertion = header_ + base::base64url_encode(claims);
  auto signature = key_.sign(assertion);
  if (!signature)
    return base::gate_error(base::Reason::proxy_internal_error, "the identity could not be signed");
  assertion += '.';
  assertion += base::base64url_encode(*signature);
  return assertion;
}

AssertionCache::AssertionCache(uint32_t entries_max) {
  size_t size = std::bit_ceil(std::max<size_t>(entries_max, kWays));
  places_.resize(size);
  mask_ = size - 1;
}

base::Result<AssertionPtr> AssertionCache::find_or_make(const Input& input) {
  // Fibonacci hashing: serials and slots count upwards, so they are spread before they choose a place.
  uint64_t mixed = (input.identity.serial * 0x9E3779B97F4A7C15u ^ input.service_slot) * 0x9E3779B97F4A7C15u;
  Place* places = places_.data() + (mixed >> 32 & mask_ & ~size_t{kWays - 1});
  Place* chosen = places;
  for (uint32_t i = 0; i < kWays; ++i) {
    Place& place = places[i];
    if (place.assertion && place.identity_serial == input.identity.serial &&
        place.service_slot == input.service_slot && place.signer_serial == input.signer.serial()) {
      // A clock set back makes it look made in the future: a backend might refuse it, so it is made again.
      if (input.now >= place.made && input.now < place.renew_at) return place.assertion;
      chosen = &place;
      break;
    }
    if (place.renew_at < chosen->renew_at) chosen = &place;
  }
  auto made = input.signer.make_assertion({input.identity, input.service, input.now, input.random});
  if (!made) return std::unexpected(made.error());
  AssertionTimes valid = input.signer.times(input.identity, input.now);
  *chosen = {.identity_serial = input.identity.serial,
             .signer_serial = input.signer.serial(),
             .service_slot = input.service_slot,
             .made = valid.issued,
             .renew_at = {valid.issued.ns + (valid.expires.ns - valid.issued.ns) / 2},
             .assertion = std::make_shared<const std::string>(std::move(*made))};
  return chosen->assertion;
}

size_t AssertionCache::entries() const {
  return static_cast<size_t>(std::count_if(places_.begin(), places_.end(),
                                           [](const Place& place) { return place.assertion != nullptr; }));
}

}  // namespace auth
