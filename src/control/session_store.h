// Where sessions leave what must outlive a process or reach another gate: tokens, large claims, revocations,
// and what may be used once. SQLite in the gate's folder, or Redis. Works on a thread of its own; the control
// thread awaits it. Values are sealed before they come here.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/revocations.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/task.h"

namespace control {

// A sentence for the operator.
using StoreError = std::string;

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  virtual io::Task<std::expected<void, StoreError>> put(std::string key, std::string value,
                                                        base::WallTime until) = 0;
  virtual io::Task<std::expected<std::optional<std::string>, StoreError>> get(std::string key) = 0;
  virtual io::Task<std::expected<void, StoreError>> erase(std::string key) = 0;
  // True for the first who claims the key: a state, a logout token's id, the right to renew a session.
  virtual io::Task<std::expected<bool, StoreError>> claim(std::string key, base::WallTime until) = 0;
  // Kept, and told to every gate that shares the store, this one included.
  virtual io::Task<std::expected<void, StoreError>> revoke(auth::Revocation revocation) = 0;

  // Told on the control thread: what is kept from before, then whatever comes.
  struct Listener {
    virtual ~Listener() = default;
    virtual void revoked(const auth::Revocation& revocation) = 0;
  };

  struct Status {
    std::string kind;  // "embedded", "redis"
    std::string location;
    std::string problem;  // of the last call; empty: it went well
  };
  virtual Status status() const = 0;
};

struct StoreParts {
  io::Loop& loop;
  io::Mailbox& mailbox;  // the control thread's
  SessionStore::Listener& listener;
};

// path: of the database file; its folder is made. Falls back to memory, with a warning in the log, where
// nothing can be written.
std::unique_ptr<SessionStore> make_embedded_store(const StoreParts& parts, const std::string& path);

// url: redis://[[user]:password@]host[:port][/database] or rediss://, unix:/path. Connects when first used,
// and again after a failure; a call fails within a second rather than wait for a server that is gone.
std::unique_ptr<SessionStore> make_redis_store(const StoreParts& parts, const std::string& url);

}  // namespace control
