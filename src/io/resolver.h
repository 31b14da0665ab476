// Names to addresses, as the world outside knows them. Used by the control thread alone: workers are handed
// addresses and never look one up. Tests put a table of their own in place of the system's name servers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/task.h"

namespace io {

struct Resolved {
  // IPv4 before IPv6, each in numerical order and once, so that two answers with the same addresses are
  // equal.
  std::vector<base::IpAddress> addresses;
  base::Duration ttl;  // between kTtlMin and kTtlMax: ask again after this long
};

inline constexpr base::Duration kTtlMin = base::seconds(1);
inline constexpr base::Duration kTtlMax = base::seconds(3600);
// For what carries none: a name in the hosts file, which somebody may edit.
inline constexpr base::Duration kTtlUnknown = base::seconds(30);

class Resolver {
 public:
  virtual ~Resolver() = default;
  // dns_error or dns_timeout, never an empty list. An IP address stands for itself. The resolver outlives the
  // task; destroying the task gives the lookup up.
  virtual Task<base::Result<Resolved>> resolve(std::string host, base::Instant deadline) = 0;
};

struct DnsOptions {
  // Name servers to ask in place of the system's, "127.0.0.1:5353,[::1]:53". The hosts file and resolv.conf
  // are then not looked at.
  std::string servers;
};

// Asks as the machine is set up: the hosts file, then the servers and search domains of resolv.conf, which is
// read anew for each lookup since laptops move between networks.
std::unique_ptr<Resolver> make_dns_resolver(Loop& loop, DnsOptions options = {});

}  // namespace io
