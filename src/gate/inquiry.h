// What an exchange asks of the control thread, which talks to issuers and keeps sessions, and the answer it
// waits for. The answer comes as a post to the worker; an exchange that is gone by then is not missed, and
// what was asked goes on without it: others may wait for the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>

#include "access/identity.h"
#include "access/login_state.h"
#include "access/oidc.h"
#include "access/session.h"
#include "base/result.h"
#include "gate/snapshot.h"
#include "io/loop.h"

namespace gate {

// A login is to begin and the issuer's metadata is not at hand. Answer: nothing but the error; the metadata
// is posted before it.
struct FindIssuer {
  std::string provider;
};
// The browser is back with a code. Answer: session, and text, the cookie's value.
struct CompleteLogin {
  auth::LoginState login;
  auth::AuthorizationAnswer answer;  // to that login
  std::string redirect_uri;
  std::optional<base::Duration> max_age;  // what was asked for
};
// The session's tokens end soon or have ended. Answer: session, of the next version, and text, its cookie's
// value; session_ended when the issuer does not renew it. All workers are told the same.
struct RenewSession {
  auth::SessionPtr session;
};
// A cookie whose claims are in the store. Answer: session, whole, and text, its cookie's value.
struct LoadSession {
  auth::SessionPtr session;
};
// gate: this session alone. provider: and the issuer's own, which would let the browser in again unasked.
// everywhere: and every other session of the person's with this gate. Answer: text, the URL where the
// issuer's own session is ended (RP-initiated logout); empty: it has none, or that was not asked for.
enum class SignOut : uint8_t { gate, provider, everywhere };
struct EndSession {
  auth::SessionPtr session;
  std::string subject;
  SignOut reach = SignOut::provider;
  std::string return_uri;  // post_logout_redirect_uri
};
// OpenID Connect Back-Channel Logout 1.0 §2.7, of a token that was verified. Answer: nothing but the error.
struct TakeLogoutToken {
  std::string provider;
  auth::LogoutToken token;
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

using Question = std::variant<FindIssuer, CompleteLogin, RenewSession, LoadSession, EndSession,
                              TakeLogoutToken, Introspect, FetchBackendToken>;

struct Answer {
  base::Result<> outcome;
  auth::SessionPtr session;
  auth::IdentityPtr identity;
  std::string text;
  base::WallTime until;  // how long identity or text may be used
};

// Nobody waits for the answer: what was asked is told to all workers anyway.
inline constexpr uint64_t kNobodyWaits = 0;

// The questions of one worker that wait for an answer.
class Inquiries {
 public:
  // Lives in the coroutine that waits.
  class Seat {
   public:
    explicit Seat(Inquiries& inquiries) : inquiries_(inquiries), number_(++inquiries.last_) {
      inquiries_.seats_.emplace(number_, this);
    }
    ~Seat() { inquiries_.seats_.erase(number_); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    uint64_t number() const { return number_; }
    io::Signal answered;
    std::optional<Answer> answer;

   private:
    Inquiries& inquiries_;
    uint64_t number_;
  };

  void deliver(uint64_t number, Answer answer) {
    auto found = seats_.find(number);
    if (found == seats_.end()) return;
    found->second->answer = std::move(answer);
    found->second->answered.fire();
  }

 private:
  std::unordered_map<uint64_t, Seat*> seats_;
  uint64_t last_ = kNobodyWaits;
};

}  // namespace gate
