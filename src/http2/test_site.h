// For the tests of this folder: a site that answers by path, bodies read and written as the gate's relay
// does, and the patient loops both need.
#pragma once

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "http/server.h"
#include "io/loop.h"
#include "io/task.h"

namespace http2 {

inline constexpr base::Duration kTestPatience = base::seconds(100);

// Writes all of it, waiting as need be. False when the sink failed.
inline io::Task<bool> write_all(io::Loop& loop, http::BodySink& sink, std::string_view bytes) {
  while (!bytes.empty()) {
    auto taken = sink.write(bytes);
    if (!taken) co_return false;
    bytes.remove_prefix(*taken);
    if (*taken == 0) co_await io::wait_for(loop, loop.now() + kTestPatience, sink.writable());
  }
  co_return true;
}

inline io::Task<bool> settle(io::Loop& loop, http::BodySink& sink) {
  for (;;) {
    auto flushed = sink.flush();
    if (!flushed) co_return false;
    if (*flushed) co_return true;
    co_await io::wait_for(loop, loop.now() + kTestPatience, sink.writable());
  }
}

inline io::Task<bool> read_all(io::Loop& loop, http::BodySource& source, std::string& body) {
  for (;;) {
    auto got = source.peek();
    if (!got) co_return false;
    body += got->bytes;
    const bool end = got->end;
    source.consume(got->bytes.size());
    if (end) co_return true;
    if (got->bytes.empty()) co_await io::wait_for(loop, base::kNever, source.readable());
  }
}

class Site final : public http::RequestHandler {
 public:
  explicit Site(io::Loop& loop) : loop_(loop) {}

  io::Task<> serve(http::ServerStream& stream) override {
    ++served;
    last = describe(stream.head());
    last_began = stream.began();
    const std::string_view path = stream.head().target;
    if (path == "/echo") {
      co_await echo(stream);
    } else if (path == "/mirror") {
      co_await mirror(stream);
    } else if (path.starts_with("/big/")) {
      const uint64_t size = base::parse_unsigned(path.substr(5)).value_or(0);
      co_await respond(stream, 200, std::string(std::min<uint64_t>(size, 10'000'000), 'x'));
    } else if (path == "/slow") {
      co_await io::sleep_for(loop_, base::seconds(5));
      co_await respond(stream, 200, "at last");
    } else if (path == "/slow-reader") {
      co_await io::sleep_for(loop_, base::seconds(5));
      co_await echo(stream);
    } else if (path == "/waits") {
      while (!stream.client_gone()) co_await io::wait_for(loop_, base::kNever, stream.gone());
      ++gone;
    } else if (path == "/early") {
      co_await respond(stream, 403, "early");
    } else if (path == "/hints") {
      http::Headers hints;
      hints.add({.name = "Link", .value = "</a>"});
      (void)stream.send_interim(103, hints);
      co_await respond(stream, 200, "hinted");
    } else if (path == "/continue") {
      http::Headers none;
      if (stream.head().expect_continue) (void)stream.send_interim(100, none);
      co_await echo(stream);
    } else if (path == "/interim-flood") {
      http::Headers none;
      for (int i = 0; i < 50; ++i) (void)stream.send_interim(103, none);
      co_await respond(stream, 200, "");
    } else if (path == "/abort") {
      http::Headers none;
      (void)stream.start_response(
          {.status = 200, .headers = &none, .body = {http::BodyLength::Kind::sized, 100}});
      (void)stream.write("only this");
      co_await settle(loop_, stream);
      stream.abort();
    } else if (path == "/nothing") {
      co_return;  // neither answered nor aborted
    } else if (path == "/status/204") {
      co_await respond(stream, 204, "");
    } else if (path == "/trailers-only") {
      http::Headers headers;
      headers.add({.name = "Grpc-Status", .value = "7"});
      (void)stream.start_response({.status = 200, .headers = &headers, .body = {}});
      (void)stream.finish({});
      co_await settle(loop_, stream);
    } else if (path == "/raw") {
      co_await shout(stream);
    } else {
      co_await respond(stream, 404, "nothing");
    }
  }
  io::Task<> refuse(http::ServerStream& stream, base::Error error) override {
    ++refused;
    last_refusal = error.detail;
    co_await respond(stream, static_cast<uint16_t>(base::reason_status(error.reason)),
                     std::string(base::reason_name(error.reason)));
  }
  bool draining() const override { return drain; }
  const http::ServerLimits& limits() const override { return server_limits; }

  static std::string describe(const http::RequestHead& head) {
    std::string text(head.method_text);
    text.append(" ").append(head.scheme).append("://").append(head.authority).append(head.target);
    if (head.upgrade) text += " upgrade";
    if (head.expect_continue) text += " expect";
    if (head.body.kind == http::BodyLength::Kind::sized) text += " sized " + std::to_string(head.body.bytes);
    if (head.body.kind == http::BodyLength::Kind::chunked) text += " unsized";
    for (const http::Header& header : head.headers) {
      text.append("\n").append(header.name).append(": ").append(header.value);
    }
    return text;
  }

  http::ServerLimits server_limits;
  bool drain = false;
  int served = 0;
  int refused = 0;
  int gone = 0;
  std::string last;
  std::string last_refusal;
  base::Instant last_began;

 private:
  io::Task<> respond(http::ServerStream& stream, uint16_t status, std::string body) {
    http::Headers headers;
    headers.add({.name = "Server", .value = "site"});
    if (!stream.start_response({.status = status,
                                .headers = &headers,
                                .body = {http::BodyLength::Kind::sized, body.size()},
                                .request_body = http::RequestBody::dropped}))
      co_return;
    if (!co_await write_all(loop_, stream, body)) co_return;
    (void)stream.finish({});
    co_await settle(loop_, stream);
  }
  io::Task<> echo(http::ServerStream& stream) {
    std::string body;
    if (!co_await read_all(loop_, stream, body)) {
      stream.abort();
      co_return;
    }
    std::string answer(stream.head().method_text);
    answer += " " + (body.size() > 100 ? std::to_string(body.size()) : body);
    if (!stream.trailers().empty()) answer.append(" + ").append(stream.trailers());
    co_await respond(stream, 200, answer);
  }
  // As the gate's relay: what comes goes, with the trailers.
  io::Task<> mirror(http::ServerStream& stream) {
    http::Headers none;
    if (!stream.start_response(
            {.status = 200, .headers = &none, .body = {http::BodyLength::Kind::chunked, 0}}))
      co_return;
    for (;;) {
      auto got = stream.peek();
      if (!got) co_return stream.abort();
      if (got->bytes.empty() && got->end) break;
      if (got->bytes.empty()) {
        if (!co_await settle(loop_, stream)) co_return;
        auto again = stream.peek();
        if (!again || !again->bytes.empty() || again->end) continue;
        co_await io::wait_for(loop_, base::kNever, stream.readable());
        continue;
      }
      auto taken = stream.write(got->bytes);
      if (!taken) co_return;
      stream.consume(*taken);
      if (*taken == 0) co_await io::wait_for(loop_, base::kNever, stream.writable(), stream.gone());
    }
    (void)stream.finish(stream.trailers());
    co_await settle(loop_, stream);
  }
  io::Task<> shout(http::ServerStream& stream) {
    http::Headers none;
    (void)stream.start_response({.status = 101, .headers = &none, .upgrade = "websocket"});
    stream.switch_to_raw();
    if (!co_await settle(loop_, stream)) co_return;
    std::string body;
    if (!co_await read_all(loop_, stream, body)) co_return;
    for (char& c : body) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    if (!co_await write_all(loop_, stream, body)) co_return;
    (void)stream.finish({});
    co_await settle(loop_, stream);
  }
  io::Loop& loop_;
};

}  // namespace http2
