#include "gate/test_websocket.h"

#include "http1/client_connection.h"
#include "http1/server_connection.h"

namespace gate::test {

io::Task<> WebSocketBackend::accept_all() {
  for (;;) {
    io::Address peer;
    int error = 0;
    while (auto stream = listener_->accept(peer, error)) {
      scope_.spawn(serve_connection(std::move(stream), std::move(peer)));
    }
    co_await io::wait_for(sim_.loop, base::kNever, listener_->acceptable);
  }
}

io::Task<> WebSocketBackend::serve_connection(std::unique_ptr<io::Stream> stream, io::Address peer) {
  if (http_ == Http::one) {
    http1::ServerConnection connection(sim_.loop, std::move(stream), peer);
    co_await connection.serve(*this);
  } else {
    http2::ServerConnection connection(sim_.loop, std::move(stream), peer);
    co_await connection.serve(*this);
  }
}

io::Task<> WebSocketClient::run() {
  int error = 0;
  auto stream =
      sim_.network.connect_from(io::sim_address(request_.number, 40'000), io::sim_address(1, 80), error);
  while (stream->connect_error() == EINPROGRESS) {
    co_await io::wait_for(sim_.loop, base::kNever, stream->writable());
  }
  if (request_.http == Http::one) {
    http1::ClientConnection connection(sim_.loop, std::move(stream), {});
    co_await ask(connection);
    co_return;
  }
  http2::ClientConnection connection(sim_.loop, std::move(stream), {});
  while (!connection.settings_known() && !connection.gone_stale()) {
    io::Broadcast::Seat seat(connection.changed());
    co_await io::wait_for(sim_.loop, base::kNever, seat.signal);
  }
  std::unique_ptr<http2::ClientStream> request = connection.open_stream();
  if (request == nullptr) {
    ending = "broken";
  } else {
    co_await ask(*request);
  }
}

io::Task<> WebSocketClient::ask(http::ClientStream& stream) {
  http::Headers headers;
  if (request_.http == Http::one) headers.add({.name = "Sec-WebSocket-Key", .value = kClientKey});
  if (!request_.version.empty()) headers.add({.name = "Sec-WebSocket-Version", .value = request_.version});
  for (const auto& [name, value] : request_.headers) headers.add({.name = name, .value = value});
  auto started = stream.start_request({.method = "GET",
                                       .method_kind = http::Method::get,
                                       .path = request_.path,
                                       .authority = "a",
                                       .headers = &headers,
                                       .upgrade = "websocket"});
  http::ResponseHead answer;
  for (;;) {
    (void)stream.flush();
    auto got = started ? stream.receive_head(answer) : std::unexpected(started.error());
    if (!got) {
      ending = "broken";
      co_return;
    }
    if (*got) break;
    co_await io::wait_for(sim_.loop, base::kNever, stream.readable(), stream.writable());
  }
  status = answer.status;
  head = describe(answer.headers);
  if (status == 101) stream.switch_to_raw();
  co_await talk(sim_.loop, stream, stream, never_);
}

ServiceSetup websocket_service(Http http, std::function<void(Service&)> adjust) {
  return {.path = "/a", .adjust = [http, adjust](Service& service) {
            io::Address at = io::sim_address(20, 9000);
            // One object, so that connections are kept over generations.
            static const auto wire1 = std::make_shared<const backends::Wire>();
            static const auto wire2 =
                std::make_shared<const backends::Wire>(backends::Wire{.protocol = backends::Protocol::http2});
            service.endpoints = std::make_shared<const backends::EndpointList>(
                1, backends::Endpoint{.address = at,
                                      .text = io::format_address(at),
                                      .authority = "backend20",
                                      .server_name = "",
                                      .wire = http == Http::two ? wire2 : wire1});
            service.websocket.idle_patience = base::seconds(600);
            if (adjust) adjust(service);
          }};
}

}  // namespace gate::test
