#include "backends/pool.h"

#include <algorithm>

namespace backends {

EndpointState::~EndpointState() {
  while (PooledConnection* connection = idle.take_front()) delete connection;
}

Lease::~Lease() {
  if (state_ == nullptr) return;
  --state_->in_flight;
  stream_.reset();  // before its connection
}

void Lease::swap(Lease& other) noexcept {
  std::swap(pool_, other.pool_);
  state_.swap(other.state_);
  connection_.swap(other.connection_);
  shared_.swap(other.shared_);
  stream_.swap(other.stream_);
  std::swap(carrier_, other.carrier_);
  std::swap(reused_, other.reused_);
}

bool Lease::take_open(base::Instant now, Carrier carrier, Idle idle) {
  if (carrier != Carrier::http1 && take_shared(now)) return true;
  return carrier != Carrier::http2 && idle == Idle::take && take_idle(now);
}

bool Lease::take_shared(base::Instant now) {
  for (const auto& connection : state_->shared) {
    if (!connection->http.can_open() || now - connection->opened >= pool_->limits_.age_max) continue;
    use(connection);
    return carrier_ != nullptr;
  }
  return false;
}

bool Lease::take_idle(base::Instant now) {
  while (PooledConnection* connection = state_->idle.take_front()) {
    --state_->idle_count;
    connection_.reset(connection);
    if (pool_->is_over(*connection_, now)) continue;
    carrier_ = &connection_->http;
    reused_ = true;
    return true;
  }
  connection_.reset();
  return false;
}

void Lease::use(std::shared_ptr<SharedConnection> connection) {
  stream_ = connection->http.open_stream();
  if (stream_ == nullptr) return;
  carrier_ = stream_.get();
  reused_ = connection->exchanges++ > 0;
  shared_ = std::move(connection);
}

void Lease::adopt(std::unique_ptr<io::Stream> stream, base::Instant now) {
  state_->spoken = EndpointState::Spoken::http1;
  connection_ =
      std::make_unique<PooledConnection>(pool_->parts_, now, std::move(stream), pool_->limits_.head);
  carrier_ = &connection_->http;
  reused_ = false;
}

void Lease::adopt_shared(std::unique_ptr<io::Stream> stream, base::Instant now) {
  state_->spoken = EndpointState::Spoken::http2;
  const Wire* wire = state_->endpoint.wire.get();
  auto connection = std::make_shared<SharedConnection>(
      pool_->parts_, now, std::move(stream),
      http2::ClientSettings{
          .head = pool_->limits_.head,
          .scheme = wire != nullptr && wire->tls != nullptr ? "https" : "http",
      });
  bool one_client = wire != nullptr && wire->proxy_header.has_value();
  if (!one_client && !state_->removed) state_->shared.push_back(connection);
  use(std::move(connection));
}

bool Lease::should_wait(Carrier carrier) const {
  return carrier != Carrier::http1 && state_->opening > 0 &&
         (carrier == Carrier::http2 || state_->spoken != EndpointState::Spoken::http1);
}

void Lease::give_back(base::Instant now) {
  Lease ended(std::move(*this));
  EndpointState& state = *ended.state_;
  if (ended.shared_ != nullptr) {
    ended.shared_->idle_since = now;
    return;
  }
  const PoolLimits& limits = ended.pool_->limits_;
  const Wire* wire = state.endpoint.wire.get();
  bool one_client = wire != nullptr && wire->proxy_header.has_value();
  PooledConnection& connection = *ended.connection_;
  if (one_client || !connection.http.reusable() || state.removed ||
      now - connection.opened >= limits.age_max || state.idle_count >= limits.idle_connections_max) {
    return;
  }
  connection.http.make_idle();
  connection.idle_since = now;
  ++connection.exchanges;
  ++state.idle_count;
  state.idle.push_front(*ended.connection_.release());
}

Pool::~Pool() {
  for (auto& state : endpoints_) remove(*state);
}

void Pool::set_endpoints(EndpointListPtr endpoints) {
  if (endpoints == source_) return;
  source_ = std::move(endpoints);
  std::vector<std::shared_ptr<EndpointState>> next;
  next.reserve(source_->size());
  for (const Endpoint& endpoint : *source_) {
    auto same = std::ranges::find_if(
        endpoints_, [&](const auto& state) { return state != nullptr && state->endpoint == endpoint; });
    if (same != endpoints_.end()) {
      next.push_back(std::move(*same));
    } else {
      next.push_back(std::make_shared<EndpointState>(endpoint));
    }
  }
  for (auto& gone : endpoints_) {
    if (gone != nullptr) remove(*gone);
  }
  endpoints_ = std::move(next);
}

std::shared_ptr<EndpointState> Pool::choose(uint64_t random, const EndpointState* avoid) const {
  size_t count = endpoints_.size();
  if (count == 0) return nullptr;
  size_t first = static_cast<size_t>(random % count);
  if (count == 1) return endpoints_[first];
  size_t second = static_cast<size_t>((random >> 32) % (count - 1));
  if (second >= first) ++second;
  if (endpoints_[first].get() == avoid) return endpoints_[second];
  if (endpoints_[second].get() == avoid) return endpoints_[first];
  return endpoints_[first]->in_flight <= endpoints_[second]->in_flight ? endpoints_[first]
                                                                       : endpoints_[second];
}

Lease Pool::claim(std::shared_ptr<EndpointState> state) {
  Lease lease;
  lease.pool_ = this;
  lease.state_ = std::move(state);
  ++lease.state_->in_flight;
  return lease;
}

// Nothing new goes to it. Shared connections end with their last lease.
void Pool::remove(EndpointState& state) {
  state.removed = true;
  while (PooledConnection* connection = state.idle.take_front()) delete connection;
  state.idle_count = 0;
  state.shared.clear();
}

bool Pool::is_over(const PooledConnection& connection, base::Instant now) const {
  return connection.http.gone_stale() || now - connection.idle_since >= limits_.idle_max ||
         now - connection.opened >= limits_.age_max;
}

bool Pool::is_over(const SharedConnection& connection, base::Instant now) const {
  if (connection.http.gone_stale() || now - connection.opened >= limits_.age_max) return true;
  return connection.http.in_use() == 0 && now - connection.idle_since >= limits_.idle_max;
}

void Pool::sweep(base::Instant now) {
  for (auto& state : endpoints_) {
    PooledConnection* connection = state->idle.front();
    while (connection != nullptr) {
      PooledConnection* following = state->idle.after(*connection);
      if (is_over(*connection, now)) {
        connection->unlink();
        --state->idle_count;
        delete connection;
      }
      connection = following;
    }
    std::erase_if(state->shared, [&](const auto& shared) { return is_over(*shared, now); });
  }
}

}  // namespace backends
