// Moves a body from where it comes to where it goes, whatever the protocols, at the pace of the slower side
// and with one buffer in between. The same for requests, answers and upgraded connections.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "gate/snapshot.h"
#include "http/stream.h"
#include "io/task.h"

namespace gate {

// How long a client may keep an answer waiting. An idle timer alone would let one byte in each of its
// intervals hold an exchange for ever, so what it has is spent by all waits together and comes back only with
// kSendProgressBytes taken. Time in which nothing waits for the client costs nothing.
class SendPatience {
 public:
  explicit SendPatience(base::Duration whole) : whole_(whole), left_(whole) {}
  // sent: all that has left for the client so far.
  base::Instant begin_wait(base::Instant now, uint64_t sent) {
    if (sent - mark_ >= kSendProgressBytes) {
      mark_ = sent;
      left_ = whole_;
    }
    return now + left_;
  }
  void end_wait(base::Duration waited) { left_ = left_ - waited; }
  // Everything there was has left.
  void restore(uint64_t sent) {
    mark_ = sent;
    left_ = whole_;
  }

 private:
  base::Duration whole_;
  base::Duration left_;
  uint64_t mark_ = 0;
};

struct ClientWait {
  io::Loop& loop;
  http::ServerStream& client;
  SendPatience& patience;
  base::Error timeout;
  base::Instant deadline = base::kNever;  // however much patience is left
};

// Until the client may take more of its answer. Fails with client_disconnected, or with timeout.
io::Task<base::Result<>> wait_for_client(ClientWait wait);

// Of a source whose silence is somebody else's to judge.
inline constexpr base::Duration kUnlimited{INT64_MAX};

struct RelayPlan {
  io::Loop& loop;
  http::BodySource& from;
  http::BodySink& to;
  base::Duration read_patience = kUnlimited;  // for progress_bytes more to come
  base::Duration write_patience;              // for a backend to take a byte; a client has its SendPatience
  uint64_t progress_bytes = 1;
  uint64_t bytes_max = UINT64_MAX;  // more than this is too_large
  // Of a gRPC call: when all of it must be over, which fails as the timeout of whatever it waits for; and its
  // other direction, whose failure by the client's fault ends this one too.
  base::Instant deadline = base::kNever;
  const std::optional<base::Result<>>* other = nullptr;
  io::Signal* other_ended = nullptr;
  enum class Trailers : uint8_t { passed, dropped } trailers = Trailers::passed;
  const HeaderEdits* trailer_edits = nullptr;  // passed without what these edit
  base::Error read_timeout;
  base::Error write_timeout;
  base::Error too_large;
  // When the sink is the client:
  http::ServerStream* client = nullptr;
  SendPatience* send_patience = nullptr;
};

// Behind a head that was edited no trailers are passed on: a reader that merges them would undo the edits.
inline RelayPlan::Trailers trailers_behind(const HeaderEdits& edits) {
  return edits.empty() ? RelayPlan::Trailers::passed : RelayPlan::Trailers::dropped;
}

// Until the source has ended and the sink has sent everything, end included. The plan's parts outlive the
// task.
io::Task<base::Result<>> relay_body(RelayPlan plan);

}  // namespace gate
