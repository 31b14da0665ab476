// For tests of upgrades: a client and a backend that each speak WebSocket over HTTP/1.1 or over HTTP/2, in
// the simulated world of test_world.h. Both say what the test tells them to and keep what they hear.
#pragma once

#include "base/bytes.h"
#include "gate/test_world.h"
#include "gate/tunnel.h"
#include "http2/client_connection.h"
#include "http2/server_connection.h"
#include "websocket/close_frame.h"
#include "websocket/frame_tracker.h"
#include "websocket/handshake.h"

namespace gate::test {

enum class Http : uint8_t { one, two };

inline constexpr std::string_view kClientKey = "dGhlIHNhbXBsZSBub25jZQ==";

// A text frame as its sender would make it: a client's are masked.
inline std::string frame(std::string_view text, base::Side sender) {
  std::string out = "\x81";
  char mask = sender == base::Side::client ? '\x80' : '\0';
  if (text.size() < 126) {
    out += static_cast<char>(text.size() | static_cast<uint8_t>(mask));
  } else {
    out += static_cast<char>(126 | static_cast<uint8_t>(mask));
    out += static_cast<char>(text.size() >> 8);
    out += static_cast<char>(text.size());
  }
  if (mask != 0) out += "abcd";
  for (size_t i = 0; i < text.size(); ++i)
    out += mask != 0 ? static_cast<char>(text[i] ^ "abcd"[i % 4]) : text[i];
  return out;
}

// What somebody heard, told shortly: "3 messages, closed 1008", "cut in a frame", ….
inline std::string told(std::string_view bytes, base::Side sender) {
  websocket::FrameTracker frames(sender);
  frames.follow(bytes);
  if (frames.broken()) return "no frames";
  std::string out = std::to_string(frames.messages()) + " messages";
  if (frames.close_seen()) out += ", closed " + std::to_string(frames.close_code());
  if (frames.within_frame()) out += ", within a frame";
  return out;
}

// One end of a WebSocket.
class WebSocketEnd {
 public:
  void say(std::string bytes) {
    to_send += bytes;
    more.fire();
  }
  // Nothing more to say.
  void leave() {
    leaving = true;
    more.fire();
  }

  std::string head;    // what was asked, or answered
  std::string heard;   // behind the head
  std::string ending;  // "end" or "broken"

  io::Task<> talk(io::Loop& loop, http::BodySource& source, http::BodySink& sink, io::Signal& gone) {
    for (;;) {
      bool idle = true;
      auto got = source.peek();
      if (!got) {
        ending = "broken";
        co_return;
      }
      heard += got->bytes;
      idle &= got->bytes.empty();
      if (got->end) ending = "end";
      source.consume(got->bytes.size());
      auto taken = sink.write(to_send);
      if (!taken) {
        ending = "broken";
        co_return;
      }
      to_send.erase(0, *taken);
      idle &= *taken == 0;
      bool last = to_send.empty() && (leaving || !ending.empty());
      if (last && !std::exchange(finished, true)) (void)sink.finish({});
      auto flushed = sink.flush();
      if (!flushed) {
        ending = "broken";
        co_return;
      }
      if (last && *flushed && !ending.empty()) co_return;
      if (idle) co_await io::wait_for(loop, base::kNever, source.readable(), sink.writable(), gone, more);
    }
  }

 protected:
  std::string to_send;
  bool leaving = false;
  bool finished = false;
  io::Signal more;
};

inline std::string describe(const http::Headers& headers) {
  std::string text;
  for (const http::Header& header : headers) {
    text.append(base::lowercase(header.name)).append(": ").append(header.value).append("\n");
  }
  return text;
}

// Listens at sim_address(number, 9000), for one connection after the other.
class WebSocketBackend final : public WebSocketEnd, public http::RequestHandler {
 public:
  WebSocketBackend(io::SimWorld& sim, uint8_t number, Http http)
      : sim_(sim), http_(http), listener_(sim.network.listen(io::sim_address(number, 9000))) {
    scope_.spawn(accept_all());
  }
  ~WebSocketBackend() override { scope_.cancel_all(); }

  uint16_t status = 101;
  std::string accept;    // instead of the right one
  std::string protocol;  // Sec-WebSocket-Protocol

  io::Task<> serve(http::ServerStream& stream) override {
    const http::RequestHead& request = stream.head();
    head = std::string(request.method_text) + " " + std::string(request.target) + "\n" +
           describe(request.headers);
    ending.clear();
    finished = false;
    http::Headers headers;
    const http::Header* key = request.headers.find("Sec-WebSocket-Key");
    std::string proof = accept;
    if (proof.empty() && key != nullptr) proof = websocket::as_text(websocket::make_accept(key->value));
    if (!proof.empty()) headers.add({.name = "Sec-WebSocket-Accept", .value = proof});
    if (!protocol.empty()) headers.add({.name = "Sec-WebSocket-Protocol", .value = protocol});
    if (status != 101) {
      (void)stream.start_response(
          {.status = status, .headers = &headers, .body = {http::BodyLength::Kind::sized, 2}});
      (void)stream.write("no");
      (void)stream.finish({});
      while (!stream.client_gone() && !*stream.flush()) {
        co_await io::wait_for(sim_.loop, base::kNever, stream.writable(), stream.gone());
      }
      co_return;
    }
    (void)stream.start_response({.status = 101, .headers = &headers, .upgrade = "websocket"});
    stream.switch_to_raw();
    co_await talk(sim_.loop, stream, stream, stream.gone());
  }
  io::Task<> refuse(http::ServerStream&, base::Error error) override {
    ADD_FAILURE() << "the gate's request was refused: " << error.detail;
    co_return;
  }
  bool draining() const override { return false; }
  const http::ServerLimits& limits() const override { return limits_; }

 private:
  io::Task<> accept_all();
  io::Task<> serve_connection(std::unique_ptr<io::Stream> stream, io::Address peer);

  io::SimWorld& sim_;
  Http http_;
  http::ServerLimits limits_;
  std::unique_ptr<io::Listener> listener_;
  io::Scope scope_;
};

// Connects at once, asks, and goes on with the WebSocket when it was let in.
class WebSocketClient final : public WebSocketEnd {
 public:
  struct Request {
    Http http = Http::one;
    std::string path = "/a/open";
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string version = "13";
    uint8_t number = 2;
  };
  WebSocketClient(io::SimWorld& sim, Request request) : sim_(sim), request_(std::move(request)) {
    scope_.spawn(run());
  }
  ~WebSocketClient() { scope_.cancel_all(); }
  bool over() const { return !ending.empty(); }
  // Of the connection, not of the WebSocket.
  void vanish() { scope_.cancel_all(); }

  uint16_t status = 0;

 private:
  io::Task<> run();
  io::Task<> ask(http::ClientStream& stream);

  io::SimWorld& sim_;
  Request request_;
  io::Signal never_;
  io::Scope scope_;
};

// The service /a with one WebSocket backend, 20.
ServiceSetup websocket_service(Http http, std::function<void(Service&)> adjust = {});

struct Pairing {
  Http client;
  Http backend;
};
inline constexpr Pairing kPairings[] = {
    {Http::one, Http::one}, {Http::two, Http::one}, {Http::one, Http::two}, {Http::two, Http::two}};

inline std::string name_of(const Pairing& pairing) {
  return std::string(pairing.client == Http::one ? "HTTP/1.1" : "HTTP/2") + " to " +
         (pairing.backend == Http::one ? "HTTP/1.1" : "HTTP/2");
}

// A gate between a WebSocket backend and clients of it.
struct Meeting {
  explicit Meeting(const Pairing& pairing, uint64_t seed = 1, io::SimWeather* weather = nullptr)
      : pairing(pairing), world(seed, weather), backend(world.sim, 20, pairing.backend) {
    world.serve({websocket_service(pairing.backend)});
  }
  WebSocketClient& come(WebSocketClient::Request request = {}) {
    request.http = pairing.client;
    clients.push_back(std::make_unique<WebSocketClient>(world.sim, std::move(request)));
    WebSocketClient& client = *clients.back();
    world.sim.run_until([&] { return client.status != 0 || client.over(); });
    return client;
  }
  std::string only_record() {
    auto records = world.records();
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? "" : records[0];
  }

  Pairing pairing;
  GateWorld world;
  WebSocketBackend backend;
  std::vector<std::unique_ptr<WebSocketClient>> clients;
};

}  // namespace gate::test
