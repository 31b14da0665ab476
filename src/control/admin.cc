#include "control/admin.h"

#include "base/bytes.h"
#include "base/ip.h"
#include "http/target.h"

namespace control {
namespace {

constexpr size_t kConnectionsMax = 256;
constexpr base::Duration kSendPatience = base::seconds(10);

bool names_this_machine(std::string_view authority) {
  if (authority.empty()) return true;
  auto parsed = http::parse_authority(authority);
  if (!parsed) return false;
  std::string_view host = parsed->host;
  if (base::equals_ignoring_case(host, "localhost")) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return base::parse_ip(host).has_value();
}

}  // namespace

class Admin::Client final : public http::RequestHandler {
 public:
  Client(Admin& admin, std::unique_ptr<io::Stream> stream, const io::Address& peer)
      : admin_(admin), connection_(admin.loop_, std::move(stream), peer) {}

  io::Task<> run() { return connection_.serve(*this); }
  bool draining() const override { return false; }
  const http::ServerLimits& limits() const override { return limits_; }

  io::Task<> serve(http::ServerStream& stream) override {
    const http::RequestHead& head = stream.head();
    AdminAnswer answer;
    if (!names_this_machine(head.authority)) {
      answer = {
          .status = 421, .content_type = "text/plain", .body = "the admin listener is called by address\n"};
    } else if (head.method != http::Method::get && head.method != http::Method::head) {
      answer = {.status = 405, .content_type = "text/plain", .body = "only GET\n"};
    } else {
      std::string_view path = head.target;
      answer = admin_.source_.admin_answer(path.substr(0, path.find('?')));
    }
    co_await send(stream, std::move(answer));
  }

  io::Task<> refuse(http::ServerStream& stream, base::Error error) override {
    co_await send(stream, {.status = static_cast<uint16_t>(base::reason_status(error.reason)),
                           .content_type = "text/plain",
                           .body = std::string(error.detail) + "\n"});
  }

 private:
  io::Task<> send(http::ServerStream& stream, AdminAnswer answer) {
    http::Headers headers;
    headers.add({.name = "Content-Type", .value = answer.content_type});
    headers.add({.name = "Cache-Control", .value = "no-store"});
    headers.add({.name = "X-Content-Type-Options", .value = "nosniff"});
    if (!stream.start_response({.status = answer.status,
                                .headers = &headers,
                                .body = {http::BodyLength::Kind::sized, answer.body.size()}})) {
      co_return stream.abort();
    }
    std::string_view body = answer.body;
    if (stream.head().method == http::Method::head) body = {};
    bool finished = false;
    for (;;) {
      if (!body.empty()) {
        auto taken = stream.write(body);
        if (!taken) co_return stream.abort();
        body.remove_prefix(*taken);
        if (*taken > 0) continue;
      } else {
        if (!finished && !stream.finish({})) co_return stream.abort();
        finished = true;
        auto flushed = stream.flush();
        if (!flushed) co_return stream.abort();
        if (*flushed) co_return;
      }
      base::Instant deadline = admin_.loop_.now() + kSendPatience;
      io::Wake wake = co_await io::wait_for(admin_.loop_, deadline, stream.writable(), stream.gone());
      if (wake == io::Wake::timed_out || stream.client_gone()) co_return stream.abort();
    }
  }

  Admin& admin_;
  http::ServerLimits limits_;
  http1::ServerConnection connection_;
};

void Admin::listen(std::unique_ptr<io::Listener> listener) {
  accepting_.cancel();
  listener_ = std::move(listener);
  if (listener_ == nullptr) return;
  accepting_ = accept_clients();
  accepting_.start();
}

io::Task<> Admin::accept_clients() {
  for (;;) {
    io::Address peer;
    int error = 0;
    if (std::unique_ptr<io::Stream> stream = listener_->accept(peer, error)) {
      if (connections_.size() < kConnectionsMax)
        connections_.spawn(serve_client(std::move(stream), std::move(peer)));
      continue;
    }
    if (error != 0) {
      co_await io::sleep_for(loop_, base::milliseconds(100));
    } else {
      co_await io::wait_for(loop_, base::kNever, listener_->acceptable);
    }
  }
}

io::Task<> Admin::serve_client(std::unique_ptr<io::Stream> stream, io::Address peer) {
  Client client(*this, std::move(stream), peer);
  co_await client.run();
}

}  // namespace control
