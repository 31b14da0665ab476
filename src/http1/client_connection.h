// A connection to a backend that speaks HTTP/1.1: one exchange at a time, kept for the next when both sides
// allow. Who may use it when is the pool's business (backends/).
#pragma once

#include <memory>

#include "http/stream.h"
#include "http1/inbound.h"
#include "http1/outbound.h"

namespace http1 {

class ClientConnection final : public http::ClientStream {
 public:
  ClientConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const http::HeadLimits& limits);

  base::Result<> start_request(const http::RequestStart& start) override;
  base::Result<bool> receive_head(http::ResponseHead& into) override;
  bool answer_began() const override { return in_.any_bytes() || interim_seen_; }
  bool request_left() const override { return out_.bytes_sent() > 0; }
  void switch_to_raw() override;

  base::Result<http::BodyBytes> peek() override { return in_.peek(); }
  void consume(size_t count) override { in_.consume(count); }
  io::Signal& readable() override { return stream_->readable(); }
  std::string_view trailers() const override { return in_.trailers(); }
  base::Result<size_t> write(std::string_view bytes) override { return out_.write(bytes); }
  base::Result<> finish(std::string_view trailers) override;
  base::Result<bool> flush() override { return out_.flush(); }
  io::Signal& writable() override { return stream_->writable(); }

  // After an exchange: ready for another, both messages ended and nothing left over.
  bool reusable() const;
  // Forgets the exchange and gives its buffers back.
  void make_idle();
  // While idle: the backend has closed, or sent something nobody asked for.
  bool gone_stale() const;
  io::Stream& stream() { return *stream_; }

 private:
  std::unique_ptr<io::Stream> stream_;
  http::HeadLimits limits_;
  Inbound in_;
  Outbound out_;
  http::Method method_ = http::Method::other;
  bool interim_seen_ = false;
  bool final_head_ = false;
  bool keep_alive_ = false;
  bool request_finished_ = false;
  bool raw_ = false;
};

}  // namespace http1
