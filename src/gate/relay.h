// Moves a body from where it comes to where it goes, whatever the protocols, at the pace of the slower side
// and with one buffer in between. The same for requests, answers and upgraded connections.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "gate/snapshot.h"
#include "http/stream.h"
#include "io/task.h"

namespace gate {

struct RelayPlan {
  io::Loop& loop;
  http::BodySource& from;
  http::BodySink& to;
  base::Duration read_patience;   // for progress_bytes more to come
  base::Duration write_patience;  // for the sink to take a byte
  uint64_t progress_bytes = 1;
  uint64_t bytes_max = UINT64_MAX;  // more than this is too_large
  enum class Trailers : uint8_t { passed, dropped } trailers = Trailers::passed;
  base::Error read_timeout;
  base::Error write_timeout;
  base::Error too_large;
  io::Signal* gone = nullptr;                  // fires when going on is pointless; then is_gone tells
  const http::ServerStream* client = nullptr;  // whose client_gone() that is
};

// Behind a head that was edited no trailers are passed on: a reader that merges them would undo the edits.
inline RelayPlan::Trailers trailers_behind(const HeaderEdits& edits) {
  return edits.empty() ? RelayPlan::Trailers::passed : RelayPlan::Trailers::dropped;
}

// Until the source has ended and the sink has sent everything, end included. The plan's parts outlive the
// task.
io::Task<base::Result<>> relay_body(RelayPlan plan);

}  // namespace gate
