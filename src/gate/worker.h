// One thread of the data plane: its loop, listeners, connections, pools, caches and counters. Workers share
// nothing; the control thread talks to them by posting. What a worker owns outlives every exchange it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "access/assertion.h"
#include "access/jwks.h"
#include "access/replay_guard.h"
#include "access/token_cache.h"
#include "backends/pool.h"
#include "crypto/random.h"
#include "gate/backend_tokens.h"
#include "gate/clients.h"
#include "gate/inquiry.h"
#include "gate/sessions.h"
#include "gate/snapshot.h"
#include "io/broadcast.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/stream.h"
#include "io/task.h"
#include "telemetry/access_log.h"
#include "telemetry/log_ring.h"
#include "telemetry/metrics.h"
#include "telemetry/request_id.h"

namespace gate {

// What a worker keeps for one service over all generations. Exchanges share it, so that it may be forgotten
// while they run.
struct ServiceState {
  ServiceState(const backends::PoolLimits& limits, const backends::PoolParts& parts) : pool(limits, parts) {}
  backends::Pool pool;
  io::Broadcast endpoints_arrived;
  uint64_t generation = 0;  // Service::backends_generation of the endpoints the pool has or waits for
  // How far the names of the service's backends have been looked up; literal addresses are `done` at once,
  // and names of an older generation, which nobody looks up any more, are `replaced`.
  enum class Lookup : uint8_t { pending, done, failed, replaced } lookup = Lookup::pending;
};

// What a worker asks of the control thread. Implemented there; callable from any worker, must not block.
class ControlPlane {
 public:
  virtual ~ControlPlane() = default;
  // A token named a key that the set at hand lacks. The control thread refetches, at a limited rate, and
  // answers with Worker::keys_checked whether or not there was anything new.
  virtual void request_keys(uint32_t key_slot) = 0;
  // Whatever takes an issuer, the session store, or a token to find out. Answered with Worker::answer under
  // the same number, unless that is kNobodyWaits.
  virtual void ask(uint32_t worker, uint64_t number, Question question) = 0;
  // A worker that was told to drain has no connection left.
  virtual void worker_drained(uint32_t worker) = 0;
  // Lines wait in the worker's log ring.
  virtual void wake_log_writer() = 0;
};

// The loop's parts come from outside, so that the whole request path also runs in one thread on an in-memory
// network with a clock that is advanced by hand.
struct WorkerParts {
  uint32_t index = 0;
  io::Loop& loop;
  io::Network& network;
  crypto::RandomSource& random;
  ControlPlane& control;
  auth::ReplayGuard& replays;  // the process's
};

enum class AccessLog : uint8_t { off, on };

class Worker {
 public:
  explicit Worker(const WorkerParts& parts);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The worker's own thread, mostly by way of mailbox().
  // ------------------------------------------------------
  void apply(SnapshotPtr snapshot);
  struct ResolvedEndpoints {
    uint32_t slot = 0;
    uint64_t generation = 0;              // Service::backends_generation they were looked up for
    backends::EndpointListPtr endpoints;  // null: none was found
  };
  void set_endpoints(ResolvedEndpoints resolved);
  void forget_service(uint32_t slot);
  void put_keys(uint32_t key_slot, auth::KeySetPtr keys);
  void keys_checked(uint32_t key_slot);
  void answer(uint64_t number, Answer answer) { inquiries_.deliver(number, std::move(answer)); }
  void put_renewed_session(RenewedSession renewed);
  void revoke(const auth::Revocation& revocation);
  void put_issuer(std::string provider, IssuerMetadataPtr metadata);
  void set_access_log(AccessLog choice) { access_log_ = choice; }
  void add_listener(uint32_t number, std::unique_ptr<io::Listener> listener);
  void remove_listener(uint32_t number);
  // Takes no new connections, closes idle ones, finishes what is in flight; what is left at the deadline is
  // cut.
  void drain(base::Duration deadline);

  // For exchanges.
  // --------------------------------------------------------------------------------------------
  const SnapshotPtr& snapshot() const { return snapshot_; }
  // With the very backends that the definition names: an exchange that decided by other rules than the newest
  // gets a state of its own. Asked again before each attempt and after each wait, since these may be
  // replaced.
  std::shared_ptr<ServiceState> state_of(const Service& service);
  io::Loop& loop() { return parts_.loop; }
  io::Network& network() { return parts_.network; }
  crypto::RandomSource& random() { return parts_.random; }
  ControlPlane& control() { return parts_.control; }
  auth::ReplayGuard& replays() { return parts_.replays; }
  base::Instant now() { return parts_.loop.clock().now(); }  // exact; loop().now() is this turn's beginning
  base::WallTime wall_at(base::Instant instant) const { return {instant.ns + wall_offset_ns_}; }
  std::string_view http_date();  // RFC 9110 §5.6.7, of this second
  uint64_t random_word();
  telemetry::RequestIdGenerator& ids() { return ids_; }
  auth::TokenCache& tokens() { return tokens_; }
  auth::AssertionCache& assertions() { return assertions_; }
  auth::KeySets& key_sets() { return key_sets_; }
  // snapshot() is another one, a session was revoked, or draining() has become true. Everybody is told, in
  // turns.
  io::Broadcast& generations() { return generations_; }
  io::Broadcast& keys_arrived() { return keys_arrived_; }
  // Asks the control thread to look for new keys, unless it was just asked or has just answered: key ids can
  // be made up at will, and must cost it nothing. False: there is no answer to wait for.
  bool ask_for_keys(uint32_t key_slot);
  uint64_t keys_checks(uint32_t key_slot) const;  // answers so far
  Sessions& sessions() { return sessions_; }
  Inquiries& inquiries() { return inquiries_; }
  BackendTokens& backend_tokens() { return backend_tokens_; }
  // For what all workers are told anyway.
  void ask_without_waiting(Question question) {
    parts_.control.ask(parts_.index, kNobodyWaits, std::move(question));
  }
  uint32_t index() const { return parts_.index; }
  bool draining() const { return draining_; }
  Clients& clients() { return clients_; }
  // Where a listener that was ever added listens.
  const io::Address& listener_address(uint32_t number) const { return listener_addresses_[number]; }
  // The one place an exchange ends in: counts it and writes its line.
  void record(const telemetry::ExchangeRecord& record);

  // Any thread.
  // -----------------------------------------------------------------------------------------------
  io::Mailbox& mailbox() { return mailbox_; }
  telemetry::LogRing& log_ring() { return log_ring_; }
  telemetry::WorkerMetrics& metrics() { return metrics_; }

 private:
  struct ListenerSlot;

  io::Task<> deliver_mail();
  io::Task<> accept_clients(ListenerSlot& slot);
  io::Task<> keep_house();
  io::Task<> tell_of_generations();
  io::Task<> finish_drain(base::Instant deadline);
  bool is_served(uint32_t slot) const;
  std::shared_ptr<ServiceState> make_state(uint32_t slot);
  static void use_backends(ServiceState& state, const Service& service);
  void release_leaving();

  WorkerParts parts_;
  io::Mailbox mailbox_;
  SnapshotPtr snapshot_;
  telemetry::WorkerMetrics metrics_;
  telemetry::LogRing log_ring_;
  telemetry::AccessLogFormat log_format_;
  telemetry::RequestIdGenerator ids_;
  uint64_t random_state_;
  auth::TokenCache tokens_;
  auth::AssertionCache assertions_;
  auth::KeySets key_sets_;
  struct KeysCheck {
    uint64_t answers = 0;
    base::Instant asked;  // when there is no answer yet
    base::Instant answered;
  };
  KeysCheck& keys_check(uint32_t key_slot);
  std::vector<KeysCheck> keys_checks_;  // by key slot
  io::Broadcast keys_arrived_;
  Sessions sessions_;
  Inquiries inquiries_;
  BackendTokens backend_tokens_;
  io::Broadcast generations_;
  io::Signal applied_;
  std::vector<std::shared_ptr<ServiceState>> services_;  // by slot; made at the first request
  // Of services that were removed while exchanges still use them; their series go with the last one.
  std::vector<std::pair<uint32_t, std::shared_ptr<ServiceState>>> leaving_;
  bool draining_ = false;
  AccessLog access_log_ = AccessLog::off;  // until it is told where to
  int64_t wall_offset_ns_ = 0;             // wall clock minus monotonic, looked at every second
  std::string date_;
  std::vector<std::unique_ptr<ListenerSlot>> listeners_;
  std::vector<io::Address> listener_addresses_;  // by number
  Clients clients_;
  io::Scope connections_;  // destroyed first: its coroutines use everything above
  io::Scope tasks_;
};

}  // namespace gate
