#include "gate/worker.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "gate/client.h"

namespace gate {
namespace {

telemetry::RequestIdGenerator::Seed random_seed(crypto::RandomSource& random) {
  telemetry::RequestIdGenerator::Seed seed;
  random.fill({reinterpret_cast<uint8_t*>(seed.data()), sizeof seed});
  return seed;
}

// When descriptors have run out, accepting waits this long for some to come free.
constexpr base::Duration kAcceptPause = base::milliseconds(100);
constexpr base::Duration kHouseInterval = base::seconds(1);
// Where a token has to be verified anew, each takes about 0.1 ms.
constexpr size_t kReviewsInATurn = 16;
// An answer about key sets holds this long; shorter than the control thread's own interval between fetches.
constexpr base::Duration kKeysAnswerHolds = base::seconds(1);
// A question without an answer, as when its provider went meanwhile, is put again after this long.
constexpr base::Duration kKeysAskAgain = base::seconds(5);

}  // namespace

struct Worker::ListenerSlot {
  uint32_t number = 0;
  bool removed = false;
  std::unique_ptr<io::Listener> listener;
};

Worker::Worker(const WorkerParts& parts)
    : parts_(parts), mailbox_(parts.loop), ids_(random_seed(parts.random)), clients_(parts.loop, metrics_) {
  parts_.random.fill({reinterpret_cast<uint8_t*>(&random_state_), sizeof random_state_});
  wall_offset_ns_ = parts_.loop.clock().wall_now().ns - parts_.loop.clock().now().ns;
  tasks_.spawn(deliver_mail());
  tasks_.spawn(keep_house());
  tasks_.spawn(tell_of_generations());
}

Worker::~Worker() {
  connections_.cancel_all();
  tasks_.cancel_all();
}

io::Task<> Worker::deliver_mail() {
  for (;;) {
    mailbox_.deliver();
    co_await io::wait_for(parts_.loop, base::kNever, mailbox_.arrived());
  }
}

// Once a second: dead and old backend connections go, and the wall clock is looked at.
io::Task<> Worker::keep_house() {
  for (;;) {
    co_await io::sleep_for(parts_.loop, kHouseInterval);
    wall_offset_ns_ = parts_.loop.clock().wall_now().ns - parts_.loop.clock().now().ns;
    date_.clear();
    for (auto& state : services_) {
      if (state != nullptr) state->pool.sweep(parts_.loop.now());
    }
    release_leaving();
    sessions_.forget_passed(wall_at(parts_.loop.now()));
    if (log_ring_.needs_wake()) parts_.control.wake_log_writer();
  }
}

void Worker::apply(SnapshotPtr snapshot) {
  // Exchanges count their references on a block of this worker's own, so that workers do not share a cache
  // line.
  auto holder = std::make_shared<SnapshotPtr>(std::move(snapshot));
  snapshot_ = SnapshotPtr(holder, holder->get());
  for (auto& slot : listeners_) slot->listener->acceptable.fire();  // one may have waited for its policy
  generations_.begin_round();
  applied_.fire();
}

// Each of them decides once more upon what it began with: thousands at once would hold up everybody else.
io::Task<> Worker::tell_of_generations() {
  for (;;) {
    while (generations_.notify_some(kReviewsInATurn)) co_await io::Yield(parts_.loop);
    co_await io::wait_for(parts_.loop, base::kNever, applied_);
  }
}

bool Worker::is_served(uint32_t slot) const {
  return snapshot_ != nullptr && slot < snapshot_->services.size() && snapshot_->services[slot] != nullptr;
}

std::shared_ptr<ServiceState> Worker::make_state(uint32_t slot) {
  backends::PoolLimits limits;
  if (snapshot_ != nullptr) limits.head.head_bytes_max = snapshot_->server_limits.head.head_bytes_max;
  return std::make_shared<ServiceState>(
      limits, backends::PoolParts{.loop = parts_.loop, .metrics = metrics_, .service = slot});
}

std::shared_ptr<ServiceState> Worker::state_of(const Service& service) {
  if (is_served(service.slot)) {
    if (service.slot >= services_.size()) services_.resize(service.slot + 1);
    auto& kept = services_[service.slot];
    if (kept == nullptr) kept = make_state(service.slot);
    // Newer backends replace the old ones at once, looked up already or not: what the new rules let in was
    // never meant for the old backends.
    if (service.backends_generation > kept->generation) use_backends(*kept, service);
    if (service.backends_generation == kept->generation) return kept;
  }
  // An exchange that began before its service was removed or was given other backends. What its rules let in
  // was never meant for those, and nobody after it shall find its own.
  auto state = make_state(service.slot);
  use_backends(*state, service);
  if (service.endpoints == nullptr) state->lookup = ServiceState::Lookup::replaced;
  leaving_.emplace_back(service.slot, state);
  return state;
}

void Worker::use_backends(ServiceState& state, const Service& service) {
  state.generation = service.backends_generation;
  bool literal = service.endpoints != nullptr;
  state.pool.set_endpoints(literal ? service.endpoints : std::make_shared<const backends::EndpointList>());
  state.lookup = literal ? ServiceState::Lookup::done : ServiceState::Lookup::pending;
  state.endpoints_arrived.notify_all();  // who waits for the ones before looks again
}

void Worker::set_endpoints(ResolvedEndpoints resolved) {
  if (resolved.slot >= services_.size()) services_.resize(resolved.slot + 1);
  auto& state = services_[resolved.slot];
  if (state == nullptr) state = make_state(resolved.slot);
  if (resolved.generation < state->generation) return;  // of backends that were replaced meanwhile
  bool newer = resolved.generation > state->generation;
  state->generation = resolved.generation;
  if (resolved.endpoints != nullptr && !resolved.endpoints->empty()) {
    state->lookup = ServiceState::Lookup::done;
    state->pool.set_endpoints(std::move(resolved.endpoints));
  } else {
    state->lookup = ServiceState::Lookup::failed;  // the last known endpoints, if any, go on being used
    if (newer) state->pool.set_endpoints(std::make_shared<const backends::EndpointList>());
  }
  state->endpoints_arrived.notify_all();
}

void Worker::forget_service(uint32_t slot) {
  if (slot < services_.size()) leaving_.emplace_back(slot, std::move(services_[slot]));
  release_leaving();
}

void Worker::release_leaving() {
  std::erase_if(leaving_, [this](auto& leaving) {
    auto& [slot, state] = leaving;
    if (state.use_count() > 1) return false;
    state.reset();  // its connections are counted as closed before the count goes
    if (!is_served(slot)) metrics_.forget_service(slot);
    return true;
  });
}

void Worker::put_keys(uint32_t key_slot, auth::KeySetPtr keys) { key_sets_.put(key_slot, std::move(keys)); }

void Worker::put_renewed_session(RenewedSession renewed) {
  sessions_.put_renewed(std::move(renewed), wall_at(parts_.loop.now()));
}

void Worker::revoke(const auth::Revocation& revocation) {
  uint64_t before = sessions_.revocations().version();
  sessions_.revoke(revocation);
  if (sessions_.revocations().version() == before) return;  // stores tell of some more than once
  // Open WebSockets of whom it concerns end.
  generations_.begin_round();
  applied_.fire();
}

void Worker::put_issuer(std::string provider, IssuerMetadataPtr metadata) {
  sessions_.put_issuer(std::move(provider), std::move(metadata));
}

void Worker::keys_checked(uint32_t key_slot) {
  KeysCheck& check = keys_check(key_slot);
  ++check.answers;
  check.asked = {};
  check.answered = parts_.loop.now();
  keys_arrived_.notify_all();
}

Worker::KeysCheck& Worker::keys_check(uint32_t key_slot) {
  if (key_slot >= keys_checks_.size()) keys_checks_.resize(key_slot + 1);
  return keys_checks_[key_slot];
}

bool Worker::ask_for_keys(uint32_t key_slot) {
  KeysCheck& check = keys_check(key_slot);
  base::Instant now = parts_.loop.now();
  if (check.answered.reached() && now - check.answered < kKeysAnswerHolds) return false;
  if (check.asked.reached() && now - check.asked < kKeysAskAgain) return true;
  check.asked = now;
  parts_.control.request_keys(key_slot);
  return true;
}

uint64_t Worker::keys_checks(uint32_t key_slot) const {
  return key_slot < keys_checks_.size() ? keys_checks_[key_slot].answers : 0;
}

void Worker::add_listener(uint32_t number, std::unique_ptr<io::Listener> listener) {
  auto slot = std::make_unique<ListenerSlot>();
  slot->number = number;
  slot->listener = std::move(listener);
  if (number >= listener_addresses_.size()) listener_addresses_.resize(number + 1);
  listener_addresses_[number] = slot->listener->local_address();
  tasks_.spawn(accept_clients(*slot));
  listeners_.push_back(std::move(slot));
}

void Worker::remove_listener(uint32_t number) {
  for (auto& slot : listeners_) {
    if (slot->number != number || slot->removed) continue;
    slot->removed = true;
    slot->listener->acceptable.fire();  // its task takes what is waiting, then closes
  }
}

io::Task<> Worker::accept_clients(ListenerSlot& slot) {
  for (;;) {
    // Whoever connects before the snapshot that names the listener's policy is here waits in the kernel.
    if (snapshot_ == nullptr || slot.number >= snapshot_->listeners.size()) {
      if (slot.removed) break;
      co_await io::wait_for(parts_.loop, base::kNever, slot.listener->acceptable);
      continue;
    }
    io::Address peer;
    int error = 0;
    if (std::unique_ptr<io::Stream> stream = slot.listener->accept(peer, error)) {
      metrics_.count(telemetry::Counter::connections_accepted);
      if (!clients_.make_room(snapshot_->connections_max)) {
        metrics_.count(telemetry::Counter::connections_refused);
        // A client that expects TLS would not understand.
        if (snapshot_->listeners[slot.number].tls == nullptr) clients_.turn_away(std::move(stream));
        continue;
      }
      std::string peer_text = peer.kind == io::Address::Kind::ip ? base::format_ip(peer.ip) : "unix";
      connections_.spawn(Client::run(std::make_unique<Client>(
          *this, std::move(stream),
          ClientContext{
              .listener = slot.number, .peer = std::move(peer), .peer_text = std::move(peer_text)})));
      continue;
    }
    if (error != 0) {
      co_await io::sleep_for(parts_.loop, kAcceptPause);
      continue;
    }
    if (slot.removed) break;
    co_await io::wait_for(parts_.loop, base::kNever, slot.listener->acceptable);
  }
  std::erase_if(listeners_, [&](const auto& held) { return held.get() == &slot; });
}

void Worker::drain(base::Duration deadline) {
  if (draining_) return;
  draining_ = true;
  generations_.begin_round();
  applied_.fire();
  for (auto& slot : listeners_) {
    slot->removed = true;
    slot->listener->acceptable.fire();
  }
  clients_.begin_drain();
  tasks_.spawn(finish_drain(parts_.loop.now() + deadline));
}

io::Task<> Worker::finish_drain(base::Instant deadline) {
  while (clients_.count() > 0 || !listeners_.empty()) {
    base::Instant look_again = std::min(deadline, parts_.loop.now() + base::milliseconds(20));
    co_await io::wait_for(parts_.loop, look_again, clients_.all_gone());
    if (parts_.loop.now() >= deadline) break;
  }
  connections_.cancel_all();
  parts_.control.worker_drained(parts_.index);
}

uint64_t Worker::random_word() {
  // splitmix64: for balancing and span ids, nothing that has to be secret.
  uint64_t z = (random_state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::string_view Worker::http_date() {
  if (date_.empty()) {
    time_t now = static_cast<time_t>(wall_at(parts_.loop.now()).unix_seconds());
    tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 64> text;
    date_.assign(text.data(), strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
  }
  return date_;
}

void Worker::record(const telemetry::ExchangeRecord& record) {
  telemetry::record_exchange(metrics_, record);
  if (access_log_ == AccessLog::off) return;
  std::span<char> room = log_ring_.reserve(telemetry::kLogLineBytesMax);
  if (room.empty()) {
    metrics_.count(telemetry::Counter::log_lines_dropped);
    return;
  }
  log_ring_.commit(log_format_.format(record, room));
  if (log_ring_.needs_wake()) parts_.control.wake_log_writer();
}

}  // namespace gate
