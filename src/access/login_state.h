// What the gate remembers between sending a browser to an issuer and its coming back: in a cookie of that
// browser alone, sealed, one for each login under way, so that several tabs do not disturb each other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "access/session.h"

namespace auth {

inline constexpr base::Duration kLoginTime = base::seconds(600);  // from the redirect to the answer
inline constexpr size_t kLoginsMax = 4;  // under way in one browser; older ones are removed

struct LoginState {
  std::string state;     // 43 characters, 256 random bits (RFC 6749 §10.12)
  std::string nonce;     // likewise; the ID token repeats it
  std::string verifier;  // likewise; RFC 7636
  std::string provider;
  std::string host;
  std::string return_to;  // a path of that host, checked by check_return_to()
  std::string asked;      // the step-up asked for, as StepUp::text(); empty: none
  base::WallTime began;
};
LoginState make_login_state(crypto::RandomSource& random);  // only what is random

// BASE64URL(SHA256(verifier)), RFC 7636 §4.2.
std::string pkce_challenge(std::string_view verifier);

// kLoginCookiePrefix and the first 8 characters of the state.
std::string login_cookie_name(std::string_view state);
std::string seal_login(const LoginState& login, const Sealer& sealer, crypto::RandomSource& random);
// login_state_invalid: no such login, of another browser, host or provider, or too old.
base::Result<LoginState> open_login(std::string_view cookie, const Sealer::Binding& binding,
                                    const Sealer& sealer, base::WallTime now);

// Whether a browser may be sent to this after a login: a path of the same host, with or without a query.
// Refuses `//`, `/\`, control characters and white space, also percent-encoded, schemes and anything that is
// not a path.
bool check_return_to(std::string_view path);

}  // namespace auth
