// A person who is logged in: what the session cookie holds and how it is sealed. The cookie is the session;
// tokens stay in the session store (docs/decisions/0013). Made by control/ at a login or a renewal, opened by
// the stage "authenticate". Nothing here does I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "access/sealer.h"
#include "access/spec.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/random.h"

namespace auth {

// RFC 6265bis §4.1.3.2: the browser takes a __Host- cookie only from its own host, over TLS or on a laptop's
// loopback. All our cookies begin like this; none ever reaches a backend.
inline constexpr std::string_view kCookiePrefix = "__Host-gatehouse.";
inline constexpr std::string_view kSessionCookiePrefix = "__Host-gatehouse.session.";
inline constexpr std::string_view kLoginCookiePrefix = "__Host-gatehouse.login.";

// Browsers keep at least 4,096 bytes of a cookie with its name and attributes (RFC 6265 §6.1). A session that
// is larger leaves its claims in the store.
inline constexpr size_t kSealedSessionBytesMax = 3800;
inline constexpr size_t kSessionClaimsBytesMax = 64 * 1024;

// Renewed by the gate before tokens_until while there is a refresh token for it in the store.
enum class Renewal : uint8_t { none, possible };

struct Session {
  std::string id;  // 22 characters of base64url, 128 random bits; another at every login
  std::string provider;
  std::string host;          // lower case, without the port; the cookie counts nowhere else
  std::string registration;  // OidcPolicy::registration at the login
  uint64_t version = 0;      // renewals so far
  base::WallTime signed_in;
  base::WallTime seen;          // when it was last sealed: idle time counts from here
  base::WallTime tokens_from;   // the login, or the last renewal
  base::WallTime tokens_until;  // when the access token ends
  base::WallTime ends;          // whatever happens
  Renewal renewal = Renewal::none;
  // The cookie ends here, and what has no bound of ours stands in the store.
  bool claims_in_store = false;
  std::string provider_session;     // the issuer's `sid`; empty: unknown
  std::string claims;               // JSON object: the ID token's, and userinfo's
  std::vector<std::string> scopes;  // granted
  std::string asked;                // the step-up that this login was to satisfy; empty: none

  bool operator==(const Session&) const = default;
};
using SessionPtr = std::shared_ptr<const Session>;

std::string make_session_id(crypto::RandomSource& random);

// Whether the cookie would be no larger than kSealedSessionBytesMax; claims_in_store has to be set otherwise,
// and the session be put there.
bool fits_cookie(const Session& session);

// The value of the session's cookie.
std::string seal_session(const Session& session, const Sealer& sealer, crypto::RandomSource& random);

// Whose cookie it is by its name and the request's host, and whose people the provider stands for now.
struct SessionPlace {
  std::string_view provider;
  std::string_view host;
  std::string_view registration = {};
};
// session_invalid: tampered with, for another host, provider or registration, or sealed with keys that are
// gone.
base::Result<Session> open_session(std::string_view cookie, const SessionPlace& place, const Sealer& sealer);

// What the store keeps of a session whose claims are there, and back.
std::string encode_session(const Session& session);
base::Result<Session> decode_session(std::string_view text);
// A cookie's session with the claims that the store keeps for it. session_invalid: they are of another.
base::Result<Session> complete_session(const Session& from_cookie, const Session& stored);

// Who the session says is calling: claims read by the provider's names, scopes as granted. The identity's
// credential is the session's id, and it expires when the session ends. session_invalid when the claims
// cannot be read or stand in the store.
base::Result<IdentityPtr> identity_of(const Session& session, const ClaimNames& names);

struct SessionLimits {
  base::Duration lifetime = base::seconds(12 * 3600);
  base::Duration idle = base::seconds(3600);
};
// session_ended when it is over: its lifetime, its idle time or its tokens. A session that can be renewed is
// not over when its tokens are: then renewal is due.
base::Result<> check_session(const Session& session, const SessionLimits& limits, base::WallTime now);
// Whether the tokens are about to end: renewed ahead, off the request path, from here on.
bool renewal_is_due(const Session& session, base::WallTime now);
// Whether the tokens have ended, so that the request has to wait for the renewal.
bool renewal_is_overdue(const Session& session, base::WallTime now);
// Whether the cookie is to be sealed anew so that its idle time counts from now.
bool reseal_is_due(const Session& session, const SessionLimits& limits, base::WallTime now);

}  // namespace auth
