// From settings to what the data plane decides by: a Snapshot made of per-service parts. The running gate
// keeps one Compiler and calls it at every reload; `check`, `test` and `explain` make one for a single use.
// It decides whom a conflict refuses and what a refused service or listener goes on with; it never reads a
// user's file, resolves a name or touches a worker. Control thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/load.h"
#include "control/listeners.h"
#include "control/wires.h"
#include "gate/snapshot.h"
#include "io/clock.h"

namespace control {

// A service with backends that have to be looked up. The same generation means the same addresses as before.
struct NamesToResolve {
  uint32_t slot = 0;
  uint64_t generation = 0;  // gate::Service::backends_generation
  std::shared_ptr<const config::ServiceSettings>
      settings;  // forward.to, in which literal addresses may stand too
  WirePtr wire;
};

struct Compiled {
  // Null: the gate's own rules, providers or `fetch` are refused, and with them the whole; the compiler is as
  // before.
  // The signer, the sealer and the listeners' policies by number are the caller's to fill in.
  std::shared_ptr<gate::Snapshot> snapshot;
  // By their places in the settings. One that is refused is its last good version, or null.
  std::vector<CompiledListenerPtr> listeners;
  config::Diagnostics diagnostics;  // of compiling; those of loading stand in the LoadedGate
  std::vector<std::string>
      refused_services;  // broken or in conflict, sorted; they may serve their last good version
  std::vector<uint32_t> removed_slots;  // served until now, gone with this generation
  std::vector<NamesToResolve> names_to_resolve;
};

class Compiler {
 public:
  // ticket_keys: of sessions with clients; null for a gate that serves nobody.
  explicit Compiler(io::Clock& clock = io::system_clock(),
                    std::shared_ptr<const tls::TicketKeys> ticket_keys = nullptr);
  ~Compiler();
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  // loaded.loaded() holds. generation rises from call to call.
  Compiled compile(const config::LoadedGate& loaded, uint64_t generation);

  // The texts behind Route::label, for the whole life of the compiler. Valid until the next compile().
  std::span<const std::string_view> route_labels() const { return label_texts_; }

 private:
  // A service as it is or could be served.
  struct Definition {
    std::shared_ptr<const config::ServiceSettings> settings;
    std::shared_ptr<const gate::Service> service;
    std::vector<routing::RouteSpec> routes;
    WirePtr wire;
  };
  using DefinitionPtr = std::shared_ptr<const Definition>;

  // What is known of a service's name. Its slot stays with the name, also while the service is gone.
  struct Entry {
    uint32_t slot = 0;
    DefinitionPtr served;
    DefinitionPtr next;  // while compiling
  };

  struct GateParts {
    std::shared_ptr<const config::GateSettings> settings;
    std::vector<std::string> provider_names;
    std::vector<std::string> login_providers;          // those that are oidc
    std::vector<auth::TokenProvider> token_providers;  // those that take tokens
    std::shared_ptr<const auth::Providers> providers;
    std::shared_ptr<const auth::RuleSet> rules;
    std::vector<std::string> rule_places;
    std::vector<CompiledListenerPtr> listeners;
    config::Diagnostics listener_diagnostics;  // told again with every generation that they hold for
  };
  // changed: also when one of the same name logs people in now, or issues tokens under another name.
  enum class ProviderNames : uint8_t { same, changed };

  bool compile_gate(const config::LoadedGate& loaded, GateParts& parts,
                    config::Diagnostics& diagnostics) const;
  void compile_gate_listeners(const config::LoadedGate& loaded, GateParts& parts) const;
  void choose_definitions(const config::LoadedGate& loaded, ProviderNames names, Compiled& out);
  bool has_same_providers(const gate::Service& service, const config::ServiceSettings& settings) const;
  DefinitionPtr compile_service(const Entry& entry,
                                const std::shared_ptr<const config::ServiceSettings>& settings,
                                config::Diagnostics& diagnostics);
  bool find_wire(const Entry& entry, Definition& definition, config::Diagnostics& diagnostics);
  std::shared_ptr<const auth::RuleSet> compile_service_rules(const config::ServiceSettings& settings,
                                                             config::Diagnostics& diagnostics) const;
  bool add_routes(const config::ServiceSettings& settings, Definition& definition,
                  config::Diagnostics& diagnostics);
  routing::Table compile_routes(Compiled& out);
  void refuse_newcomers(std::span<const routing::Conflict> conflicts, Compiled& out);
  bool already_serves(const Entry& entry, const base::Source& route) const;
  std::shared_ptr<gate::Snapshot> make_snapshot(uint64_t generation, routing::Table routes) const;
  void finish(Compiled& out);

  Entry& entry_of(const std::string& name);
  uint32_t label_of(const std::string& pattern);

  io::Clock& clock_;
  std::shared_ptr<const tls::TicketKeys> ticket_keys_;
  GateParts gate_;
  WireCompiler wires_;
  uint64_t generation_ = 0;  // being compiled
  WireCompiler::MissingFiles missing_files_ = WireCompiler::MissingFiles::refused;
  std::deque<Entry> entries_;  // by slot
  std::unordered_map<std::string, uint32_t> slots_;
  std::deque<std::string> labels_;
  std::vector<std::string_view> label_texts_;
  std::unordered_map<std::string_view, uint32_t> label_numbers_;
};

// An address that needs no lookup: an IP address or a unix socket. nullopt for a name.
std::optional<backends::Endpoint> literal_endpoint(const config::Address& address, const WirePtr& wire);
// A name's address, once it is known.
backends::Endpoint resolved_endpoint(const config::Address& address, const base::IpAddress& ip,
                                     const WirePtr& wire);

}  // namespace control
