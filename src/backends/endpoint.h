// Where a service's backends are, resolved. Made by control/ (from literal addresses and from names), read by
// the workers' pools; immutable and shared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/address.h"

namespace backends {

struct Endpoint {
  io::Address address;
  std::string text;       // "127.0.0.1:9001", for records
  std::string authority;  // what a backend that wants its own name in Host is sent

  bool operator==(const Endpoint&) const = default;
};

using EndpointList = std::vector<Endpoint>;
using EndpointListPtr = std::shared_ptr<const EndpointList>;

}  // namespace backends
