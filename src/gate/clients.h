// The client connections that a worker has open: how many, which of them wait for a request, and what becomes
// of one too many. A Client enters when it is made and is gone when it is destroyed.
#pragma once

#include <cstdint>
#include <memory>

#include "io/list.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "telemetry/metrics.h"

namespace gate {

class Client;
struct ClientTag;

class Clients {
 public:
  Clients(io::Loop& loop, telemetry::WorkerMetrics& metrics) : loop_(loop), metrics_(metrics) {}

  void entered(Client& client);
  void gone(Client& client);
  void became_busy(Client& client);
  void became_idle(Client& client);

  // Whether one more may be served while `most` may be open: else the one that has been idle longest has to
  // go for it.
  bool make_room(uint32_t most);
  // Answers 503 without reading a request, so that there is no exchange to record; it costs nothing else.
  void turn_away(std::unique_ptr<io::Stream> stream);

  void begin_drain();
  uint32_t count() const { return count_; }
  io::Signal& all_gone() { return all_gone_; }  // fires when count() has become 0

 private:
  io::Task<> say_no(std::unique_ptr<io::Stream> stream);

  io::Loop& loop_;
  telemetry::WorkerMetrics& metrics_;
  io::List<Client, ClientTag> busy_;  // and those asked to close
  io::List<Client, ClientTag> idle_;  // the longest idle first
  uint32_t count_ = 0;
  uint32_t leaving_ = 0;  // of them asked to close
  io::Signal all_gone_;
  io::Scope turned_away_;
};

}  // namespace gate
