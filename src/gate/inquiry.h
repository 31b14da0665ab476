// What an exchange asks of the control thread, which talks to issuers and keeps sessions, and the answer it
// waits for. The answer comes as a post to the worker; an exchange that is gone by then is not missed, and
// what was asked goes on without it: others may wait for the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>

#include "access/identity.h"
#include "access/login_state.h"
#include "access/session.h"
#include "base/result.h"
#include "gate/snapshot.h"
#include "io/loop.h"

namespace gate {

// The browser is back with a code. Answer: session.
struct CompleteLogin {
  auth::LoginState login;
  std::string code;
  std::string redirect_uri;
};
// The session's tokens end soon or have ended. Answer: session, of the next version; session_ended when the
// issuer does not renew it.
struct RenewSession {
  auth::SessionPtr session;
};
// A cookie whose claims are in the store. Answer: session, whole.
struct LoadSession {
  auth::SessionPtr session;
};
// Answer: text, the URL where the issuer's own session is ended (RP-initiated logout); empty: it has none.
enum class SignOut : uint8_t { here, everywhere };
struct EndSession {
  auth::SessionPtr session;
  std::string subject;
  SignOut reach = SignOut::here;
  std::string return_uri;  // post_logout_redirect_uri
};
// OpenID Connect Back-Channel Logout 1.0 §2.5. Answer: nothing but the error.
struct TakeLogoutToken {
  std::string provider;
  std::string token;
};
// RFC 7662. Answer: identity and until; credential_invalid when the token is not active.
struct Introspect {
  std::string provider;
  std::string token;
};
// A token to call the service's backend with. Answer: text and until.
struct FetchBackendToken {
  std::shared_ptr<const Service> service;
  std::string subject_token;  // the caller's own, as it came; empty: there is none
  auth::SessionPtr session;   // or else the session whose tokens are in the store
  auth::IdentityPtr caller;
};

using Question = std::variant<CompleteLogin, RenewSession, LoadSession, EndSession, TakeLogoutToken,
                              Introspect, FetchBackendToken>;

struct Answer {
  base::Result<> outcome;
  auth::SessionPtr session;
  auth::IdentityPtr identity;
  std::string text;
  base::WallTime until;  // how long identity or text may be used
};

// The questions of one worker that wait for an answer.
class Inquiries {
 public:
  // Lives in the coroutine that waits.
  struct Seat {
    ~Seat();
    io::Signal answered;
    std::optional<Answer> answer;
    Inquiries* owner = nullptr;
    uint64_t number = 0;
  };
  uint64_t take_seat(Seat& seat);
  void deliver(uint64_t number, Answer answer);

 private:
  std::unordered_map<uint64_t, Seat*> seats_;
  uint64_t last_ = 0;
};

}  // namespace gate
