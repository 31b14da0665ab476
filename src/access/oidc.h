// OpenID Connect as a relying party, without I/O: what an issuer's metadata, token answers, ID tokens and
// logout tokens must be, and the URLs a browser is sent to. control/ fetches and calls this; gate/ builds
// redirects from it. OpenID Connect Core 1.0, Discovery 1.0, Back-Channel Logout 1.0, RP-Initiated
// Logout 1.0, RFC 6749, 7636, 8414, 8707, 9207, 9700.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/jwks.h"
#include "access/jwt.h"
#include "access/login_state.h"
#include "access/spec.h"
#include "base/result.h"
#include "base/time.h"

namespace auth {

// An oidc provider, compiled.
struct OidcPolicy {
  std::string provider;
  OidcSpec spec;
  AlgorithmSet algorithms;
  // Names the issuer and our client there. A provider that is given another has other people's logins: those
  // of before count no more, and their tokens are shown to nobody.
  std::string registration;
};
std::string name_registration(const OidcSpec& spec);

inline constexpr size_t kMetadataBytesMax = 128 * 1024;
inline constexpr size_t kTokenAnswerBytesMax = 256 * 1024;

// What the issuer's discovery document says, as far as the gate uses it. URLs are https, or http where the
// issuer's own is.
struct IssuerMetadata {
  std::string issuer;
  std::string authorization_endpoint;
  std::string token_endpoint;
  std::string jwks_uri;
  std::string userinfo_endpoint;     // empty: none
  std::string end_session_endpoint;  // empty: none
  std::string revocation_endpoint;   // empty: none; RFC 7009
  bool says_iss = false;             // RFC 9207: an answer without `iss` is refused
  bool offers_offline_access = false;
};
// The error is a sentence for the operator. issuer: as configured, compared exactly.
std::expected<IssuerMetadata, std::string> parse_issuer_metadata(std::string_view json,
                                                                 std::string_view issuer);
// issuer without a slash at its end, and "/.well-known/openid-configuration".
std::string discovery_url(std::string_view issuer);

// Where the browser is sent to log in.
struct AuthorizationRequest {
  const OidcPolicy& policy;
  const IssuerMetadata& metadata;
  const LoginState& login;
  std::string_view redirect_uri;
  // RFC 9470: what a rule asks for.
  std::string_view acr_values;
  std::optional<base::Duration> max_age;
};
std::string authorization_url(const AuthorizationRequest& request);

// What came back to the redirect URI (the query of a GET).
struct AuthorizationAnswer {
  std::string state;
  std::string code;   // empty when error is not
  std::string error;  // RFC 6749 §4.1.2.1, one of the registered codes or "other"
  std::string iss;    // empty: not said
};
// login_state_invalid where a parameter is missing, malformed or stands twice.
base::Result<AuthorizationAnswer> parse_authorization_answer(std::string_view query);
// RFC 9207 §2.4. login_refused unless it comes from the issuer the login was begun with.
base::Result<> check_answer_issuer(const AuthorizationAnswer& answer, const IssuerMetadata& metadata);

// RFC 6749 §5.1, §5.2.
struct TokenAnswer {
  std::string access_token;
  std::string refresh_token;        // empty: none (a renewal then keeps the one it used)
  std::string id_token;             // empty: none
  std::vector<std::string> scopes;  // as granted; empty: not said, so as asked for
  std::optional<base::Duration> expires_in;
  std::string issued_token_type;  // RFC 8693
  std::string token_type;
};
struct TokenRefusal {
  std::string error;     // "invalid_grant"; empty: the answer cannot be read
  std::string sentence;  // for the log, never for a client
};
std::expected<TokenAnswer, TokenRefusal> parse_token_answer(int status, std::string_view body);

// OpenID Connect Core §3.1.3.7: signature, iss, aud and azp, exp, iat, nonce where one was sent, at_hash
// where it is there, auth_time where max_age was asked.
struct IdTokenCheck {
  const OidcPolicy& policy;
  const KeySet& keys;
  std::string_view nonce;         // empty at a renewal
  std::string_view access_token;  // for at_hash; empty: not compared
  std::optional<base::Duration> max_age;
  base::WallTime now;
};
struct IdToken {
  std::string subject;
  std::string session;  // `sid`; empty: none
  std::string claims;   // the payload, JSON
  base::WallTime expires;
  base::WallTime issued;
};
// login_refused with what is wrong; key_set_unavailable when its key is not in the set.
base::Result<IdToken> verify_id_token(std::string_view token, const IdTokenCheck& check);

// userinfo's claims beside those of the ID token, which win; what is said of the token or the login (`acr`,
// `auth_time`, `sid`, …) only the ID token says. login_refused unless `sub` is the same (Core §5.3.2).
base::Result<std::string> join_claims(const IdToken& token, std::string_view userinfo);

// Back-Channel Logout §2.6, but for `jti`, which the caller claims once. credential_invalid with what is
// wrong; key_set_unavailable when its key is not in the set.
struct LogoutToken {
  std::string subject;     // empty: every subject of the session
  std::string session;     // empty: every session of the subject
  std::string id;          // `jti`
  base::WallTime expires;  // it is not accepted any more
};
base::Result<LogoutToken> verify_logout_token(std::string_view token, const OidcPolicy& policy,
                                              const KeySet& keys, base::WallTime now);

// RP-Initiated Logout §2. Empty when the issuer has no such endpoint.
struct LogoutRequest {
  const OidcPolicy& policy;
  const IssuerMetadata& metadata;
  std::string_view id_token;
  std::string_view return_uri;
};
std::string end_session_url(const LogoutRequest& request);

}  // namespace auth
