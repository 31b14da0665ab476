// One worker's connections to one service's endpoints: who takes the next request, and idle connections kept
// for it. Belongs to the worker, not to a snapshot: it survives reloads, and endpoints that stay keep their
// connections.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "http1/client_connection.h"
#include "io/list.h"
#include "io/stream.h"
#include "telemetry/metrics.h"

namespace backends {

struct PoolLimits {
  base::Duration idle_max = base::seconds(55);  // just under the minute after which many servers close
  base::Duration age_max = base::seconds(3600);
  uint32_t idle_connections_max = 512;  // for each endpoint
  http::HeadLimits head;
};

struct ConnectionTag;
struct PooledConnection : io::ListNode<ConnectionTag> {
  PooledConnection(std::unique_ptr<io::Stream> stream, const http::HeadLimits& limits)
      : http(std::move(stream), limits) {}
  http1::ClientConnection http;
  base::Instant opened;
  base::Instant idle_since;
  uint32_t exchanges = 0;
};

// One endpoint as this worker sees it. Shared with the leases on it, so that it may be removed in between.
struct EndpointState {
  explicit EndpointState(Endpoint e) : endpoint(std::move(e)) {}
  ~EndpointState();
  Endpoint endpoint;
  uint32_t in_flight = 0;
  uint32_t idle_count = 0;
  bool removed = false;
  io::List<PooledConnection, ConnectionTag> idle;  // most recently used first
};

class Pool;

// One exchange's claim on an endpoint, counted from the choice on, and the connection it uses once there is
// one. Destroying it closes the connection unless it was given back.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept { swap(other); }
  Lease& operator=(Lease&& other) noexcept {
    Lease moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Lease();

  bool valid() const { return connection_ != nullptr; }
  http1::ClientConnection& http() const { return connection_->http; }
  const Endpoint& endpoint() const { return state_->endpoint; }
  bool reused() const { return connection_->exchanges > 0; }
  base::Instant opened() const { return connection_->opened; }
  // The connection that was opened for it.
  void adopt(std::unique_ptr<io::Stream> stream, base::Instant now);
  // The exchange is over: keeps the connection for the next when it can be.
  void give_back(base::Instant now);

 private:
  friend class Pool;
  void swap(Lease& other) noexcept;

  Pool* pool_ = nullptr;
  std::shared_ptr<EndpointState> state_;
  std::unique_ptr<PooledConnection> connection_;
};

class Pool {
 public:
  // metrics counts the open connections under the service's number.
  Pool(const PoolLimits& limits, telemetry::WorkerMetrics& metrics, uint32_t service)
      : limits_(limits), metrics_(metrics), service_(service) {}
  ~Pool();

  void set_endpoints(EndpointListPtr endpoints);
  bool has_endpoints() const { return !endpoints_.empty(); }

  // The endpoint with fewer requests in flight of two picked at random (power of two choices). avoid: one
  // that has just failed, taken only when there is no other. Null without endpoints.
  std::shared_ptr<EndpointState> choose(uint64_t random, const EndpointState* avoid) const;
  enum class Idle : uint8_t { take, leave };
  // A claim on it, with an idle connection if there is one and it is to be taken.
  Lease claim(std::shared_ptr<EndpointState> state, base::Instant now, Idle idle);

  // Closes what has been idle or has lived too long, or was closed by the backend.
  void sweep(base::Instant now);
  const std::vector<std::shared_ptr<EndpointState>>& endpoints() const { return endpoints_; }

 private:
  friend class Lease;
  void close(std::unique_ptr<PooledConnection> connection);
  void close_idle(EndpointState& state);

  PoolLimits limits_;
  telemetry::WorkerMetrics& metrics_;
  uint32_t service_;
  EndpointListPtr source_;
  std::vector<std::shared_ptr<EndpointState>> endpoints_;
};

}  // namespace backends
