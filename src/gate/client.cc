#include "gate/client.h"

#include <array>
#include <cstring>

#include "http1/server_connection.h"
#include "http2/server_connection.h"
#include "io/proxy_protocol.h"

namespace gate {

using telemetry::Counter;

// Every open connection holds this frame: nothing may live in it that is needed only at the beginning.
io::Task<> Client::run(std::unique_ptr<Client> client) {
  if (!co_await client->open()) co_return;
  co_await client->connection_->serve(*client);
  if (client->goes_on_in_http2()) co_await client->connection_->serve(*client);
}

// Everything before HTTP. The policy is that of the moment the client connected.
io::Task<bool> Client::open() {
  SnapshotPtr snapshot = worker_.snapshot();
  const ListenerPolicy& policy = snapshot->listeners[context_.listener];
  base::Instant deadline = worker_.loop().now() + snapshot->server_limits.head_timeout;
  if (policy.proxy_protocol == ProxyProtocol::required) {
    // Who may connect to a unix socket is the file's business.
    bool may_say = context_.peer.kind != io::Address::Kind::ip || is_trusted(policy, context_.peer);
    if (!may_say || !co_await receive_proxy_header(deadline)) {
      worker_.metrics().count(Counter::proxy_headers_refused);
      co_return false;
    }
  }
  bool http2 = !policy.protocols.http1;
  if (policy.tls != nullptr) {
    std::unique_ptr<tls::Stream> secure = tls::Stream::accept(std::move(stream_), policy.tls);
    if (!co_await shake_hands(*secure, deadline)) co_return false;
    context_.scheme = telemetry::Scheme::https;
    context_.tls = secure.get();
    if (secure->has_peer_certificate()) {
      certificate_ = std::make_unique<ShownCertificate>(*secure);
      context_.certificate = certificate_.get();
    }
    http2 |= secure->alpn() == "h2";
    stream_ = std::move(secure);
  }
  if (http2) {
    begin_http2(std::move(stream_), {});
  } else {
    begin_http1(policy.protocols);
  }
  co_return true;
}

void Client::begin_http1(ProtocolSet protocols) {
  auto http1 = std::make_unique<http1::ServerConnection>(worker_.loop(), std::move(stream_), context_.peer);
  // In clear text a client may begin with HTTP/2 at once (RFC 9113 §3.3).
  if (protocols.http2 && context_.tls == nullptr) http1->look_for_http2();
  connection_ = std::move(http1);
}

void Client::begin_http2(std::unique_ptr<io::Stream> stream, io::Buffer received) {
  connection_ = std::make_unique<http2::ServerConnection>(worker_.loop(), std::move(stream), context_.peer,
                                                          std::move(received));
}

bool Client::goes_on_in_http2() {
  if (!connection_->found_http2()) return false;
  auto& before = static_cast<http1::ServerConnection&>(*connection_);
  begin_http2(before.take_stream(), before.take_received());
  return true;
}

// Never more bytes than surely belong to it: what follows is for whoever reads next.
io::Task<bool> Client::receive_proxy_header(base::Instant deadline) {
  std::array<char, io::kProxyHeaderBytesMax> bytes;
  size_t filled = 0;
  io::ProxyHeader header;
  for (;;) {
    size_t wanted = filled + io::proxy_header_bytes_left({bytes.data(), filled});
    if (wanted > bytes.size()) co_return false;
    if (!co_await receive_up_to(std::span(bytes.data(), wanted), filled, deadline)) co_return false;
    auto parsed = io::parse_proxy_header({bytes.data(), filled}, header);
    if (!parsed) co_return false;
    if (*parsed) break;
  }
  if (header.kind == io::ProxyHeader::Kind::proxied) {
    context_.peer = header.source;
    context_.peer_text =
        header.source.kind == io::Address::Kind::ip ? base::format_ip(header.source.ip) : "unix";
  }
  co_return true;
}

io::Task<bool> Client::receive_up_to(std::span<char> into, size_t& filled, base::Instant deadline) {
  while (filled < into.size()) {
    io::IoResult got = stream_->read(into.subspan(filled));
    if (got.kind == io::IoResult::Kind::bytes) {
      filled += got.count;
    } else if (got.kind != io::IoResult::Kind::would_block ||
               co_await io::wait_for(worker_.loop(), deadline, stream_->readable()) == io::Wake::timed_out) {
      co_return false;
    }
  }
  co_return true;
}

io::Task<bool> Client::shake_hands(tls::Stream& stream, base::Instant deadline) {
  auto done = co_await stream.handshake(worker_.loop(), deadline);
  if (done) {
    worker_.metrics().count(stream.resumed() ? Counter::tls_handshakes_resumed
                                             : Counter::tls_handshakes_full);
    co_return true;
  }
  worker_.metrics().count(Counter::tls_handshakes_failed);
  if (stream.spoke_plain_http()) co_await answer_plain_http(stream, deadline);
  co_return false;
}

// A person with the wrong scheme in an address deserves more than a closed connection.
io::Task<> Client::answer_plain_http(tls::Stream& stream, base::Instant deadline) {
  static constexpr std::string_view kAnswer =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
      "48\r\n\r\n"
      "This address speaks TLS: use https:// to reach.\n";
  iovec piece{const_cast<char*>(kAnswer.data()), kAnswer.size()};
  stream.below().write({&piece, 1});
  stream.below().shutdown_write();
  // What the client is still sending would reset the connection, and with it the answer on its way.
  std::array<char, 1024> dropped;
  for (int reads = 0; reads < 64; ++reads) {
    io::IoResult got = stream.below().read(dropped);
    if (got.kind == io::IoResult::Kind::bytes) continue;
    if (got.kind != io::IoResult::Kind::would_block ||
        co_await io::wait_for(worker_.loop(), deadline, stream.below().readable()) == io::Wake::timed_out) {
      co_return;
    }
  }
}

io::Task<> Client::serve(http::ServerStream& stream) {
  if (exchanges_++ == 0) worker_.clients().became_busy(*this);
  {
    Exchange exchange(worker_, context_, stream);
    co_await exchange.run();
  }
  if (--exchanges_ == 0) worker_.clients().became_idle(*this);
}

io::Task<> Client::refuse(http::ServerStream& stream, base::Error error) {
  Exchange exchange(worker_, context_, stream);
  co_await exchange.refuse(error);
}

void Client::begin_drain() {
  if (connection_ != nullptr) connection_->begin_drain();
}

}  // namespace gate
