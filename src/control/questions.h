// Answers what workers ask (gate/inquiry.h), each by whoever keeps it. Control thread only; a question is a
// task of its own here, whether or not the exchange that asked still waits.
#pragma once

#include "control/backend_tokens.h"
#include "control/introspector.h"
#include "control/issuers.h"
#include "control/sessions.h"
#include "gate/inquiry.h"
#include "io/task.h"

namespace control {

class Questions {
 public:
  struct Parts {
    IssuerKeeper& issuers;
    SessionKeeper& sessions;
    Introspector& introspector;
    BackendTokenKeeper& backend_tokens;
  };
  explicit Questions(const Parts& parts) : parts_(parts) {}

  io::Task<gate::Answer> answer(gate::Question question);

 private:
  io::Task<gate::Answer> of(gate::FindIssuer question);
  io::Task<gate::Answer> of(gate::CompleteLogin question) {
    return parts_.sessions.complete_login(std::move(question));
  }
  io::Task<gate::Answer> of(gate::RenewSession question) {
    return parts_.sessions.renew(std::move(question));
  }
  io::Task<gate::Answer> of(gate::LoadSession question) { return parts_.sessions.load(std::move(question)); }
  io::Task<gate::Answer> of(gate::EndSession question) { return parts_.sessions.end(std::move(question)); }
  io::Task<gate::Answer> of(gate::TakeLogoutToken question) {
    return parts_.sessions.take_logout_token(std::move(question));
  }
  io::Task<gate::Answer> of(gate::Introspect question) {
    return parts_.introspector.ask(std::move(question));
  }
  io::Task<gate::Answer> of(gate::FetchBackendToken question);

  Parts parts_;
};

}  // namespace control
