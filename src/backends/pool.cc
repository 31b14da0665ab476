#include "backends/pool.h"

#include <algorithm>

namespace backends {

EndpointState::~EndpointState() {
  while (PooledConnection* connection = idle.take_front()) delete connection;
}

Lease::~Lease() {
  if (state_ == nullptr) return;
  --state_->in_flight;
  if (connection_ != nullptr) pool_->close(std::move(connection_));
}

void Lease::adopt(std::unique_ptr<io::Stream> stream, base::Instant now) {
  connection_ = std::make_unique<PooledConnection>(std::move(stream), pool_->limits_.head);
  connection_->opened = now;
  pool_->metrics_.backend_connection_opened(pool_->service_);
}

void Lease::swap(Lease& other) noexcept {
  std::swap(pool_, other.pool_);
  state_.swap(other.state_);
  connection_.swap(other.connection_);
}

void Lease::give_back(base::Instant now) {
  const PoolLimits& limits = pool_->limits_;
  bool keep = connection_->http.reusable() && !state_->removed &&
              now - connection_->opened < limits.age_max && state_->idle_count < limits.idle_connections_max;
  if (!keep) {
    Lease ended(std::move(*this));
    return;
  }
  --state_->in_flight;
  connection_->http.make_idle();
  connection_->idle_since = now;
  ++connection_->exchanges;
  ++state_->idle_count;
  state_->idle.push_front(*connection_.release());
  state_.reset();
}

Pool::~Pool() {
  for (auto& state : endpoints_) close_idle(*state);
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
    if (gone == nullptr) continue;
    gone->removed = true;
    close_idle(*gone);
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

Lease Pool::claim(std::shared_ptr<EndpointState> state, base::Instant now, Idle idle) {
  Lease lease;
  lease.pool_ = this;
  lease.state_ = std::move(state);
  EndpointState& endpoint = *lease.state_;
  ++endpoint.in_flight;
  while (idle == Idle::take && lease.connection_ == nullptr) {
    std::unique_ptr<PooledConnection> connection(endpoint.idle.take_front());
    if (connection == nullptr) break;
    --endpoint.idle_count;
    if (connection->http.gone_stale() || now - connection->idle_since >= limits_.idle_max) {
      close(std::move(connection));
    } else {
      lease.connection_ = std::move(connection);
    }
  }
  return lease;
}

void Pool::close(std::unique_ptr<PooledConnection> connection) {
  connection.reset();
  metrics_.backend_connection_closed(service_);
}

void Pool::close_idle(EndpointState& state) {
  while (PooledConnection* connection = state.idle.take_front()) {
    --state.idle_count;
    close(std::unique_ptr<PooledConnection>(connection));
  }
}

void Pool::sweep(base::Instant now) {
  for (auto& state : endpoints_) {
    PooledConnection* connection = state->idle.front();
    while (connection != nullptr) {
      PooledConnection* following = state->idle.after(*connection);
      if (connection->http.gone_stale() || now - connection->idle_since >= limits_.idle_max ||
          now - connection->opened >= limits_.age_max) {
        connection->unlink();
        --state->idle_count;
        close(std::unique_ptr<PooledConnection>(connection));
      }
      connection = following;
    }
  }
}

}  // namespace backends
