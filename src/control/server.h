// The running gate: the control thread with its loop, and the workers it started. Loads the user's files,
// compiles generations, hands them to the workers, and sees to everything that is not a request: listeners,
// key sets, names, the access log, the admin listener, signals. Everything here happens on the control
// thread; workers post to it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/files.h"
#include "config/load.h"
#include "control/admin.h"
#include "control/compile.h"
#include "control/curl_fetcher.h"
#include "control/identity_key.h"
#include "control/key_sets.h"
#include "control/log_writer.h"
#include "control/logins.h"
#include "control/names.h"
#include "control/watcher.h"
#include "control/worker_thread.h"
#include "crypto/random.h"
#include "gate/snapshot.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/os_signals.h"
#include "io/resolver.h"
#include "io/task.h"
#include "tls/ticket_keys.h"

namespace control {

struct ServerOptions {
  std::string folder;
  std::string environment;
  std::string ready_file;  // empty: none is written
};

class Server final : private gate::ControlPlane,
                     private KeySetKeeper::Publisher,
                     private NameKeeper::Publisher,
                     private IssuerKeeper::Publisher,
                     private SessionKeeper::Publisher,
                     private AdminSource {
 public:
  Server(io::Loop& loop, ServerOptions options);
  ~Server() override;

  // Serves until drained. The exit status of the process: 0, or 2 when it could not start.
  int run();

 private:
  // One listening address, for as long as the gate's file names it.
  struct ListenerEntry {
    uint32_t number = 0;
    std::string configured;  // ":8080"
    std::string bound;       // "0.0.0.0:8080", with the port the system chose
    uint16_t port = 0;       // that port
    std::string unix_path;
    uint32_t unix_mode = 0;
  };
  struct Generation {
    uint64_t number = 0;
    base::WallTime time;
    bool last_reload_successful = true;
    base::Duration reload_time;
    config::Diagnostics diagnostics;
    config::LoadedGate loaded;         // what is served, as far as it is not refused
    std::vector<std::string> refused;  // services that serve an earlier version, or nothing
    base::Instant began;
    gate::SnapshotPtr snapshot;
  };

  // gate::ControlPlane: called by workers.
  void request_keys(uint32_t key_slot) override;
  void ask(uint32_t worker, uint64_t number, gate::Question question) override;
  void worker_drained(uint32_t worker) override;
  void wake_log_writer() override;
  // What the keepers learn, passed on to the workers.
  void publish_keys(uint32_t key_slot, const auth::KeySetPtr& keys) override;
  void publish_checked(uint32_t key_slot) override;
  void publish_issuer(const std::string& provider, const gate::IssuerMetadataPtr& metadata) override;
  void publish_renewed(const gate::RenewedSession& renewed) override;
  void publish_revocation(const auth::Revocation& revocation) override;
  void publish_revoked(gate::Sessions::Revoked known) override;
  void publish_endpoints(const gate::Worker::ResolvedEndpoints& resolved) override;

  bool start();
  io::Task<> watch_files();
  io::Task<> watch_signals();
  io::Task<> deliver_mail();
  io::Task<> rotate_ticket_keys();
  io::Task<> renew_session_keys();
  io::Task<> warn_of_expiry();
  void reload(const Watcher::Changes& changes);
  // Something that was defined is not there now.
  bool takes_away(const Watcher::Changes& changes) const;
  bool take(config::LoadedGate loaded, base::Instant began);
  void finish_load(config::Diagnostics diagnostics, const config::Diagnostics& before);
  void publish(Compiled& compiled);
  void apply_listeners(const config::GateSettings& gate, const Compiled& compiled,
                       config::Diagnostics& diagnostics);
  void add_listener(const config::ListenerSettings& settings, const std::string& name,
                    config::Diagnostics& diagnostics);
  void remove_listener(ListenerEntry& entry);
  void fill_listener_policies(const config::GateSettings& gate, Compiled& compiled);
  uint16_t redirect_port(const config::GateSettings& gate) const;
  void apply_admin(const config::GateSettings& gate, config::Diagnostics& diagnostics);
  void apply_log(const config::GateSettings& gate, config::Diagnostics& diagnostics);
  void apply_signer(const config::GateSettings& gate, gate::Snapshot& snapshot,
                    config::Diagnostics& diagnostics);
  void report(const config::Diagnostics& before) const;
  std::string describe_generation() const;
  io::Task<> answer_question(uint32_t worker, uint64_t number, gate::Question question);
  void write_ready_file() const;
  void begin_drain();
  template <class Call>
  void post_to_workers(const Call& call);

  // admin_api.cc
  AdminAnswer admin_answer(std::string_view path) override;
  std::string format_metrics() const;
  std::string format_status() const;
  std::string format_services() const;
  uint64_t serving_count() const;

  io::Loop& loop_;
  ServerOptions options_;
  std::unique_ptr<io::SignalListener> signals_;
  io::Mailbox mailbox_;
  crypto::SystemRandom random_;
  config::DiskFiles files_;
  config::Loader loader_;
  std::shared_ptr<tls::TicketKeys> ticket_keys_;
  Compiler compiler_;
  IdentityKey identity_key_;
  Generation current_;
  base::WallTime last_success_;
  base::Instant started_;
  bool ready_ = false;
  bool draining_ = false;
  uint32_t workers_drained_ = 0;
  uint32_t next_listener_ = 0;
  std::vector<ListenerEntry> listeners_;
  std::vector<CompiledListenerPtr> compiled_listeners_;  // as served now
  std::vector<gate::ListenerPolicy> policies_;           // by number, also of listeners that are gone
  std::string admin_configured_;
  std::string admin_bound_;
  std::string log_path_;
  LogForm log_form_ = LogForm::json;
  bool log_on_ = false;
  std::unique_ptr<io::Resolver> resolver_;
  CurlFetcher fetcher_;
  KeySetKeeper keys_;
  Logins logins_;
  NameKeeper names_;
  Watcher watcher_;
  LogWriter log_;
  std::unique_ptr<auth::ReplayGuard> replays_;  // outlives the workers
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  Admin admin_;
  io::Scope tasks_;
};

}  // namespace control
