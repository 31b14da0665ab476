// What the gate asks an authorization server directly: tokens for a code, a refresh token, itself or another
// token; who somebody is; whether a token is good; that a token shall be good no more. RFC 6749, 7009, 7662,
// 8693, 8707; OpenID Connect Core §5.3. Answers are read by access/oidc.h; nothing is kept here.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "access/introspection.h"
#include "access/oidc.h"
#include "access/spec.h"
#include "control/fetch.h"
#include "io/task.h"

namespace control {

// unreachable: nobody said no, so asking again later may do.
struct CallFailure {
  std::string sentence;  // for the log; may hold what the server said, never a secret
  bool unreachable = false;
};
template <class T>
using CallResult = std::expected<T, CallFailure>;

// Every argument outlives the call.
class TokenEndpoint {
 public:
  explicit TokenEndpoint(Fetcher& fetcher) : fetcher_(fetcher) {}

  struct Issuer {
    const auth::OidcPolicy& policy;
    const auth::IssuerMetadata& metadata;
  };
  struct Code {
    std::string code;
    std::string verifier;
    std::string redirect_uri;
  };
  io::Task<CallResult<auth::TokenAnswer>> exchange_code(Issuer issuer, Code code);
  io::Task<CallResult<auth::TokenAnswer>> refresh(Issuer issuer, std::string refresh_token);
  // What a token shall be good for. Empty: not named.
  struct Target {
    std::string audience;
    std::string resource;
    std::vector<std::string> scopes;
  };
  io::Task<CallResult<auth::TokenAnswer>> client_credentials(Issuer issuer, Target target);
  // RFC 8693 §2.1, of an access token.
  io::Task<CallResult<auth::TokenAnswer>> exchange_token(Issuer issuer, std::string subject_token,
                                                         Target target);

  // The body of userinfo's answer, JSON.
  io::Task<CallResult<std::string>> fetch_userinfo(Issuer issuer, std::string access_token);
  // RFC 7009, as well as it goes: whether it did changes nothing here.
  io::Task<> revoke(Issuer issuer, std::string refresh_token);
  // The answer's body, JSON.
  io::Task<CallResult<std::string>> introspect(const auth::IntrospectionPolicy& policy, std::string token);

 private:
  io::Task<CallResult<auth::TokenAnswer>> ask_for_tokens(Issuer issuer, std::string form);

  Fetcher& fetcher_;
};

}  // namespace control
