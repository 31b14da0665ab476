// Keeps the endpoints of services whose backends are names: looks them up, again when their time to live is
// over, and tells the workers. A name that cannot be resolved any more leaves the last known endpoints in
// use, also where the service's other names can. Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/endpoint.h"
#include "base/ip.h"
#include "config/settings.h"
#include "control/compile.h"
#include "gate/worker.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/task.h"

namespace control {

class NameKeeper {
 public:
  class Publisher {
   public:
    virtual ~Publisher() = default;
    virtual void publish_endpoints(const gate::Worker::ResolvedEndpoints& resolved) = 0;
  };

  NameKeeper(io::Loop& loop, io::Resolver& resolver, Publisher& publisher)
      : loop_(loop), resolver_(resolver), publisher_(publisher) {}

  // What a new generation needs; services not named are forgotten.
  void apply(const std::vector<NamesToResolve>& wanted);
  backends::EndpointListPtr endpoints_of(uint32_t slot) const;

 private:
  struct Entry {
    uint64_t generation = 0;  // of the backends
    std::shared_ptr<const config::ServiceSettings> settings;
    WirePtr wire;
    std::map<std::string, std::vector<base::IpAddress>> addresses;  // last known, by name
    backends::EndpointListPtr endpoints;
    io::Task<> task;
  };
  io::Task<> keep(uint32_t slot, Entry& entry);
  void take_endpoints(uint32_t slot, Entry& entry);

  io::Loop& loop_;
  io::Resolver& resolver_;
  Publisher& publisher_;
  std::map<uint32_t, std::unique_ptr<Entry>> entries_;  // by service slot
};

}  // namespace control
