// A client's connection, from its first byte to its last: what stands before HTTP (a PROXY header, TLS),
// which HTTP it is, and then its requests, each an Exchange. Made by a worker's accept loop; lives in that
// connection's coroutine.
#pragma once

#include <memory>

#include "gate/exchange.h"
#include "gate/shown_certificate.h"
#include "http/server.h"
#include "io/list.h"
#include "tls/stream.h"

namespace gate {

class Client final : public io::ListNode<ClientTag>, public http::RequestHandler {
 public:
  Client(Worker& worker, std::unique_ptr<io::Stream> stream, ClientContext context)
      : worker_(worker), context_(std::move(context)), stream_(std::move(stream)) {
    worker_.clients().entered(*this);
  }
  ~Client() override { worker_.clients().gone(*this); }

  // Its whole life.
  static io::Task<> run(std::unique_ptr<Client> client);

  io::Task<> serve(http::ServerStream& stream) override;
  io::Task<> refuse(http::ServerStream& stream, base::Error error) override;
  bool draining() const override { return leaving_ || worker_.draining(); }
  const http::ServerLimits& limits() const override { return worker_.snapshot()->server_limits; }
  uint32_t listener() const { return context_.listener; }
  void begin_drain();
  // Waits for a request of which nothing has come.
  bool idle() const { return connection_ != nullptr && connection_->idle(); }
  // Closes an idle one for another's sake, as in a drain.
  void leave() {
    leaving_ = true;
    begin_drain();
  }
  bool leaving() const { return leaving_; }

 private:
  // Rarely entered: kept out of run()'s frame, which every idle connection holds.
  [[gnu::noinline]] io::Task<bool> open();
  io::Task<bool> receive_proxy_header(base::Instant deadline);
  io::Task<bool> receive_up_to(std::span<char> into, size_t& filled, base::Instant deadline);
  io::Task<bool> shake_hands(tls::Stream& stream, base::Instant deadline);
  io::Task<> answer_plain_http(tls::Stream& stream, base::Instant deadline);
  void begin_http1(ProtocolSet protocols);
  void begin_http2(std::unique_ptr<io::Stream> stream, io::Buffer received);  // received: read of it already
  bool goes_on_in_http2();

  Worker& worker_;
  ClientContext context_;
  uint32_t exchanges_ = 0;  // now
  bool leaving_ = false;
  std::unique_ptr<ShownCertificate> certificate_;
  std::unique_ptr<io::Stream> stream_;  // until the connection has it
  std::unique_ptr<http::ServerConnection> connection_;
};

}  // namespace gate
