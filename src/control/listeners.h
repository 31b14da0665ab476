// Listeners from their settings to the policies that connections follow: certificates, protocols, who is
// trusted. Called by the Compiler, for the running gate and for `check` alike; opens no socket. A listener
// whose TLS cannot be compiled is refused: it never comes out as one in clear text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/load.h"
#include "gate/snapshot.h"

namespace tls {
class TicketKeys;
}

namespace control {

// One of those a listener shows to clients.
struct ListenerCertificate {
  std::string file;  // as written; empty: its text came from a variable
  std::string name;  // the first that it is for
  base::WallTime not_after;
};

struct CompiledListener {
  std::string name;             // one of listener_names()
  gate::ListenerPolicy policy;  // without redirect_port, which is known once sockets are bound
  config::Redirect redirect = config::Redirect::off;
  std::vector<ListenerCertificate> certificates;
};
using CompiledListenerPtr = std::shared_ptr<const CompiledListener>;

struct ListenersInput {
  const config::LoadedGate& loaded;
  std::shared_ptr<const tls::TicketKeys> ticket_keys;  // null: no resumption
  base::WallTime now;
};

struct CompiledListeners {
  std::vector<CompiledListenerPtr> list;  // by their places in the settings; null: refused
  config::Diagnostics diagnostics;
};

// By their places in the settings: the address as configured, by which a listener is known again after a
// reload. Where the system chooses the port an address may stand twice: "127.0.0.1:0", "127.0.0.1:0#2".
std::vector<std::string> listener_names(const config::GateSettings& gate);

CompiledListeners compile_listeners(const ListenersInput& input);

}  // namespace control
