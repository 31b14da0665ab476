// A client's HTTP/2 connection: each request becomes a ServerStream that a handler answers, all of them at
// once. Used by the gate's workers, over TLS when ALPN says h2 and in clear text once the preface was seen.
#pragma once

#include <memory>

#include "http/server.h"
#include "http2/server_stream.h"
#include "http2/session.h"

namespace http2 {

// What a client that knows we speak HTTP/2 begins with (RFC 9113 §3.4).
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class ServerConnection final : public http::ServerConnection, private Session {
 public:
  // received: what was already read off the stream, the preface first; empty when nothing was.
  ServerConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const io::Address& peer,
                   io::Buffer received = {});
  ~ServerConnection() override;

  io::Task<> serve(http::RequestHandler& handler) override;
  void begin_drain() override { wake_.fire(); }
  bool idle() const override { return exchanges_ == 0 && arrived_.empty(); }
  // Of requests being answered.
  uint32_t exchanges() const { return exchanges_; }

 private:
  enum class Drain : uint8_t { none, announced, final };

  const http::HeadLimits& head_limits() const override { return handler_->limits().head; }
  void head_arrived(int32_t id, Channel* channel, EndStream end) override;

  io::Task<> receive();
  void start_exchanges();
  io::Task<> run_exchange(std::unique_ptr<ServerStream> stream);
  io::Task<> last_words();
  io::Task<> linger(base::Instant deadline);
  void advance_drain();
  base::Instant next_deadline() const;
  void time_passed();

  http::RequestHandler* handler_ = nullptr;  // while serving
  io::Address peer_address_;
  io::Buffer received_;
  base::Instant began_;
  base::Instant idle_since_;
  base::Instant drain_began_;
  Drain drain_ = Drain::none;
  bool served_one_ = false;
  uint32_t exchanges_ = 0;
  io::List<ServerStream, ArrivedTag> arrived_;  // heads complete, not yet given to the handler
  io::Scope tasks_;
};

}  // namespace http2
