// Why a handshake or a connection failed, from what libssl left in its queue to the gate's one list of
// reasons. Private to tls/.
#pragma once

#include "base/result.h"

struct ssl_st;

namespace tls {

struct Failure {
  base::Error error;
  bool cut = false;         // the stream below ended or failed
  bool plain_http = false;  // the client spoke HTTP without TLS
};

// peer: whom the connection is with. Empties libssl's queue.
Failure take_failure(ssl_st* ssl, base::Side peer);

}  // namespace tls
