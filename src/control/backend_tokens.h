// Tokens that backends are called with (a service's `token`): the gate's own by client credentials, one
// exchanged for the caller's, or the caller's where it was made for the backend. Had once, kept until they
// end, and had anew ahead of that; an issuer that fails then changes nothing until the token ends. Workers
// keep what they were given (gate/backend_tokens.h). Control thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "access/providers.h"
#include "control/issuers.h"
#include "control/token_endpoint.h"
#include "gate/inquiry.h"
#include "io/broadcast.h"
#include "io/loop.h"
#include "io/task.h"

namespace control {

class BackendTokenKeeper {
 public:
  static constexpr size_t kTokensMax = 16'384;

  struct Parts {
    io::Loop& loop;
    TokenEndpoint& tokens;
    IssuerKeeper& issuers;
  };
  explicit BackendTokenKeeper(const Parts& parts) : parts_(parts) {}
  ~BackendTokenKeeper() { ahead_.cancel_all(); }

  void apply(std::shared_ptr<const auth::Providers> providers) { providers_ = std::move(providers); }
  // subject_token is filled in also for a session. Answer::until is when to ask again.
  io::Task<gate::Answer> find(gate::FetchBackendToken question);

 private:
  struct Token {
    std::string text;  // empty: none yet, or it has ended
    base::WallTime ends;
    base::WallTime renew_at;
    base::WallTime last_used;
    bool asking = false;
    base::Error error;  // of the last try
    io::Broadcast asked;
  };
  // Everything a token depends on.
  static std::string key_of(const auth::Provider& provider, const gate::FetchBackendToken& question);
  gate::Answer answer_caller(const gate::FetchBackendToken& question) const;
  io::Task<> obtain(std::shared_ptr<Token> token, std::shared_ptr<const auth::Providers> providers,
                    gate::FetchBackendToken question);
  void make_room();
  base::WallTime now() const { return parts_.loop.clock().wall_now(); }

  Parts parts_;
  std::shared_ptr<const auth::Providers> providers_;
  std::unordered_map<std::string, std::shared_ptr<Token>> tokens_;
  io::Scope ahead_;
};

}  // namespace control
