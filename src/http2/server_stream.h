// A client's request on one HTTP/2 stream, and our answer to it. Made by ServerConnection when a head is
// complete; lives as long as its exchange.
#pragma once

#include <optional>

#include "http/stream.h"
#include "http2/channel.h"
#include "http2/head.h"
#include "http2/session.h"

namespace http2 {

struct ArrivedTag;

class ServerStream final : public Channel, public http::ServerStream, public io::ListNode<ArrivedTag> {
 public:
  struct Request {
    HeadText text;
    EndStream end;
    base::Instant began;
    const io::Address& peer;  // outlives the stream
  };
  ServerStream(Session& session, Request&& request);

  static void* operator new(size_t bytes) { return io::take_frame(bytes); }
  static void operator delete(void* memory, size_t bytes) { io::give_frame(memory, bytes); }

  // Why it is answered without being looked at; none for a good request.
  const std::optional<base::Error>& refusal() const { return refusal_; }
  // Of the head that was read.
  void parse(const http::HeadLimits& limits);
  bool answered() const { return response_started_ && finished_; }
  bool sent() const { return all_sent(); }
  // The exchange is over: what the client still believes to be open is closed.
  void end_exchange();

  base::Result<http::BodyBytes> peek() override { return Channel::peek(); }
  void consume(size_t count) override { Channel::consume(count); }
  io::Signal& readable() override { return readable_; }
  std::string_view trailers() const override { return Channel::trailers(); }

  base::Result<size_t> write(std::string_view bytes) override { return Channel::write(bytes); }
  base::Result<> finish(std::string_view trailers) override { return Channel::finish(trailers); }
  base::Result<bool> flush() override { return Channel::flush(); }
  io::Signal& writable() override { return writable_; }

  const http::RequestHead& head() const override { return head_; }
  const io::Address& peer() const override { return client_; }
  base::Instant began() const override { return began_; }
  base::Instant received() const override { return received_; }
  base::Result<> send_interim(uint16_t status, const http::Headers& headers) override;
  base::Result<> start_response(const http::ResponseStart& start) override;
  bool response_started() const override { return response_started_; }
  void switch_to_raw() override {}  // DATA carries the bytes as they are
  void abort() override;
  bool client_gone() const override { return failed(); }
  io::Signal& gone() override { return gone_; }
  uint64_t bytes_received() const override { return text_.bytes() + body_taken_; }
  uint64_t bytes_sent() const override { return bytes_framed_; }

 private:
  base::Error lost(uint32_t error_code) const override;

  HeadText text_;  // what head_ points into
  http::RequestHead head_;
  EndStream end_;
  const io::Address& client_;
  base::Instant began_;
  base::Instant received_;
  std::optional<base::Error> refusal_;
  bool response_started_ = false;
  bool aborted_ = false;
};

}  // namespace http2
