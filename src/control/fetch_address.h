// Which addresses the gate's own calls never go to, whatever a name resolves to: link-local ones, where
// clouds serve credentials to whoever asks from this machine, and those that are no single host. Loopback and
// private networks are where services live, and stay open. Asked for each address that is connected to.
#pragma once

#include <span>

#include "base/ip.h"

namespace control {

// What the address is, when calls to it are refused ("link-local"); nullptr: they are not. An IPv6 address
// that carries an IPv4 one (IPv4-compatible, NAT64, 6to4) is refused for that one too. allow: `fetch.allow`.
const char* why_not_called(const base::IpAddress& address, std::span<const base::Network> allow);

}  // namespace control
