// One request to a backend over an HTTP/2 connection, and its answer. Made by ClientConnection; destroying it
// before its end cancels the request (RST_STREAM).
#pragma once

#include <array>

#include "http/stream.h"
#include "http2/channel.h"
#include "http2/head.h"
#include "http2/session.h"

namespace http2 {

class ClientConnection;

class ClientStream final : public Channel, public http::ClientStream {
 public:
  explicit ClientStream(ClientConnection& connection);
  ~ClientStream() override;

  static void* operator new(size_t bytes) { return io::take_frame(bytes); }
  static void operator delete(void* memory, size_t bytes) { io::give_frame(memory, bytes); }

  // http_upgrade_failed when an upgrade is asked for and the backend does not take any. A failure with
  // Retry::safe says that nothing of the request can have been acted upon.
  base::Result<> start_request(const http::RequestStart& start) override;
  base::Result<bool> receive_head(http::ResponseHead& into) override;
  bool answer_began() const override { return head_seen_; }
  bool request_left() const override { return head_left(); }
  void switch_to_raw() override {}  // DATA carries the bytes as they are

  base::Result<http::BodyBytes> peek() override { return Channel::peek(); }
  void consume(size_t count) override { Channel::consume(count); }
  io::Signal& readable() override { return readable_; }
  std::string_view trailers() const override { return Channel::trailers(); }

  base::Result<size_t> write(std::string_view bytes) override { return Channel::write(bytes); }
  base::Result<> finish(std::string_view trailers) override { return Channel::finish(trailers); }
  base::Result<bool> flush() override { return Channel::flush(); }
  io::Signal& writable() override { return writable_; }

 private:
  friend class ClientConnection;
  static constexpr size_t kUpgradeNameMax = 32;

  struct QueuedHead {
    HeadText text;
    EndStream end = EndStream::no;
  };

  base::Error lost(uint32_t error_code) const override;
  ClientConnection* connection() const;
  bool final_head_seen() const { return final_head_seen_; }
  void take_head(HeadText&& text, EndStream end);
  void refuse_answer(const base::Error& error);

  http::Method method_ = http::Method::get;
  std::array<char, kUpgradeNameMax> upgrade_;
  uint8_t upgrade_size_ = 0;
  bool counted_ = true;  // in the connection's in_use()
  bool head_seen_ = false;
  bool final_head_seen_ = false;
  std::array<QueuedHead, kInterimHeadsMax + 1> heads_;  // arrived, not looked at
  uint32_t first_head_ = 0;
  uint32_t head_count_ = 0;
  HeadText current_;  // what the caller's head points into
};

}  // namespace http2
