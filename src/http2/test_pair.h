// For the tests of this folder: a simulated world with our server at one end of a connection and our client
// at the other, and calls between them told as text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "http2/client_connection.h"
#include "http2/server_connection.h"
#include "http2/test_site.h"
#include "io/sim.h"

namespace http2 {

class FixedWeather final : public io::SimWeather {
 public:
  explicit FixedWeather(io::SimLinkPlan plan) : plan_(plan) {}
  io::SimLinkPlan plan(const io::Address&, io::SimRandom&) override { return plan_; }

 private:
  io::SimLinkPlan plan_;
};

struct Call {
  std::string method = "GET";
  std::string path = "/echo";
  std::vector<http::Header> headers = {};
  http::BodyLength body = {};
  std::string sent = {};
  std::string trailers = {};
  std::string upgrade = {};
};

// What came of a call.
struct Told {
  bool done = false;
  std::string text;  // "200\nname: value…\n\nbody", heads of 1xx in front; or "failed: reason"
  std::string body;
  std::string trailers;
  base::Error error{.reason = base::Reason::none};
};

// Both ends. plan is how the wire behaves.
struct Pair {
  explicit Pair(io::SimLinkPlan plan = {}, uint64_t seed = 1) : sim(seed), weather(plan) {
    sim.network.set_weather(&weather);
    listener = sim.network.listen(io::sim_address(1, 80));
    int error = 0;
    std::unique_ptr<io::Stream> near =
        sim.network.connect_from(io::sim_address(2, 5000), io::sim_address(1, 80), error);
    sim.run_until([&] {
      io::Address peer;
      if (auto far = listener->accept(peer, error)) {
        server = std::make_unique<ServerConnection>(sim.loop, std::move(far), peer);
      }
      return server != nullptr && near->connect_error() == 0;
    });
    scope.spawn(serve());
    client = std::make_unique<ClientConnection>(sim.loop, std::move(near), ClientSettings{});
  }
  ~Pair() { scope.cancel_all(); }

  io::Task<> serve() {
    co_await server->serve(site);
    server.reset();
  }

  Told& start(Call call) {
    told.push_back(std::make_unique<Told>());
    scope.spawn(run(std::move(call), *told.back()));
    return *told.back();
  }
  Told& ask(Call call) {
    Told& result = start(std::move(call));
    sim.run_until([&] { return result.done; }, base::seconds(300));
    return result;
  }

  io::Task<> run(Call call, Told& result) {
    while (!client->can_open() || (!call.upgrade.empty() && !client->settings_known())) {
      if (client->gone_stale()) co_return fail(result, "stale");
      io::Broadcast::Seat seat(client->changed());
      co_await io::wait_for(sim.loop, base::kNever, seat.signal);
    }
    std::unique_ptr<ClientStream> stream = client->open_stream();
    http::Headers headers;
    for (http::Header header : call.headers) {
      header.id = http::find_header_id(header.name);
      headers.add(header);
    }
    const size_t question = call.path.find('?');
    auto started = stream->start_request(
        {.method = call.method,
         .method_kind = http::parse_method(call.method),
         .path = std::string_view(call.path).substr(0, question),
         .query = question == std::string::npos ? "" : std::string_view(call.path).substr(question + 1),
         .has_query = question != std::string::npos,
         .authority = "site.example",
         .headers = &headers,
         .body = call.body,
         .upgrade = call.upgrade});
    if (!started) co_return fail(result, started.error());
    io::Task<> upload = send_body(*stream, call);
    upload.start();
    http::ResponseHead head;
    for (;;) {
      auto got = stream->receive_head(head);
      if (!got) co_return fail(result, got.error());
      if (!*got) {
        co_await io::wait_for(sim.loop, base::kNever, stream->readable());
        continue;
      }
      result.text += std::to_string(head.status);
      for (const http::Header& header : head.headers) {
        result.text.append("\n").append(header.name).append(": ").append(header.value);
      }
      result.text += "\n\n";
      if (head.status >= 200 || head.status == 101) break;
    }
    const bool whole = co_await read_all(sim.loop, *stream, result.body);
    result.text += result.body.size() > 100 ? std::to_string(result.body.size()) : result.body;
    result.trailers = stream->trailers();
    if (!whole) {
      auto why = stream->peek();
      co_return fail(result, why ? base::Error{} : why.error());
    }
    result.done = true;
  }
  io::Task<> send_body(ClientStream& stream, const Call& call) {
    if (!co_await write_all(sim.loop, stream, call.sent)) co_return;
    (void)stream.finish(call.trailers);
    co_await settle(sim.loop, stream);
  }
  static void fail(Told& result, const base::Error& error) {
    result.error = error;
    fail(result,
         std::string(base::reason_name(error.reason)) + (error.retry == base::Retry::safe ? ", safe" : ""));
  }
  static void fail(Told& result, const std::string& why) {
    result.text += "failed: " + why;
    result.done = true;
  }

  io::SimWorld sim;
  FixedWeather weather;
  Site site{sim.loop};
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<ServerConnection> server;
  std::unique_ptr<ClientConnection> client;
  std::vector<std::unique_ptr<Told>> told;
  io::Scope scope;
};

}  // namespace http2
