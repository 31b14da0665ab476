#include "gate/tunnel.h"

#include <algorithm>
#include <utility>

namespace gate {

using base::Reason;

namespace {

Tunnel::Ending idle_for_too_long() {
  return {.why = {Reason::connection_read_timeout, base::Side::backend, base::Retry::never,
                  "the connection was idle for too long"},
          .to_client = {.code = websocket::kGoingAway, .reason = "idle for too long"}};
}

enum class Dropped : uint8_t { nothing, some, the_last };

Dropped drop_input(http::BodySource& source) {
  auto got = source.peek();
  if (!got || (got->end && got->bytes.empty())) return Dropped::the_last;
  source.consume(got->bytes.size());
  return got->bytes.empty() ? Dropped::nothing : Dropped::some;
}

}  // namespace

Tunnel::Tunnel(const Plan& plan)
    : plan_(plan),
      down_(*this, plan.backend, plan.client, base::Side::backend),
      up_(*this, plan.client, plan.backend, base::Side::client) {}

base::Result<size_t> Tunnel::Direction::write(std::string_view bytes) {
  auto taken = to.write(bytes);
  if (!taken || *taken == 0) return taken;
  tunnel_.moved_ = tunnel_.plan_.loop.now();
  if (tunnel_.plan_.protocol == Protocol::websocket) frames.follow(bytes.substr(0, *taken));
  return taken;
}

base::Result<> Tunnel::Direction::finish(std::string_view trailers) {
  finished = true;
  return to.finish(trailers);
}

void Tunnel::end(const Ending& ending) {
  wanted_ = ending;
  changed_.fire();
}

// Each direction ends by itself (half-close), the tunnel with the second.
io::Task<Tunnel::End> Tunnel::run() {
  io::Loop& loop = plan_.loop;
  moved_ = loop.now();
  up_.task = relay_to_backend();
  up_.task.start();
  down_.task = relay_to_client();
  down_.task.start();
  base::Instant half_closed_until = base::kNever;
  for (;;) {
    if (wanted_) co_return co_await part(*wanted_);
    // A client that has gone is seen by the way up too, once it has delivered what came before.
    if (down_.outcome) {
      if (!*down_.outcome) co_return End{down_.outcome->error(), End::Manner::cut};
      if (up_.outcome) co_return *up_.outcome ? End{} : End{up_.outcome->error(), End::Manner::cut};
      half_closed_until = std::min(half_closed_until, loop.now() + kTunnelHalfClosedPatience);
    }
    base::Instant deadline = std::min(half_closed_until, moved_ + plan_.idle_patience);
    if (co_await io::wait_for(loop, deadline, changed_) != io::Wake::timed_out) continue;
    if (loop.now() >= half_closed_until) co_return End{};
    if (loop.now() >= moved_ + plan_.idle_patience) co_return co_await part(idle_for_too_long());
  }
}

io::Task<> Tunnel::relay_to_client() {
  down_.outcome = co_await relay_body({.loop = plan_.loop,
                                       .from = down_.from,
                                       .to = down_,
                                       .trailers = RelayPlan::Trailers::dropped,
                                       .write_timeout = {Reason::client_stalled, base::Side::client,
                                                         base::Retry::never, "the client stopped reading"},
                                       .client = &plan_.client,
                                       .send_patience = &plan_.send_patience});
  changed_.fire();
}

io::Task<> Tunnel::relay_to_backend() {
  up_.outcome = co_await relay_body({.loop = plan_.loop,
                                     .from = up_.from,
                                     .to = up_,
                                     .write_patience = plan_.write_patience,
                                     .trailers = RelayPlan::Trailers::dropped,
                                     .write_timeout = {Reason::connection_write_timeout, base::Side::backend,
                                                       base::Retry::never, "the backend stopped reading"}});
  changed_.fire();
}

// The gate's own end. The frame that the client is in the middle of may still be completed, or no close frame
// could follow it; of the client's own bytes none goes further from here on.
io::Task<Tunnel::End> Tunnel::part(Ending ending) {
  up_.task.cancel();
  down_.task.cancel();
  if (plan_.protocol == Protocol::other) co_return End{ending.why, End::Manner::cut};
  base::Instant deadline = plan_.loop.now() + kTunnelFarewellPatience;
  Farewell client{.direction = down_, .state = begin(down_)};
  Farewell backend{.direction = up_, .state = begin(up_)};
  client.size = websocket::write_close_frame(ending.to_client, client.frame);
  backend.size = websocket::write_masked_close_frame({.code = websocket::kGoingAway, .reason = {}},
                                                     backend.frame, plan_.random);
  if (backend.state == Farewell::State::frame_under_way) backend.state = Farewell::State::impossible;
  while (!plan_.client.client_gone() && plan_.loop.now() < deadline) {
    go_on(client);
    // Told any earlier, the backend might leave in the middle of the frame.
    if (client.over()) go_on(backend);
    if (client.over() && backend.over()) break;
    if (std::exchange(client.moved, false)) {
      co_await io::Yield(plan_.loop);
    } else {
      co_await io::wait_for(plan_.loop, deadline, plan_.client.writable(), plan_.client.gone(),
                            plan_.backend.readable(), plan_.backend.writable());
    }
  }
  go_on(backend);
  if (client.state != Farewell::State::told) co_return End{ending.why, End::Manner::cut};
  co_await await_answers(deadline);
  co_return End{ending.why, End::Manner::parted};
}

void Tunnel::go_on(Farewell& farewell) {
  using State = Farewell::State;
  if (farewell.state == State::frame_under_way) farewell.state = pass_rest_of_frame(farewell);
  if (farewell.state == State::close_frame) farewell.state = write_close_frame(farewell);
  if (farewell.state == State::flushing) farewell.state = flush(farewell.direction);
}

Tunnel::Farewell::State Tunnel::begin(const Direction& direction) {
  using State = Farewell::State;
  if (direction.finished) return State::flushing;
  if (direction.frames.broken()) return State::impossible;
  return direction.frames.within_frame() ? State::frame_under_way : State::close_frame;
}

// One piece of it.
Tunnel::Farewell::State Tunnel::pass_rest_of_frame(Farewell& farewell) {
  using State = Farewell::State;
  Direction& direction = farewell.direction;
  auto got = direction.from.peek();
  if (!got || (got->end && got->bytes.empty())) return State::impossible;
  auto taken = direction.write(got->bytes.substr(0, direction.frames.until_boundary(got->bytes)));
  if (!taken) return State::impossible;
  direction.from.consume(*taken);
  farewell.moved = *taken > 0;
  if (!direction.frames.within_frame()) return begin(direction);
  // What was taken leaves while more is waited for.
  return farewell.moved || direction.flush() ? State::frame_under_way : State::impossible;
}

Tunnel::Farewell::State Tunnel::write_close_frame(Farewell& farewell) {
  using State = Farewell::State;
  Direction& direction = farewell.direction;
  // RFC 6455 §5.5.1: behind the other side's own close frame nothing follows.
  if (direction.frames.close_seen()) farewell.sent = farewell.size;
  while (farewell.sent < farewell.size) {
    auto taken = direction.to.write({farewell.frame.data() + farewell.sent, farewell.size - farewell.sent});
    if (!taken) return State::impossible;
    if (*taken == 0) return State::close_frame;
    farewell.sent += *taken;
  }
  return direction.finish({}) ? State::flushing : State::impossible;
}

Tunnel::Farewell::State Tunnel::flush(Direction& direction) {
  using State = Farewell::State;
  auto flushed = direction.flush();
  if (!flushed) return State::impossible;
  return *flushed ? State::told : State::flushing;
}

// RFC 6455 §7.1.1: a connection that is closed while something is unread is reset, and the close frame on its
// way may go with it.
io::Task<> Tunnel::await_answers(base::Instant deadline) {
  while (plan_.loop.now() < deadline) {
    Dropped of_client = drop_input(plan_.client);
    Dropped of_backend = drop_input(plan_.backend);
    if (of_client == Dropped::the_last && of_backend == Dropped::the_last) co_return;
    if (of_client == Dropped::some || of_backend == Dropped::some) {
      co_await io::Yield(plan_.loop);
      continue;
    }
    co_await io::wait_for(plan_.loop, deadline, plan_.client.readable(), plan_.client.gone(),
                          plan_.backend.readable());
  }
}

}  // namespace gate
