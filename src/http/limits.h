// What a peer may send and how long it may take, before anything is known of the request.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace http {

struct HeadLimits {
  uint32_t head_bytes_max = 64 * 1024;
  uint32_t headers_max = 100;
};

struct ServerLimits {
  HeadLimits head;
  base::Duration head_timeout = base::seconds(10);   // first byte to the whole head
  base::Duration idle_timeout = base::seconds(75);   // between requests, and before the first
  base::Duration linger_timeout = base::seconds(2);  // for the client to take a last answer before the close
};

}  // namespace http
