#include "access/session.h"

#include <algorithm>
#include <array>

#include "access/jwt.h"
#include "access/packed.h"
#include "base/bytes.h"

namespace auth {
namespace {

using base::Reason;

constexpr std::string_view kPurpose = "session";
constexpr uint64_t kForm = 2;  // of what is packed: another when a field comes or goes
constexpr JsonLimits kClaimsLimits{.bytes = kSessionClaimsBytesMax, .depth = 16, .values = 4096};

// Tokens are renewed when a quarter of their life is left, so that short ones are not renewed all the time,
// and at most this long ahead: an issuer that is away for less disturbs nobody who is at work.
constexpr base::Duration kRenewedAheadMax = base::seconds(300);

auto refuse(const char* why) { return base::client_error(Reason::session_invalid, why); }
auto ended(const char* why) { return base::client_error(Reason::session_ended, why); }

void pack_time(Packer& packer, base::WallTime time) { packer.add_number(static_cast<uint64_t>(time.ns)); }

base::WallTime take_time(Unpacker& unpacker) { return {static_cast<int64_t>(unpacker.take_number())}; }

// A number that is no value of the enumeration makes the whole unsound: it would read as another.
template <class Value>
bool take_choice(Unpacker& unpacker, Value last, Value& out) {
  const uint64_t number = unpacker.take_number();
  out = static_cast<Value>(number);
  return number <= static_cast<uint64_t>(last);
}

// A session that nothing renews ends with its tokens.
base::WallTime end_of(const Session& session) {
  return session.renewal == Renewal::possible ? session.ends : std::min(session.ends, session.tokens_until);
}

Session without_claims(const Session& session) {
  Session rest = session;
  rest.claims_in_store = true;
  rest.provider_session.clear();
  rest.claims.clear();
  rest.scopes.clear();
  rest.asked.clear();
  return rest;
}

}  // namespace

std::string make_session_id(crypto::RandomSource& random) {
  std::array<uint8_t, 16> bytes;
  random.fill(bytes);
  return base::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string encode_session(const Session& session) {
  Packer packer;
  packer.add_number(kForm);
  packer.add_text(session.id);
  packer.add_text(session.provider);
  packer.add_text(session.host);
  packer.add_text(session.registration);
  packer.add_number(session.version);
  for (base::WallTime time :
       {session.signed_in, session.seen, session.tokens_from, session.tokens_until, session.ends}) {
    pack_time(packer, time);
  }
  packer.add_number(static_cast<uint64_t>(session.renewal));
  packer.add_number(session.claims_in_store ? 1 : 0);
  packer.add_text(session.provider_session);
  packer.add_text(session.claims);
  packer.add_texts(session.scopes);
  packer.add_text(session.asked);
  return packer.take();
}

base::Result<Session> decode_session(std::string_view text) {
  Unpacker unpacker(text);
  if (unpacker.take_number() != kForm) return refuse("the session is of another release of the gate");
  Session session;
  session.id = unpacker.take_text();
  session.provider = unpacker.take_text();
  session.host = unpacker.take_text();
  session.registration = unpacker.take_text();
  session.version = unpacker.take_number();
  for (base::WallTime* time :
       {&session.signed_in, &session.seen, &session.tokens_from, &session.tokens_until, &session.ends}) {
    *time = take_time(unpacker);
  }
  bool sound = take_choice(unpacker, Renewal::possible, session.renewal);
  sound &= take_choice(unpacker, true, session.claims_in_store);
  session.provider_session = unpacker.take_text();
  session.claims = unpacker.take_text();
  session.scopes = unpacker.take_texts();
  session.asked = unpacker.take_text();
  if (!sound || !unpacker.complete()) return refuse("the session cannot be read");
  return session;
}

bool fits_cookie(const Session& session) {
  return sealed_size(encode_session(session).size()) <= kSealedSessionBytesMax;
}

std::string seal_session(const Session& session, const Sealer& sealer, crypto::RandomSource& random) {
  std::string plain = encode_session(session);
  if (session.claims_in_store || sealed_size(plain.size()) > kSealedSessionBytesMax) {
    plain = encode_session(without_claims(session));
  }
  return sealer.seal(plain, {.purpose = kPurpose, .provider = session.provider, .host = session.host},
                     random);
}

base::Result<Session> open_session(std::string_view cookie, const SessionPlace& place, const Sealer& sealer) {
  const auto plain =
      sealer.open(cookie, {.purpose = kPurpose, .provider = place.provider, .host = place.host});
  if (!plain) return refuse("the session cookie was not made by this gate for this host");
  auto session = decode_session(*plain);
  // Sealed for this place, so it says so inside.
  if (session && (session->provider != place.provider || session->host != place.host)) {
    return refuse("the session is of another host");
  }
  if (session && session->registration != place.registration) {
    return refuse("the session is of a login with another issuer or client");
  }
  return session;
}

base::Result<Session> complete_session(const Session& from_cookie, const Session& stored) {
  if (stored.id != from_cookie.id || stored.provider != from_cookie.provider ||
      stored.host != from_cookie.host) {
    return refuse("the claims kept are of another session");
  }
  Session whole = from_cookie;
  whole.provider_session = stored.provider_session;
  whole.claims = stored.claims;
  whole.scopes = stored.scopes;
  whole.asked = stored.asked;
  return whole;
}

base::Result<IdentityPtr> identity_of(const Session& session, const ClaimNames& names) {
  auto claims = parse_json(session.claims, kClaimsLimits);
  if (!claims || !claims->root().is(JsonKind::object)) return refuse("the session's claims cannot be read");
  auto identity = read_identity(claims->root(), session.provider, names);
  if (!identity) return refuse(identity.error().detail);
  if (!std::all_of(session.scopes.begin(), session.scopes.end(),
                   [](const std::string& scope) { return is_clean(scope); })) {
    return refuse("the session's scopes cannot be read");
  }
  identity->scopes = session.scopes;
  identity->credential_id = session.id;
  identity->expires = end_of(session);
  identity->claims = std::move(*claims);
  return make_identity(std::move(*identity));
}

base::Result<> check_session(const Session& session, const SessionLimits& limits, base::WallTime now) {
  // The limits may have become stricter since the login.
  if (now >= session.ends || now >= session.signed_in + limits.lifetime) {
    return ended("the session has reached its end");
  }
  if (now >= session.seen + limits.idle) return ended("the session was not used for too long");
  if (now >= end_of(session)) return ended("the session's tokens have ended");
  return {};
}

bool renewal_is_due(const Session& session, base::WallTime now) {
  // Nothing is gained by tokens that outlive the session.
  if (session.renewal == Renewal::none || session.tokens_until >= session.ends) return false;
  const int64_t life_ns = std::max<int64_t>((session.tokens_until - session.tokens_from).ns, 0);
  const int64_t ahead_ns = std::min(life_ns / 4, kRenewedAheadMax.ns);
  return now.ns >= session.tokens_until.ns - ahead_ns;
}

bool renewal_is_overdue(const Session& session, base::WallTime now) {
  return session.renewal == Renewal::possible && now >= session.tokens_until;
}

bool reseal_is_due(const Session& session, const SessionLimits& limits, base::WallTime now) {
  // A session ends at most a tenth of its idle time too early, and most answers carry no cookie.
  return (now - session.seen).ns >= limits.idle.ns / 10;
}

}  // namespace auth
