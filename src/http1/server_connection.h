// A client's HTTP/1 connection: requests come in one after the other, each is given to a handler as a
// ServerStream, and its answer goes out before the next is read. Pipelined requests wait in the buffer. Used
// by the gate's workers and by the admin listener.
#pragma once

#include <memory>

#include "http/server.h"
#include "http1/inbound.h"
#include "http1/outbound.h"
#include "io/frame_pool.h"

namespace http1 {

// A connection accepted while draining has a request on its way: it may send that much later, then it is
// closed.
inline constexpr base::Duration kFirstRequestPatience = base::seconds(1);

// Of a body the handler did not read: up to this much is read and dropped to keep the connection.
inline constexpr uint64_t kDrainBytesMax = 64 * 1024;
// Behind a last answer, so that it is not destroyed by a reset on its way to a client that is still sending.
inline constexpr uint64_t kLingerBytesMax = 64 * 1024 * 1024;

class ServerConnection final : public http::ServerConnection, public http::ServerStream {
 public:
  // peer outlives the connection.
  ServerConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const io::Address& peer);

  io::Task<> serve(http::RequestHandler& handler) override;
  void begin_drain() override { drain_requested_.fire(); }

  // Before serve(): a client whose first bytes are HTTP/2's preface is not refused; serve() ends, and the
  // stream and what was read of it are there to be taken.
  void look_for_http2() { look_for_http2_ = true; }
  bool found_http2() const override { return found_http2_; }
  std::unique_ptr<io::Stream> take_stream() { return std::move(stream_); }
  io::Buffer take_received() { return flow_ ? flow_->in.take_received() : io::Buffer{}; }

  bool idle() const override { return idle_; }

  base::Result<http::BodyBytes> peek() override { return flow_->in.peek(); }
  void consume(size_t count) override { flow_->in.consume(count); }
  io::Signal& readable() override { return stream_->readable(); }
  std::string_view trailers() const override { return flow_->in.trailers(); }

  base::Result<size_t> write(std::string_view bytes) override { return flow_->out.write(bytes); }
  base::Result<> finish(std::string_view trailers) override;
  base::Result<bool> flush() override { return flow_->out.flush(); }
  io::Signal& writable() override { return stream_->writable(); }

  const http::RequestHead& head() const override { return *head_; }
  const io::Address& peer() const override { return peer_; }
  base::Instant began() const override { return began_; }
  base::Instant received() const override { return received_; }
  base::Result<> send_interim(uint16_t status, const http::Headers& headers) override;
  base::Result<> start_response(const http::ResponseStart& start) override;
  bool response_started() const override { return response_started_; }
  void switch_to_raw() override;
  void abort() override;
  bool client_gone() const override { return stream_->peer_gone(); }
  io::Signal& gone() override { return stream_->gone(); }
  uint64_t bytes_received() const override { return flow_->in.bytes_taken(); }
  uint64_t bytes_sent() const override { return flow_->out.bytes_sent(); }

 private:
  // Both halves of a connection on which something is under way.
  struct Flow {
    Flow(io::Loop& loop, io::Stream& stream)
        : in(stream, base::Side::client), out(loop, stream, base::Side::client) {}
    Inbound in;
    Outbound out;
  };

  io::Task<bool> await_request(http::RequestHandler& handler, base::Result<std::string_view>& head_bytes);
  void put_status_line(uint16_t status);
  void choose_keep_alive(const http::ResponseStart& start);
  // Rarely entered: kept out of serve()'s frame, which every idle connection holds.
  [[gnu::noinline]] io::Task<bool> drain_body(http::RequestHandler& handler);
  [[gnu::noinline]] io::Task<> linger(http::RequestHandler& handler);
  base::Result<std::optional<std::string_view>> receive_head(uint32_t head_bytes_max);

  io::Loop& loop_;
  std::unique_ptr<io::Stream> stream_;
  const io::Address& peer_;
  http::RequestHandler* handler_ = nullptr;  // while serving
  // Several KiB in all; a connection that waits for a request holds neither.
  io::Pooled<Flow> flow_;               // from a request's first byte
  io::Pooled<http::RequestHead> head_;  // from the end of its head
  base::Instant began_;
  base::Instant received_;
  bool served_one_ = false;
  bool look_for_http2_ = false;
  bool found_http2_ = false;
  bool idle_ = false;
  bool keep_alive_ = true;
  bool response_started_ = false;
  bool continue_sent_ = false;
  bool ends_with_connection_ = false;  // the answer's body has no other end
  bool finished_ = false;
  bool raw_ = false;
  bool aborted_ = false;
  io::Signal drain_requested_;
};

}  // namespace http1
