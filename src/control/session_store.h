// Where sessions leave what must outlive a process or reach another gate: tokens, large claims, revocations,
// and what may be used once. SQLite in the gate's folder, on a thread of its own, or Redis, on the control
// loop. The control thread awaits either; nothing blocks it. Values are sealed before they come here, and
// neither they nor keys are ever logged. Whoever gets an error must not take it for a yes.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "access/revocations.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/task.h"

namespace tls {
class TrustStore;
}

namespace control {

// A sentence for the operator.
using StoreError = std::string;

inline constexpr size_t kStoreKeyBytesMax = 512;
inline constexpr size_t kStoreValueBytesMax = 256 * 1024;

// Destroying a Task is safe at any time: what it asked may be done all the same. The store outlives its
// Tasks.
class SessionStore {
 public:
  template <class T = void>
  using Result = std::expected<T, StoreError>;

  virtual ~SessionStore() = default;

  virtual io::Task<Result<>> put(std::string key, std::string value, base::WallTime until) = 0;
  // nullopt: there is none, or its time has passed.
  virtual io::Task<Result<std::optional<std::string>>> get(std::string key) = 0;
  virtual io::Task<Result<>> erase(std::string key) = 0;
  // True for the first who claims the key: a state, a logout token's id, the right to renew a session. False
  // for everybody else until then, unless it is erased, and always when the time has passed already.
  virtual io::Task<Result<bool>> claim(std::string key, base::WallTime until) = 0;
  // Told to the listener at once, whatever becomes of the rest; then kept, and told to every gate that shares
  // the store.
  virtual io::Task<Result<>> revoke(auth::Revocation revocation) = 0;

  // Called on the control thread. Some are told more than once.
  struct Listener {
    virtual ~Listener() = default;
    virtual void revoked(const auth::Revocation& revocation) = 0;
    // Once: all that was revoked before has been told. Until then nobody can say of a session that it has not
    // ended. The embedded store calls it before it is made, Redis when it has answered.
    virtual void caught_up() = 0;
  };

  struct Status {
    std::string kind;      // "embedded", "redis"
    std::string location;  // without secrets
    std::string problem;   // of the last call, or a lasting one; empty: there is none
  };
  virtual Status status() const = 0;
};

// Whether both are of a size that is kept: what both stores refuse, before they ask anybody.
SessionStore::Result<> check_store_sizes(std::string_view key, std::string_view value);

struct StoreParts {
  io::Loop& loop;
  io::Mailbox& mailbox;  // the control thread's, which outlives the store
  SessionStore::Listener& listener;
};

// path: of the file, in the gate's `.gatehouse/`. One that is damaged or foreign is set aside, and where none
// can be written sessions are kept in memory: both with a warning in the log.
std::unique_ptr<SessionStore> make_embedded_store(const StoreParts& parts, const std::string& path);

// url: as redis::parse_target() takes it; one server, not a cluster. trust: of a rediss:// server; null: the
// machine's own authorities. A call fails within a second rather than wait for a server that is gone, and
// sessions that other gates revoke meanwhile are heard of once it is back.
SessionStore::Result<std::unique_ptr<SessionStore>> make_redis_store(
    const StoreParts& parts, const std::string& url, std::shared_ptr<const tls::TrustStore> trust = nullptr);

}  // namespace control
