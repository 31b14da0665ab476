// All of the control thread that deals with issuers and people's sessions, put together: discovery, tokens,
// introspection, the session store and its keys. The server hands it each generation and every worker's
// questions, and publishes what it learns.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/settings.h"
#include "control/backend_tokens.h"
#include "control/fetch.h"
#include "control/introspector.h"
#include "control/issuers.h"
#include "control/key_sets.h"
#include "control/questions.h"
#include "control/session_keys.h"
#include "control/session_store.h"
#include "control/sessions.h"
#include "control/token_endpoint.h"
#include "crypto/random.h"
#include "gate/snapshot.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/task.h"

namespace control {

class Logins {
 public:
  struct Parts {
    io::Loop& loop;
    io::Mailbox& mailbox;
    crypto::RandomSource& random;
    Fetcher& fetcher;
    KeySetKeeper& keys;
    std::string folder;  // the gate's
    IssuerKeeper::Publisher& issuers;
    SessionKeeper::Publisher& sessions;
  };
  explicit Logins(const Parts& parts);

  // Fills in what the snapshot says of sessions. A gate where nobody can log in gets no keys and no store.
  void prepare(const config::GateSettings& gate, gate::Snapshot& snapshot, config::Diagnostics& diagnostics);
  // The snapshot is in force.
  void apply(const gate::Snapshot& snapshot);
  io::Task<gate::Answer> answer(gate::Question question) { return questions_.answer(std::move(question)); }
  // Tasks of the control loop: keeps what issuers say of themselves fresh, and the sessions' keys.
  io::Task<> keep_issuers() { return issuers_.run(); }

  const IssuerKeeper& issuers() const { return issuers_; }
  const SessionStore* store() const { return stores_.empty() ? nullptr : stores_.back().get(); }

 private:
  void open_store(const config::SessionSettings& settings, config::Diagnostics& diagnostics);

  Parts parts_;
  SessionKeys session_keys_;
  TokenEndpoint tokens_;
  IssuerKeeper issuers_;
  SessionKeeper sessions_;
  Introspector introspector_;
  BackendTokenKeeper backend_tokens_;
  Questions questions_;
  std::string store_location_;
  std::vector<std::unique_ptr<SessionStore>>
      stores_;  // the last is in use; calls of earlier ones may not be over
};

}  // namespace control
