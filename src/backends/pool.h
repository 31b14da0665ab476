// One worker's connections to one service's endpoints: who takes the next request, idle HTTP/1.1 connections
// kept for it, and HTTP/2 connections that carry many at once. Belongs to the worker, not to a snapshot: it
// survives reloads, and endpoints that stay keep their connections.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "http1/client_connection.h"
#include "http2/client_connection.h"
#include "io/broadcast.h"
#include "io/list.h"
#include "io/stream.h"
#include "telemetry/metrics.h"
#include "tls/client_context.h"

namespace backends {

struct PoolLimits {
  base::Duration idle_max = base::seconds(55);  // just under the minute after which many servers close
  base::Duration age_max = base::seconds(3600);
  uint32_t idle_connections_max = 512;  // HTTP/1.1, for each endpoint
  http::HeadLimits head;
};

struct PoolParts {
  io::Loop& loop;
  telemetry::WorkerMetrics& metrics;  // counts the open connections
  uint32_t service = 0;               // under this number
};

// What connections of both kinds have; counts them while they are open.
struct OpenConnection {
  OpenConnection(const PoolParts& of, base::Instant now) : parts(of), opened(now), idle_since(now) {
    parts.metrics.backend_connection_opened(parts.service);
  }
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;
  ~OpenConnection() { parts.metrics.backend_connection_closed(parts.service); }
  PoolParts parts;
  base::Instant opened;
  base::Instant idle_since;
  uint32_t exchanges = 0;
};

struct ConnectionTag;
struct PooledConnection : OpenConnection, io::ListNode<ConnectionTag> {
  PooledConnection(const PoolParts& parts, base::Instant now, std::unique_ptr<io::Stream> stream,
                   const http::HeadLimits& limits)
      : OpenConnection(parts, now), http(parts.loop, std::move(stream), limits) {}
  http1::ClientConnection http;
};

// Held by its endpoint while it may take requests, and by the leases on it.
struct SharedConnection : OpenConnection {
  SharedConnection(const PoolParts& parts, base::Instant now, std::unique_ptr<io::Stream> stream,
                   const http2::ClientSettings& settings)
      : OpenConnection(parts, now), http(parts.loop, std::move(stream), settings) {}
  http2::ClientConnection http;
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
  std::vector<std::shared_ptr<SharedConnection>> shared;
  uint32_t opening = 0;  // exchanges that are opening a connection others may share
  io::Broadcast opened;  // one of them has come about, or failed
  // What ALPN agreed on last; decides whether it is worth waiting for another's connection.
  enum class Spoken : uint8_t { unknown, http1, http2 } spoken = Spoken::unknown;
  std::shared_ptr<tls::SessionSlot> session = std::make_shared<tls::SessionSlot>();
};

class Pool;

// What may carry a request.
enum class Carrier : uint8_t { any, http1, http2 };

// One exchange's claim on an endpoint, counted from the choice on, and the connection it uses once there is
// one. Destroying it closes the connection, or cancels the stream, unless it was given back.
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

  bool valid() const { return carrier_ != nullptr; }
  http::ClientStream& http() const { return *carrier_; }
  const Endpoint& endpoint() const { return state_->endpoint; }
  // Others' requests have gone over the connection before.
  bool reused() const { return reused_; }
  bool multiplexed() const { return shared_ != nullptr; }
  http2::ClientConnection* http2() const { return shared_ != nullptr ? &shared_->http : nullptr; }
  base::Instant opened() const { return shared_ != nullptr ? shared_->opened : connection_->opened; }

  enum class Idle : uint8_t { take, leave };
  // Uses a connection that is open; false when there is none. leave: an idle HTTP/1.1 one is not trusted.
  bool take_open(base::Instant now, Carrier carrier, Idle idle);
  // The connections that were opened for it.
  void adopt(std::unique_ptr<io::Stream> stream, base::Instant now);
  void adopt_shared(std::unique_ptr<io::Stream> stream, base::Instant now);
  // The exchange is over: keeps the connection for the next when it can be.
  void give_back(base::Instant now);

  // Whether another exchange is opening a connection that could carry this one too: wait for opened().
  bool should_wait(Carrier carrier) const;
  io::Broadcast& connection_opened() const { return state_->opened; }
  std::shared_ptr<EndpointState> state() const { return state_; }

 private:
  friend class Pool;
  void swap(Lease& other) noexcept;
  bool take_shared(base::Instant now);
  bool take_idle(base::Instant now);
  void use(std::shared_ptr<SharedConnection> connection);

  Pool* pool_ = nullptr;
  std::shared_ptr<EndpointState> state_;
  std::unique_ptr<PooledConnection> connection_;
  std::shared_ptr<SharedConnection> shared_;
  std::unique_ptr<http2::ClientStream> stream_;  // of shared_
  http::ClientStream* carrier_ = nullptr;        // the one of the two that is there
  bool reused_ = false;
};

// While it lives, others that could share the connection wait for it instead of opening their own.
class Opening {
 public:
  explicit Opening(std::shared_ptr<EndpointState> state) : state_(std::move(state)) { ++state_->opening; }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;
  ~Opening() {
    --state_->opening;
    state_->opened.notify_all();
  }

 private:
  std::shared_ptr<EndpointState> state_;
};

class Pool {
 public:
  Pool(const PoolLimits& limits, const PoolParts& parts) : limits_(limits), parts_(parts) {}
  ~Pool();

  void set_endpoints(EndpointListPtr endpoints);
  bool has_endpoints() const { return !endpoints_.empty(); }

  // The endpoint with fewer requests in flight of two picked at random (power of two choices). avoid: one
  // that has just failed, taken only when there is no other. Null without endpoints.
  std::shared_ptr<EndpointState> choose(uint64_t random, const EndpointState* avoid) const;
  // A claim on it, without a connection yet.
  Lease claim(std::shared_ptr<EndpointState> state);

  // Closes what has been idle or has lived too long, or was closed by the backend.
  void sweep(base::Instant now);
  const std::vector<std::shared_ptr<EndpointState>>& endpoints() const { return endpoints_; }

 private:
  friend class Lease;
  void remove(EndpointState& state);
  bool is_over(const PooledConnection& connection, base::Instant now) const;
  bool is_over(const SharedConnection& connection, base::Instant now) const;

  PoolLimits limits_;
  PoolParts parts_;
  EndpointListPtr source_;
  std::vector<std::shared_ptr<EndpointState>> endpoints_;
};

}  // namespace backends
