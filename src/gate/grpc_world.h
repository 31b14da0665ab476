// For this folder's tests: a gRPC backend over HTTP/2 in place of one of the simulated world's, that does
// what a call's X-Do header says, and calls to the gate over HTTP/2 whose every step is the test's own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gate/test_world.h"
#include "http2/client_connection.h"
#include "http2/server_connection.h"
#include "http2/test_site.h"

namespace gate::test {

inline std::string message(std::string_view text) {
  std::string framed(5, '\0');
  framed[3] = static_cast<char>(text.size() >> 8);
  framed[4] = static_cast<char>(text.size());
  return framed.append(text);
}

struct SeenCall {
  std::map<std::string, std::string> headers;
  std::string path;
  std::string body;
  bool ended = false;
  bool cancelled = false;
};

// At sim_address(number, 9000). What X-Do says:
//   nothing: all that came, then grpc-status 0     talk: each message is answered as it comes
//   fail: trailers-only, 5                         unknown: trailers-only, 12
//   silent, stall (one message, then nothing)      cut (one message, then RST_STREAM)
//   within (half a message, then nothing)          html (502), early (a status before the body's end)
//   much (60,000 bytes of a message, then nothing)
class GrpcBackend final : public http::RequestHandler {
 public:
  GrpcBackend(GateWorld& world, uint8_t number) : world_(world), listener_(listen(world, number)) {
    scope_.spawn(accept_all());
  }
  ~GrpcBackend() override { scope_.cancel_all(); }

  io::Task<> serve(http::ServerStream& stream) override {
    const size_t at = calls.size();
    calls.emplace_back();
    calls[at].path = stream.head().target;
    for (const http::Header& header : stream.head().headers) {
      calls[at].headers[std::string(header.name)] = header.value;
    }
    const std::string what = calls[at].headers["x-do"];
    co_await answer(stream, at, what);
    calls[at].cancelled |= stream.client_gone();
  }
  io::Task<> refuse(http::ServerStream& stream, base::Error error) override {
    ADD_FAILURE() << "the gate sent a request that is refused: " << error.detail;
    co_return;
  }
  bool draining() const override { return false; }
  const http::ServerLimits& limits() const override { return limits_; }

  std::vector<SeenCall> calls;

 private:
  static std::unique_ptr<io::Listener> listen(GateWorld& world, uint8_t number) {
    world.backends.at(number)->stop();
    return world.sim.network.listen(io::sim_address(number, 9000));
  }

  io::Task<> accept_all() {
    for (;;) {
      io::Address peer;
      int error = 0;
      while (auto stream = listener_->accept(peer, error)) scope_.spawn(serve_one(std::move(stream)));
      co_await io::wait_for(world_.sim.loop, base::kNever, listener_->acceptable);
    }
  }
  io::Task<> serve_one(std::unique_ptr<io::Stream> stream) {
    http2::ServerConnection connection(world_.sim.loop, std::move(stream), io::sim_address(1, 1));
    co_await connection.serve(*this);
  }

  io::Task<> answer(http::ServerStream& stream, size_t at, std::string what) {
    http::Headers headers;
    headers.add({.name = "content-type", .value = "application/grpc+proto"});
    headers.add({.name = "x-from", .value = "backend"});
    if (what == "fail" || what == "unknown") {
      headers.add({.name = "grpc-status", .value = what == "fail" ? "5" : "12"});
      headers.add({.name = "grpc-message", .value = "not here"});
      (void)stream.start_response({.status = 200, .headers = &headers});
      (void)stream.finish({});
    } else if (what == "html") {
      http::Headers html;
      html.add({.name = "content-type", .value = "text/html"});
      (void)stream.start_response(
          {.status = 502, .headers = &html, .body = {http::BodyLength::Kind::chunked}});
      (void)stream.write("<p>no");
      (void)stream.finish({});
    } else if (what == "silent") {
      co_await hang(stream);
    } else {
      (void)stream.start_response(
          {.status = 200, .headers = &headers, .body = {http::BodyLength::Kind::chunked}});
      co_await answer_messages(stream, at, what);
    }
    co_await http2::settle(world_.sim.loop, stream);
  }

  io::Task<> answer_messages(http::ServerStream& stream, size_t at, std::string what) {
    if (what == "stall" || what == "cut" || what == "within") {
      const std::string first = message("first");
      (void)stream.write(what == "within" ? first.substr(0, 7) : first);
      co_await http2::settle(world_.sim.loop, stream);
      if (what == "cut") co_return stream.abort();
      co_await hang(stream);
    } else if (what == "much") {
      (void)co_await http2::write_all(world_.sim.loop, stream, message(std::string(60'000, 'x')));
      co_await hang(stream);
    } else if (what == "talk") {
      co_await talk(stream, at);
    } else if (what != "early") {
      std::string body;
      calls[at].ended = co_await http2::read_all(world_.sim.loop, stream, body);
      calls[at].body = body;
      if (!calls[at].ended) co_return stream.abort();
      (void)co_await http2::write_all(world_.sim.loop, stream, body);
    }
    (void)stream.finish("grpc-status: 0\r\ngrpc-message: fine\r\nx-edited: trailer\r\n");
  }

  io::Task<> talk(http::ServerStream& stream, size_t at) {
    for (;;) {
      auto got = stream.peek();
      if (!got) co_return stream.abort();
      calls[at].body += got->bytes;
      const size_t size = got->bytes.size();
      if (!co_await http2::write_all(world_.sim.loop, stream, std::string(got->bytes))) co_return;
      const bool end = got->end;
      stream.consume(size);
      if (end) break;
      if (!co_await http2::settle(world_.sim.loop, stream)) co_return;
      co_await io::wait_for(world_.sim.loop, base::kNever, stream.readable(), stream.gone());
    }
    calls[at].ended = true;
  }

  io::Task<> hang(http::ServerStream& stream) {
    while (!stream.client_gone()) co_await io::wait_for(world_.sim.loop, base::kNever, stream.gone());
  }

  GateWorld& world_;
  http::ServerLimits limits_;
  std::unique_ptr<io::Listener> listener_;
  io::Scope scope_;
};

struct CallSetup {
  std::string path = "/a/open";
  std::string type = "application/grpc";
  std::vector<std::pair<std::string, std::string>> headers = {};  // beside the content type
};

// A call to the gate on a connection of its own, over HTTP/2.
class GrpcCaller {
 public:
  GrpcCaller(GateWorld& world, CallSetup setup) : world_(world), setup_(std::move(setup)) {
    int error = 0;
    stream_ = world.sim.network.connect_from(io::sim_address(2, 40'000), io::sim_address(1, 80), error);
    scope_.spawn(run());
    world.sim.run_for(base::milliseconds(1));
  }
  ~GrpcCaller() { scope_.cancel_all(); }

  void send(std::string bytes) {
    to_send_ += bytes;
    more_.fire();
  }
  void half_close() {
    closing_ = true;
    more_.fire();
  }
  void cancel() {
    scope_.cancel_all();
    call_.reset();
    world_.sim.run_for(base::milliseconds(10));
  }
  bool wait_for_end(base::Duration patience = base::seconds(100)) {
    return world_.sim.run_until([&] { return done; }, patience);
  }
  // A unary call.
  void ask(std::string_view text) {
    send(message(text));
    half_close();
    EXPECT_TRUE(wait_for_end());
  }

  // Of the head; "status" too.
  std::map<std::string, std::string> head;
  std::string body;
  std::string trailers;
  bool done = false;
  std::string failed;  // the reason, as this side sees it

 private:
  io::Task<> run() {
    while (stream_->connect_error() == EINPROGRESS) {
      co_await io::wait_for(world_.sim.loop, base::kNever, stream_->writable());
    }
    connection_ = std::make_unique<http2::ClientConnection>(world_.sim.loop, std::move(stream_),
                                                            http2::ClientSettings{});
    call_ = connection_->open_stream();
    http::Headers headers;
    headers.add({.name = "content-type", .value = setup_.type, .id = http::HeaderId::content_type});
    for (const auto& [name, value] : setup_.headers) headers.add({.name = name, .value = value});
    (void)call_->start_request({.method = "POST",
                                .method_kind = http::Method::post,
                                .path = setup_.path,
                                .authority = "api.example.com",
                                .headers = &headers,
                                .body = {http::BodyLength::Kind::chunked}});
    sending_.spawn(upload());
    co_await receive();
    sending_.cancel_all();
    done = true;
  }
  io::Task<> upload() {
    for (;;) {
      const std::string bytes = std::exchange(to_send_, {});
      if (!co_await http2::write_all(world_.sim.loop, *call_, bytes)) co_return;
      if (to_send_.empty() && closing_) break;
      if (to_send_.empty()) co_await io::wait_for(world_.sim.loop, base::kNever, more_);
    }
    (void)call_->finish({});
  }
  io::Task<> receive() {
    http::ResponseHead got_head;
    for (;;) {
      auto got = call_->receive_head(got_head);
      if (!got) {
        failed = base::reason_name(got.error().reason);
        co_return;
      }
      if (*got) break;
      co_await io::wait_for(world_.sim.loop, base::kNever, call_->readable());
    }
    head["status"] = std::to_string(got_head.status);
    for (const http::Header& header : got_head.headers) head[std::string(header.name)] = header.value;
    if (!co_await http2::read_all(world_.sim.loop, *call_, body)) {
      failed = base::reason_name(call_->peek().error().reason);
      co_return;
    }
    trailers = call_->trailers();
  }

  GateWorld& world_;
  CallSetup setup_;
  std::unique_ptr<io::Stream> stream_;
  std::unique_ptr<http2::ClientConnection> connection_;
  std::unique_ptr<http2::ClientStream> call_;
  std::string to_send_;
  bool closing_ = false;
  io::Signal more_;
  io::Scope sending_;
  io::Scope scope_;
};

}  // namespace gate::test
