// What the gate remembers between sending a browser to an issuer and its coming back: in a cookie of that
// browser alone, sealed, one for each login under way, so that several tabs do not disturb each other.
// Nothing here does I/O.
#pragma once

#include <string>
#include <string_view>

#include "access/session.h"

namespace auth {

// Addresses of the gate's own, on every host.
inline constexpr std::string_view kOwnPrefix = "/.well-known/gatehouse/";

inline constexpr base::Duration kLoginTime = base::seconds(600);  // from the redirect to the answer
inline constexpr size_t kLoginsMax = 4;  // under way in one browser; older ones are removed
// Leaves room for the rest of the login in a cookie of 4,096 bytes.
inline constexpr size_t kReturnToBytesMax = 2000;

struct LoginState {
  std::string state;     // 43 characters, 256 random bits (RFC 6749 §10.12)
  std::string nonce;     // likewise; the ID token repeats it
  std::string verifier;  // likewise; RFC 7636
  std::string provider;
  std::string host;
  std::string registration;  // OidcPolicy::registration when it began
  std::string return_to;     // a path of that host, checked by check_return_to()
  std::string asked;         // the step-up asked for, as StepUp::text(); empty: none
  base::WallTime began;

  bool operator==(const LoginState&) const = default;
};
LoginState make_login_state(crypto::RandomSource& random);  // only what is random

// BASE64URL(SHA256(verifier)), RFC 7636 §4.2.
std::string pkce_challenge(std::string_view verifier);

// kLoginCookiePrefix and the first 8 characters of the state. Empty when it is no state of ours: it comes
// from the query of a request, and would become part of a header.
std::string login_cookie_name(std::string_view state);
std::string seal_login(const LoginState& login, const Sealer& sealer, crypto::RandomSource& random);

// What came back, and where to.
struct LoginReturn {
  std::string_view cookie;  // the value of the one that login_cookie_name() names
  std::string_view state;
  SessionPlace place;
  base::WallTime now;
};
// login_state_invalid: no such login, of another state, browser, host, provider or
// registration, or too old.
base::Result<LoginState> open_login(const LoginReturn& back, const Sealer& sealer);

// Whether a browser may be sent to this after a login: a path of the same host, with or without a query, in
// the one form in which requests are matched (http/target.h). Whoever reads it, as it stands or decoded,
// finds no other host: refuses schemes, `//`, `/\`, dot segments, control characters, white space and all
// that is not ASCII, and what would be one of them when decoded at the path's beginning. The gate's own
// addresses are no place to return to, or a login would lead to a login.
bool check_return_to(std::string_view path);

}  // namespace auth
