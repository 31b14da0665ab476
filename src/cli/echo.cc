#include "cli/echo.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <expected>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "cli/output.h"
#include "http1/server_connection.h"
#include "io/clock.h"
#include "io/epoll.h"
#include "io/os_signals.h"
#include "io/socket.h"

namespace cli {
namespace {

constexpr size_t kBodyShownMax = 64 * 1024;
constexpr uint64_t kDelayMaxMs = 600'000;
constexpr uint64_t kBytesMax = uint64_t{1} << 40;
constexpr base::Duration kPatience = base::seconds(60);
constexpr base::Duration kAcceptPause = base::milliseconds(100);

bool is_text(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t length = base::utf8_length(bytes);
    if (length == 0 || bytes.front() == '\0') return false;
    bytes.remove_prefix(length);
  }
  return true;
}

struct Received {
  std::string body;  // its beginning
  uint64_t bytes = 0;
};

// What the path asks for besides an echo: the number behind "/status/" and the like.
std::optional<uint64_t> number_behind(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  return base::parse_unsigned(path.substr(0, path.find('/')));
}

class Echo final : public http::RequestHandler {
 public:
  Echo(io::Loop& loop, std::string name) : loop_(loop), name_(std::move(name)) {
    limits_.head = {.head_bytes_max = 100 * 1024, .headers_max = 150};  // room for what a gate adds
  }

  bool draining() const override { return false; }
  const http::ServerLimits& limits() const override { return limits_; }
  io::Task<> serve(http::ServerStream& stream) override;
  io::Task<> refuse(http::ServerStream& stream, base::Error error) override;

 private:
  struct Answer {
    uint16_t status = 200;
    std::string_view content_type = "application/json";
    std::string body;
    uint64_t filler_bytes = 0;  // instead of body
  };

  io::Task<bool> receive(http::ServerStream& stream, Received& into);
  std::string describe(const http::ServerStream& stream, const Received& received) const;
  io::Task<> send(http::ServerStream& stream, const Answer& answer);
  io::Task<> mirror(http::ServerStream& stream);
  io::Task<bool> wait(http::ServerStream& stream, io::Signal& signal);

  io::Loop& loop_;
  std::string name_;
  http::ServerLimits limits_;
};

io::Task<bool> Echo::wait(http::ServerStream& stream, io::Signal& signal) {
  io::Wake wake = co_await io::wait_for(loop_, loop_.now() + kPatience, signal, stream.gone());
  co_return wake == io::Wake::signalled && !stream.client_gone();
}

io::Task<bool> Echo::receive(http::ServerStream& stream, Received& into) {
  if (stream.head().expect_continue && !stream.send_interim(100, {})) co_return false;
  for (;;) {
    auto got = stream.peek();
    if (!got) co_return false;
    into.bytes += got->bytes.size();
    if (into.body.size() < kBodyShownMax) into.body += got->bytes.substr(0, kBodyShownMax - into.body.size());
    bool moved = !got->bytes.empty();
    bool end = got->end;
    stream.consume(got->bytes.size());
    if (end) co_return true;
    if (!moved && !co_await wait(stream, stream.readable())) co_return false;
  }
}

std::string Echo::describe(const http::ServerStream& stream, const Received& received) const {
  const http::RequestHead& head = stream.head();
  size_t question = head.target.find('?');
  JsonText json;
  json.open('{').key("name").text(name_);
  json.key("method").text(head.method_text);
  json.key("path").text(head.target.substr(0, question));
  json.key("query").text(question == head.target.npos ? "" : head.target.substr(question + 1));
  json.key("host").text(head.authority);
  json.key("peer").text(io::format_address(stream.peer()));
  json.key("headers").open('[');
  for (const http::Header& header : head.headers)
    json.open('[').text(header.name).text(header.value).close(']');
  json.close(']').key("body_bytes").number(static_cast<int64_t>(received.bytes));
  if (is_text(received.body)) {
    json.key("body").text(received.body);
  } else {
    json.key("body_base64").text(base::base64_encode(received.body));
  }
  return json.close('}').str() + "\n";
}

io::Task<> Echo::serve(http::ServerStream& stream) {
  const http::RequestHead& head = stream.head();
  if (head.upgrade) {
    co_await mirror(stream);
    co_return;
  }
  Received received;
  if (!co_await receive(stream, received)) co_return stream.abort();
  std::string_view path = head.target.substr(0, head.target.find('?'));
  Answer answer;
  if (auto milliseconds = number_behind(path, "/delay/")) {
    co_await io::sleep_for(loop_,
                           base::milliseconds(static_cast<int64_t>(std::min(*milliseconds, kDelayMaxMs))));
  }
  if (auto status = number_behind(path, "/status/"); status && *status >= 200 && *status <= 599) {
    answer.status = static_cast<uint16_t>(*status);
  }
  if (auto bytes = number_behind(path, "/bytes/")) {
    answer.content_type = "application/octet-stream";
    answer.filler_bytes = std::min(*bytes, kBytesMax);
  } else {
    answer.body = describe(stream, received);
  }
  co_await send(stream, answer);
}

io::Task<> Echo::refuse(http::ServerStream& stream, base::Error error) {
  co_await send(stream, {.status = static_cast<uint16_t>(base::reason_status(error.reason)),
                         .content_type = "text/plain",
                         .body = std::string(error.detail) + "\n"});
}

io::Task<> Echo::send(http::ServerStream& stream, const Answer& answer) {
  static const std::string kFiller(64 * 1024, 'x');
  http::Headers headers;
  headers.add({.name = "Content-Type", .value = answer.content_type});
  uint64_t left = answer.body.empty() ? answer.filler_bytes : answer.body.size();
  if (!stream.start_response(
          {.status = answer.status, .headers = &headers, .body = {http::BodyLength::Kind::sized, left}})) {
    co_return stream.abort();
  }
  bool no_body = stream.head().method == http::Method::head || answer.status == 204 || answer.status == 304;
  std::string_view rest = answer.body;
  if (no_body) left = 0;
  while (left > 0) {
    std::string_view piece = answer.body.empty() ? std::string_view(kFiller).substr(0, left) : rest;
    auto taken = stream.write(piece);
    if (!taken) co_return stream.abort();
    left -= *taken;
    if (!rest.empty()) rest.remove_prefix(*taken);
    if (*taken == 0 && !co_await wait(stream, stream.writable())) co_return stream.abort();
  }
  if (!stream.finish({})) co_return stream.abort();
  for (;;) {
    auto flushed = stream.flush();
    if (!flushed) co_return stream.abort();
    if (*flushed) co_return;
    if (!co_await wait(stream, stream.writable())) co_return stream.abort();
  }
}

// Agrees to whatever protocol was asked for and sends every byte back.
io::Task<> Echo::mirror(http::ServerStream& stream) {
  const http::Header* upgrade = stream.head().headers.find(http::HeaderId::upgrade);
  std::string_view protocol = upgrade == nullptr ? "echo" : upgrade->value;
  http::Headers headers;
  if (!stream.start_response({.status = 101, .headers = &headers, .upgrade = protocol}))
    co_return stream.abort();
  stream.switch_to_raw();
  for (;;) {
    auto got = stream.peek();
    if (!got) co_return stream.abort();
    if (!got->bytes.empty()) {
      auto taken = stream.write(got->bytes);
      if (!taken) co_return stream.abort();
      stream.consume(*taken);
      if (*taken == 0 && !co_await wait(stream, stream.writable())) co_return stream.abort();
      continue;
    }
    if (got->end) break;
    auto flushed = stream.flush();
    if (!flushed) co_return stream.abort();
    if (!co_await wait(stream, *flushed ? stream.readable() : stream.writable())) co_return stream.abort();
  }
  if (!stream.finish({})) co_return stream.abort();
  for (;;) {
    auto flushed = stream.flush();
    if (!flushed || *flushed) co_return;
    if (!co_await wait(stream, stream.writable())) co_return;
  }
}

io::Task<> serve_client(io::Loop& loop, Echo& echo, std::unique_ptr<io::Stream> stream, io::Address peer) {
  http1::ServerConnection connection(loop, std::move(stream), peer);
  co_await connection.serve(echo);
}

io::Task<> accept_clients(io::Loop& loop, io::Scope& clients, Echo& echo, io::Listener& listener) {
  for (;;) {
    io::Address peer;
    int error = 0;
    if (std::unique_ptr<io::Stream> stream = listener.accept(peer, error)) {
      clients.spawn(serve_client(loop, echo, std::move(stream), std::move(peer)));
      continue;
    }
    if (error != 0) {
      co_await io::sleep_for(loop, kAcceptPause);
    } else {
      co_await io::wait_for(loop, base::kNever, listener.acceptable);
    }
  }
}

io::Task<> stop_when_told(io::Loop& loop, io::SignalListener& signals) {
  for (;;) {
    while (auto number = signals.take()) {
      if (*number == SIGHUP) continue;
      loop.stop();
      co_return;
    }
    co_await io::wait_for(loop, base::kNever, signals.arrived());
  }
}

std::expected<io::Address, std::string> listening_address(const std::string& text) {
  auto where = io::parse_host_port(text);
  if (!where) return std::unexpected(where.error());
  io::Address address;
  if (!where->unix_path.empty()) {
    address.kind = io::Address::Kind::unix_path;
    address.path = where->unix_path;
    return address;
  }
  std::string host = where->host.empty() ? "0.0.0.0" : where->host == "localhost" ? "127.0.0.1" : where->host;
  auto ip = base::parse_ip(host);
  if (!ip) return std::unexpected(fmt::format("`{}` is not an IP address", host));
  address.ip = *ip;
  address.port = where->port;
  return address;
}

}  // namespace

int echo_command(const EchoOptions& options) {
  auto address = listening_address(options.address);
  if (!address) return refuse_to_run("--address: " + address.error());
  std::unique_ptr<io::Poller> poller = io::make_epoll_poller();
  if (poller == nullptr) return refuse_to_run("no file descriptors are left to this process");
  io::Loop loop(io::system_clock(), *poller);
  std::unique_ptr<io::SignalListener> signals = io::SignalListener::make(loop);
  auto sockets = io::open_listening_sockets(*address, 1);
  if (!sockets) return refuse_to_run(sockets.error());
  std::unique_ptr<io::Listener> listener = io::make_listener(loop, sockets->front());
  if (signals == nullptr || listener == nullptr)
    return refuse_to_run("no file descriptors are left to this process");

  Echo echo(loop, options.name);
  io::Scope clients;
  io::Scope tasks;
  tasks.spawn(accept_clients(loop, clients, echo, *listener));
  tasks.spawn(stop_when_told(loop, *signals));
  complain(fmt::format("listening on {}\n", io::format_address(listener->local_address())));
  loop.run();
  tasks.cancel_all();
  clients.cancel_all();
  if (address->kind == io::Address::Kind::unix_path) ::unlink(address->path.c_str());
  return kGood;
}

}  // namespace cli
