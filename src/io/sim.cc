#include "io/sim.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace io {

uint64_t SimRandom::next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

Address sim_address(uint8_t last, uint16_t port) {
  Address address;
  address.ip.bytes = {10, 0, 0, last};
  address.port = port;
  return address;
}

bool SimPoller::add(int fd, EventSource& source) {
  real_.emplace_back(fd, &source);
  return true;
}

void SimPoller::remove(int fd) {
  std::erase_if(real_, [fd](const auto& held) { return held.first == fd; });
}

void SimPoller::schedule(base::Instant due, std::shared_ptr<SimActor> actor, int what) {
  events_.emplace(due.ns, Event{std::move(actor), what});
}

void SimPoller::wait(Clock&, base::Instant until) {
  // Even a busy thread's time goes by.
  clock_.advance_to(clock_.now() + base::microseconds(1));
  bool real_event = false;
  for (auto& [fd, source] : real_) {
    pollfd look{fd, POLLIN, 0};
    if (poll(&look, 1, 0) != 1) continue;
    source->on_events(EPOLLIN);
    real_event = true;
  }
  if (!real_event && until > clock_.now()) {
    int64_t next = events_.empty() ? INT64_MAX : events_.begin()->first;
    int64_t wake = std::min(next, until.ns);
    if (wake != INT64_MAX) clock_.advance_to({wake});
  }
  while (!events_.empty() && events_.begin()->first <= clock_.now().ns) {
    Event event = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    event.actor->happen(event.what);
  }
}

class SimStream;

// A connection: two ends, and in each direction the bytes on their way and those arrived.
class SimLink final : public SimActor, public std::enable_shared_from_this<SimLink> {
 public:
  SimLink(SimNetwork& network, const SimLinkPlan& plan, const Address& from, const Address& to)
      : network_(network), plan_(plan), random_(network.random_.next()), from_(from), to_(to) {}

  std::unique_ptr<Stream> make_client(int& error);
  void happen(int what) override;

  IoResult read(int end, std::span<char> into);
  IoResult write(int end, std::span<const iovec> pieces);
  void shutdown(int end);
  enum class Ending : uint8_t { clean, reset };
  void close(int end, Ending ending);

 private:
  enum What { arrive = 0, writable = 2, decided = 4 };  // arrive and writable: plus the end's number
  struct Piece {
    enum class Kind : uint8_t { bytes, fin, reset } kind;
    std::string bytes;
  };
  struct Direction {
    std::deque<Piece> wire;
    base::Instant last_due;
    std::string arrived;
    size_t held = 0;  // on the wire and arrived
    bool fin_sent = false;
    bool fin_arrived = false;
    bool reset_sent = false;
  };

  base::Instant soon() {
    return network_.clock_.now() + base::nanoseconds(static_cast<int64_t>(
                                       random_.below(static_cast<uint64_t>(plan_.delay_max.ns) + 1)));
  }
  size_t some_of(size_t most) {
    size_t bound = std::min(most, plan_.piece_max);
    return plan_.piece_max == SIZE_MAX ? bound : 1 + random_.below(bound);
  }
  void send(int end, Piece piece) {
    Direction& direction = directions_[static_cast<size_t>(end)];
    direction.last_due = std::max(direction.last_due, soon());
    direction.wire.push_back(std::move(piece));
    network_.poller_.schedule(direction.last_due, shared_from_this(), arrive + end);
  }
  void send_reset(int end) {
    if (std::exchange(directions_[static_cast<size_t>(end)].reset_sent, true)) return;
    send(end, {Piece::Kind::reset, {}});
  }
  void deliver(int from_end);
  void decide();

  SimNetwork& network_;
  SimLinkPlan plan_;
  SimRandom random_;
  Address from_;
  Address to_;
  std::array<SimStream*, 2> ends_{};     // 0 connected, 1 was accepted; null once closed
  std::array<Direction, 2> directions_;  // by the end that writes
  uint64_t carried_ = 0;
};

class SimListener final : public Listener {
 public:
  SimListener(SimNetwork& network, const Address& at) : network_(network), at_(at) {
    network_.listeners_[format_address(at_)] = this;
  }
  ~SimListener() override { network_.listeners_.erase(format_address(at_)); }
  std::unique_ptr<Stream> accept(Address& peer, int& error) override {
    error = 0;
    if (waiting_.empty()) return nullptr;
    std::unique_ptr<Stream> stream = std::move(waiting_.front().first);
    peer = waiting_.front().second;
    waiting_.pop_front();
    return stream;
  }
  Address local_address() const override { return at_; }
  void arrive(std::unique_ptr<Stream> stream, const Address& peer) {
    waiting_.emplace_back(std::move(stream), peer);
    acceptable.fire();
  }

 private:
  SimNetwork& network_;
  Address at_;
  std::deque<std::pair<std::unique_ptr<Stream>, Address>> waiting_;
};

class SimStream final : public BaseStream {
 public:
  SimStream(std::shared_ptr<SimLink> link, int end, int connect_error)
      : link_(std::move(link)), end_(end), connect_error_(connect_error) {
    may_write_ = connect_error == 0;
  }
  ~SimStream() override { link_->close(end_, reset_ ? SimLink::Ending::reset : SimLink::Ending::clean); }

  IoResult read(std::span<char> into) override { return may_read_ ? link_->read(end_, into) : IoResult{}; }
  IoResult write(std::span<const iovec> pieces) override {
    return may_write_ ? link_->write(end_, pieces) : IoResult{};
  }
  void shutdown_write() override { link_->shutdown(end_); }
  void reset_on_close() override { reset_ = true; }
  int connect_error() override { return connect_error_; }

 private:
  friend class SimLink;
  void set_readable() {
    may_read_ = true;
    readable_.fire();
  }
  void set_writable() {
    may_write_ = true;
    writable_.fire();
  }
  void set_gone(int error) {
    error_ = error;
    peer_gone_ = true;
    set_readable();
    set_writable();
    gone_.fire();
  }

  std::shared_ptr<SimLink> link_;
  int end_;
  int connect_error_;
  int error_ = 0;
  bool reset_ = false;
};

std::unique_ptr<Stream> SimLink::make_client(int& error) {
  if (plan_.connect == SimLinkPlan::Connect::exhausted) {
    error = EMFILE;
    return nullptr;
  }
  // A refusal comes at once or later, as on a loopback or a real network.
  if (plan_.connect == SimLinkPlan::Connect::refused && random_.one_in(2)) {
    error = ECONNREFUSED;
    return nullptr;
  }
  error = 0;
  auto client = std::make_unique<SimStream>(shared_from_this(), 0, EINPROGRESS);
  ends_[0] = client.get();
  if (plan_.connect != SimLinkPlan::Connect::ignored)
    network_.poller_.schedule(soon(), shared_from_this(), decided);
  return client;
}

void SimLink::decide() {
  SimStream* client = ends_[0];
  if (client == nullptr) return;
  auto found = network_.listeners_.find(format_address(to_));
  if (plan_.connect == SimLinkPlan::Connect::refused || found == network_.listeners_.end()) {
    client->connect_error_ = ECONNREFUSED;
    client->set_gone(ECONNREFUSED);
    return;
  }
  client->connect_error_ = 0;
  client->set_writable();
  auto server = std::make_unique<SimStream>(shared_from_this(), 1, 0);
  ends_[1] = server.get();
  found->second->arrive(std::move(server), from_);
}

void SimLink::happen(int what) {
  if (what == decided) return decide();
  if (what < writable) return deliver(what - arrive);
  if (SimStream* writer = ends_[static_cast<size_t>(what - writable)]) writer->set_writable();
}

void SimLink::deliver(int from_end) {
  Direction& direction = directions_[static_cast<size_t>(from_end)];
  if (direction.wire.empty()) return;  // what was on it was lost in a reset
  Piece piece = std::move(direction.wire.front());
  direction.wire.pop_front();
  SimStream* reader = ends_[static_cast<size_t>(1 - from_end)];
  if (reader == nullptr) {
    // Nobody is there any more to take it.
    if (piece.kind == Piece::Kind::bytes) send_reset(1 - from_end);
    return;
  }
  if (reader->error_ != 0) return;  // nothing arrives behind a reset
  switch (piece.kind) {
    case Piece::Kind::bytes:
      direction.arrived += piece.bytes;
      carried_ += piece.bytes.size();
      reader->set_readable();
      if (carried_ < plan_.reset_after) return;
      plan_.reset_after = UINT64_MAX;
      for (SimStream* end : ends_) {
        if (end != nullptr) end->set_gone(ECONNRESET);
      }
      return;
    case Piece::Kind::fin:
      direction.fin_arrived = true;
      reader->set_readable();
      if (directions_[static_cast<size_t>(1 - from_end)].fin_sent) reader->set_gone(0);
      return;
    case Piece::Kind::reset:
      reader->set_gone(ECONNRESET);
      return;
  }
}

IoResult SimLink::read(int end, std::span<char> into) {
  SimStream& reader = *ends_[static_cast<size_t>(end)];
  Direction& direction = directions_[static_cast<size_t>(1 - end)];
  if (into.empty())
    return {IoResult::Kind::failed, 0, EINVAL};  // a kernel would say "end": a caller's mistake
  if (direction.arrived.empty()) {
    if (reader.error_ != 0) return {IoResult::Kind::failed, 0, reader.error_};
    if (direction.fin_arrived) return {IoResult::Kind::end, 0, 0};
    reader.may_read_ = false;
    return {};
  }
  size_t count = some_of(std::min(into.size(), direction.arrived.size()));
  std::copy_n(direction.arrived.begin(), count, into.begin());
  direction.arrived.erase(0, count);
  direction.held -= count;
  bool drained =
      direction.arrived.empty() && count < into.size() && !direction.fin_arrived && !reader.peer_gone_;
  if (drained) reader.may_read_ = false;
  SimStream* writer = ends_[static_cast<size_t>(1 - end)];
  if (writer != nullptr && !writer->may_write_) {
    network_.poller_.schedule(soon(), shared_from_this(), writable + 1 - end);
  }
  return {IoResult::Kind::bytes, count, 0};
}

IoResult SimLink::write(int end, std::span<const iovec> pieces) {
  SimStream& writer = *ends_[static_cast<size_t>(end)];
  Direction& direction = directions_[static_cast<size_t>(end)];
  if (writer.error_ != 0 || direction.fin_sent) return {IoResult::Kind::failed, 0, EPIPE};
  std::string all;
  for (const iovec& piece : pieces) all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  size_t room = plan_.window - std::min(plan_.window, direction.held);
  if (room == 0) {
    writer.may_write_ = false;
    return {};
  }
  size_t count = std::min(all.size(), room);
  if (random_.one_in(3)) count = some_of(count);
  if (count < all.size()) {
    writer.may_write_ = false;
    // Room that is left shows later; else the reader makes some.
    if (count < room) network_.poller_.schedule(soon(), shared_from_this(), writable + end);
  }
  direction.held += count;
  for (size_t at = 0; at < count;) {
    size_t length = some_of(count - at);
    send(end, {Piece::Kind::bytes, all.substr(at, length)});
    at += length;
  }
  return {IoResult::Kind::bytes, count, 0};
}

void SimLink::shutdown(int end) {
  Direction& direction = directions_[static_cast<size_t>(end)];
  if (std::exchange(direction.fin_sent, true)) return;
  send(end, {Piece::Kind::fin, {}});
  if (directions_[static_cast<size_t>(1 - end)].fin_arrived) ends_[static_cast<size_t>(end)]->set_gone(0);
}

void SimLink::close(int end, Ending ending) {
  ends_[static_cast<size_t>(end)] = nullptr;
  Direction& direction = directions_[static_cast<size_t>(end)];
  // Closing with input unread resets, as a kernel does; what was sent before may or may not be lost by it.
  if (ending == Ending::reset || !directions_[static_cast<size_t>(1 - end)].arrived.empty()) {
    if (random_.one_in(2)) direction.wire.clear();
    send_reset(end);
  } else if (!std::exchange(direction.fin_sent, true)) {
    send(end, {Piece::Kind::fin, {}});
  }
}

std::unique_ptr<Stream> SimNetwork::connect_from(const Address& from, const Address& to, int& error) {
  ++connections_;
  SimLinkPlan plan = weather_ != nullptr ? weather_->plan(to, random_) : SimLinkPlan{};
  return std::make_shared<SimLink>(*this, plan, from, to)->make_client(error);
}

std::unique_ptr<Listener> SimNetwork::listen(const Address& at) {
  return std::make_unique<SimListener>(*this, at);
}

}  // namespace io
