// Stage "forward", its first half: an endpoint, and a connection to it that is open or is made here with all
// that belongs to its beginning: TCP, the PROXY header, TLS.
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "gate/exchange.h"
#include "tls/stream.h"

namespace gate {

using backends::Carrier;
using base::Reason;
using telemetry::Phase;

namespace {

base::Error connect_failure(int error) {
  base::Error failure{Reason::connection_refused, base::Side::backend, base::Retry::safe,
                      "the backend refused the connection"};
  if (error == ETIMEDOUT) {
    failure.reason = Reason::connection_timeout;
    failure.detail = "the backend did not accept the connection in time";
  } else if (error == ENOENT) {
    failure.detail = "the backend's unix socket does not exist";
  } else if (error == EHOSTUNREACH || error == ENETUNREACH) {
    failure.detail = "there is no way to the backend";
  } else if (error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == EAGAIN) {
    failure.reason = Reason::connection_limit_reached;
    failure.detail = "no further connection to the backend can be opened";
  }
  return failure;
}

base::Error client_left() {
  return {Reason::client_disconnected, base::Side::client, base::Retry::never, "the client went away"};
}

}  // namespace

io::Task<Exchange::Result> Exchange::open_backend(const backends::EndpointState* avoid) {
  telemetry::Attempt& attempt = record_.add_attempt();
  find_own_backends();
  if (!state_->pool.has_endpoints()) {
    if (auto there = co_await wait_for_endpoints(); !there) co_return there;
  }
  std::shared_ptr<backends::EndpointState> endpoint = state_->pool.choose(worker_.random_word(), avoid);
  if (endpoint == nullptr) {
    co_return base::backend_error(Reason::no_healthy_endpoint, "the service has no endpoint");
  }
  tried_[record_.attempts_made - 1] = endpoint;
  attempt.endpoint = endpoint->endpoint.text;
  Carrier carrier = choose_carrier(endpoint->endpoint.wire.get());
  backend_ = state_->pool.claim(std::move(endpoint));
  // A second try never trusts another kept connection: the backend may have closed all of them.
  using Idle = backends::Lease::Idle;
  base::Instant now = attempt_began_;
  if (!backend_.take_open(now, carrier, avoid == nullptr ? Idle::take : Idle::leave)) {
    Result connected = co_await connect(carrier);
    now = worker_.now();
    if (!connected) {
      attempt.connect = now - attempt_began_;
      co_return connected;
    }
  }
  attempt.connect = now - attempt_began_;
  attempt.connection = backend_.reused() ? telemetry::Connection::reused : telemetry::Connection::fresh;
  if (backend_.reused()) attempt.connection_age = now - backend_.opened();
  record_.phases.enter(Phase::send, now);
  co_return Result{};
}

// What may carry this request to an endpoint of that kind.
Carrier Exchange::choose_carrier(const backends::Wire* wire) const {
  using backends::Protocol;
  Protocol protocol = wire != nullptr ? wire->protocol : Protocol::automatic;
  if (protocol == Protocol::http1) return Carrier::http1;
  if (protocol == Protocol::http2) return Carrier::http2;
  // Few backends take a WebSocket over HTTP/2.
  if (client_.head().upgrade) return Carrier::http1;
  if (wire != nullptr && wire->tls != nullptr) return Carrier::any;
  return call_.is_call() ? Carrier::http2 : Carrier::http1;
}

// state_ holds the backends that the exchange's own snapshot names, also where others have replaced them
// while it waited.
void Exchange::find_own_backends() {
  if (state_ == nullptr || state_->generation != service_->backends_generation) {
    state_ = worker_.state_of(*service_);
  }
}

io::Task<Exchange::Result> Exchange::wait_for_endpoints() {
  base::Instant deadline = within_call(worker_.loop().now() + service_->connect_timeout);
  while (!state_->pool.has_endpoints()) {
    switch (state_->lookup) {
      case ServiceState::Lookup::done:
        co_return Result{};
      case ServiceState::Lookup::failed:
        co_return base::backend_error(Reason::dns_error, "the backend's name could not be resolved");
      case ServiceState::Lookup::replaced:
        co_return base::backend_error(Reason::no_healthy_endpoint,
                                      "the service's backends were replaced while the request waited");
      case ServiceState::Lookup::pending:
        break;
    }
    io::Broadcast::Seat seat(state_->endpoints_arrived);
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, seat.signal, client_.gone());
    if (client_.client_gone())
      co_return base::client_error(Reason::client_disconnected, "the client went away");
    if (wake == io::Wake::timed_out) {
      co_return base::backend_error(Reason::dns_timeout, "the backend's name was not resolved in time");
    }
    find_own_backends();
  }
  co_return Result{};
}

io::Task<Exchange::Result> Exchange::connect(Carrier carrier) {
  base::Instant deadline = within_call(worker_.loop().now() + service_->connect_timeout);
  // Many requests at once share the first connection instead of opening one each.
  while (backend_.should_wait(carrier)) {
    std::shared_ptr<backends::EndpointState> endpoint = backend_.state();
    io::Broadcast::Seat seat(endpoint->opened);
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, seat.signal, client_.gone());
    if (client_.client_gone()) co_return base::fail(client_left());
    if (wake == io::Wake::timed_out) co_return base::fail(connect_failure(ETIMEDOUT));
    if (backend_.take_open(worker_.loop().now(), carrier, backends::Lease::Idle::take)) co_return Result{};
  }
  std::optional<backends::Opening> opening;
  if (carrier != Carrier::http1) opening.emplace(backend_.state());

  int error = 0;
  std::unique_ptr<io::Stream> stream = worker_.network().connect(backend_.endpoint().address, error);
  if (stream == nullptr) co_return base::fail(connect_failure(error));
  while ((error = stream->connect_error()) == EINPROGRESS) {
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, stream->writable(), client_.gone());
    if (client_.client_gone()) co_return base::fail(client_left());
    if (wake == io::Wake::timed_out) co_return base::fail(connect_failure(ETIMEDOUT));
  }
  if (error != 0) co_return base::fail(connect_failure(error));

  const backends::Wire* wire = backend_.endpoint().wire.get();
  if (wire != nullptr && wire->proxy_header) {
    if (auto sent = send_proxy_header(*stream, *wire->proxy_header); !sent) co_return sent;
  }
  bool http2 = carrier == Carrier::http2;
  if (wire != nullptr && wire->tls != nullptr) {
    auto secure = tls::Stream::connect(std::move(stream),
                                       {.context = carrier == Carrier::http1 ? wire->tls_http1 : wire->tls,
                                        .name = backend_.endpoint().server_name,
                                        .session = backend_.state()->session});
    if (auto done = co_await shake_hands(*secure, deadline); !done) co_return done;
    http2 = secure->alpn() == "h2";
    if (carrier == Carrier::http2 && !http2) {
      co_return base::backend_error(Reason::http_protocol_error, "the backend does not agree to HTTP/2");
    }
    stream = std::move(secure);
  }
  if (http2) {
    backend_.adopt_shared(std::move(stream), worker_.now());
  } else {
    backend_.adopt(std::move(stream), worker_.now());
  }
  if (!backend_.valid()) {
    co_return base::backend_error(Reason::connection_terminated, "the backend closed a new connection");
  }
  co_return Result{};
}

io::Task<Exchange::Result> Exchange::shake_hands(tls::Stream& stream, base::Instant deadline) {
  for (;;) {
    auto step = stream.step_handshake();
    if (!step) co_return std::unexpected(step.error());
    if (*step == tls::Stream::Progress::done) co_return Result{};
    io::Wake wake =
        co_await io::wait_for(worker_.loop(), deadline, stream.readable(), stream.writable(), client_.gone());
    if (client_.client_gone()) co_return base::fail(client_left());
    if (wake == io::Wake::timed_out) co_return base::fail(connect_failure(ETIMEDOUT));
  }
}

// On behalf of the client that the request came from, as far as it is known.
Exchange::Result Exchange::send_proxy_header(io::Stream& stream, io::ProxyVersion version) {
  io::ProxyHeader header{.version = version, .kind = io::ProxyHeader::Kind::proxied};
  header.source = context_.peer;
  if (header.source.kind == io::Address::Kind::ip && client_ip_ != context_.peer.ip) {
    header.source.ip = client_ip_;
    header.source.port = 0;  // a proxy in front does not say it
  }
  header.destination = worker_.listener_address(context_.listener);
  std::array<char, io::kProxyHeaderWrittenMax> bytes;
  size_t size = io::write_proxy_header(header, bytes);
  iovec piece{bytes.data(), size};
  io::IoResult sent = stream.write({&piece, 1});
  // A new connection has room for so little.
  if (sent.kind != io::IoResult::Kind::bytes || sent.count != size) {
    return base::fail({Reason::connection_terminated, base::Side::backend, base::Retry::safe,
                       "the backend closed a new connection"});
  }
  return {};
}

}  // namespace gate
