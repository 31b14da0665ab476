#include "gate/clients.h"

#include <array>

#include "gate/client.h"

namespace gate {
namespace {

// So many close for others at once, so many idle ones are looked at to find one that can, and so many wait
// with the refusal for the client to take it; any more are just closed.
constexpr uint32_t kLeavingMax = 64;
constexpr uint32_t kLookedAtMax = 64;
constexpr size_t kTurnedAwayMax = 32;
constexpr int kTurnedAwayReadsMax = 32;
constexpr base::Duration kTurnedAwayPatience = base::seconds(1);

}  // namespace

void Clients::entered(Client& client) {
  metrics_.connection_opened(client.listener());
  ++count_;
  idle_.push_back(client);
}

void Clients::gone(Client& client) {
  metrics_.connection_closed(client.listener());
  if (client.leaving()) --leaving_;
  if (--count_ == 0) all_gone_.fire();
}

void Clients::became_busy(Client& client) {
  client.unlink();
  busy_.push_back(client);
}

void Clients::became_idle(Client& client) {
  if (client.leaving()) return;
  client.unlink();
  idle_.push_back(client);
}

bool Clients::make_room(uint32_t most) {
  if (count_ - leaving_ < most) return true;
  if (leaving_ >= kLeavingMax) return false;
  // Those in the midst of sending a request are passed over.
  Client* client = idle_.front();
  for (uint32_t seen = 1; client != nullptr && !client->idle(); ++seen) {
    client = seen < kLookedAtMax ? idle_.after(*client) : nullptr;
  }
  if (client == nullptr) return false;
  ++leaving_;
  became_busy(*client);
  client->leave();
  return true;
}

void Clients::turn_away(std::unique_ptr<io::Stream> stream) {
  if (turned_away_.size() < kTurnedAwayMax) turned_away_.spawn(say_no(std::move(stream)));
}

io::Task<> Clients::say_no(std::unique_ptr<io::Stream> stream) {
  std::string_view answer = connection_refusal();
  iovec piece{const_cast<char*>(answer.data()), answer.size()};
  stream->write({&piece, 1});  // a new connection takes that much
  stream->shutdown_write();
  // Closing with a request unread would reset the connection and might destroy the answer on its way.
  base::Instant deadline = loop_.now() + kTurnedAwayPatience;
  std::array<char, 512> unread;
  for (int reads = 0; reads < kTurnedAwayReadsMax; ++reads) {
    io::IoResult got = stream->read(unread);
    if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) co_return;
    if (got.kind == io::IoResult::Kind::bytes) continue;
    if (co_await io::wait_for(loop_, deadline, stream->readable()) == io::Wake::timed_out) co_return;
  }
}

void Clients::begin_drain() {
  for (auto* list : {&busy_, &idle_}) {
    for (Client* client = list->front(); client != nullptr; client = list->after(*client))
      client->begin_drain();
  }
}

}  // namespace gate
