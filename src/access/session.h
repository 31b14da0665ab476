// A person who is logged in: what the session cookie holds and how it is sealed. The cookie is the session;
// tokens stay in the session store (docs/decisions/0013). Made by control/ at a login or a renewal, opened by
// the stage "authenticate". Nothing here does I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "access/spec.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/aead.h"
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

// Renewed by the gate before tokens_until while there is a refresh token for it in the store.
enum class Renewal : uint8_t { none, possible };

struct Session {
  std::string id;  // 22 characters of base64url, 128 random bits; another at every login
  std::string provider;
  std::string host;      // lower case, without the port; the cookie counts nowhere else
  uint32_t version = 0;  // renewals so far
  base::WallTime signed_in;
  base::WallTime seen;          // when it was last sealed: idle time counts from here
  base::WallTime tokens_until;  // when the access token ends
  base::WallTime ends;          // whatever happens
  Renewal renewal = Renewal::none;
  std::string provider_session;     // the issuer's `sid`; empty: unknown
  std::string claims;               // JSON object: the ID token's, and userinfo's
  bool claims_in_store = false;     // claims did not fit the cookie
  std::vector<std::string> scopes;  // granted
  std::string asked;                // the step-up that this login was to satisfy; empty: none
};
using SessionPtr = std::shared_ptr<const Session>;

std::string make_session_id(crypto::RandomSource& random);

// Seals what goes to a browser and must come back unread and unchanged: sessions and login states. Immutable;
// the first key seals, all of them open, so that keys are replaced without logging anybody out. Any thread.
class Sealer {
 public:
  explicit Sealer(std::vector<crypto::AeadKey> keys);  // at least one

  // base64url. purpose and context are authenticated, each behind its length, and have to be the same again.
  struct Binding {
    std::string_view purpose;  // "session", "login"
    std::string_view provider;
    std::string_view host;
  };
  std::string seal(std::string_view plain, const Binding& binding, crypto::RandomSource& random) const;
  std::optional<std::string> open(std::string_view sealed, const Binding& binding) const;

  uint64_t serial() const { return serial_; }  // unique in the process

 private:
  std::vector<crypto::AeadKey> keys_;
  uint64_t serial_;
};

// The value of the session's cookie; claims are left out when it would be larger than kSealedSessionBytesMax,
// and claims_in_store is set.
std::string seal_session(const Session& session, const Sealer& sealer, crypto::RandomSource& random);

// session_invalid: tampered with, for another host or provider, or sealed with keys that are gone.
base::Result<Session> open_session(std::string_view cookie, const Sealer::Binding& binding,
                                   const Sealer& sealer);

// What the store keeps for a session whose claims are there, and back.
std::string encode_session(const Session& session);
base::Result<Session> decode_session(std::string_view text);

// Who the session says is calling: claims read by the provider's names. Identity::expires is the session's
// end. session_invalid when the claims cannot be read.
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
