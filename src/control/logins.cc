#include "control/logins.h"

#include <algorithm>

#include "control/state_folder.h"

namespace control {

Logins::Logins(const Parts& parts)
    : parts_(parts),
      session_keys_(parts.folder, parts.random),
      tokens_(parts.fetcher),
      issuers_(
          {.loop = parts.loop, .fetcher = parts.fetcher, .keys = parts.keys, .publisher = parts.issuers}),
      sessions_({.loop = parts.loop,
                 .random = parts.random,
                 .tokens = tokens_,
                 .issuers = issuers_,
                 .keys = parts.keys,
                 .publisher = parts.sessions}),
      introspector_(parts.loop, tokens_),
      backend_tokens_({.loop = parts.loop, .tokens = tokens_, .issuers = issuers_}),
      questions_({.issuers = issuers_,
                  .sessions = sessions_,
                  .introspector = introspector_,
                  .backend_tokens = backend_tokens_}) {}

void Logins::prepare(const config::GateSettings& gate, gate::Snapshot& snapshot,
                     config::Diagnostics& diagnostics) {
  bool anybody =
      std::ranges::any_of(gate.providers, [](const auto& provider) { return provider.oidc.has_value(); });
  if (!anybody) return;
  snapshot.session_limits = gate.sessions.limits;
  snapshot.sealer = session_keys_.make_sealer(gate.sessions, parts_.loop.clock().wall_now());
  open_store(gate.sessions, diagnostics);
}

void Logins::apply(const gate::Snapshot& snapshot) {
  issuers_.apply(*snapshot.providers);
  introspector_.apply(snapshot.providers);
  backend_tokens_.apply(snapshot.providers);
  sessions_.apply(snapshot.providers, snapshot.sealer, snapshot.session_limits);
}

void Logins::open_store(const config::SessionSettings& settings, config::Diagnostics& diagnostics) {
  std::string own = make_state_folder(parts_.folder) + "/sessions.db";
  std::string location = settings.redis.empty() ? own : settings.redis;
  if (location == store_location_) return;
  StoreParts parts{.loop = parts_.loop, .mailbox = parts_.mailbox, .listener = sessions_};
  sessions_.await_revocations();
  if (settings.redis.empty()) {
    stores_.push_back(make_embedded_store(parts, own));
  } else if (auto redis = make_redis_store(parts, settings.redis)) {
    stores_.push_back(std::move(*redis));
  } else {
    diagnostics.push_back(
        {.severity = config::Severity::error, .key = "sessions.store", .message = std::move(redis.error())});
    if (!stores_.empty()) return;
    // Something to call, which is not asked who has signed out: that only the other would know.
    stores_.push_back(make_embedded_store(parts, own));
    sessions_.await_revocations();
  }
  store_location_ = std::move(location);
  sessions_.use_store(*stores_.back());
}

}  // namespace control
