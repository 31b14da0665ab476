// gRPC-Web as browsers speak it, translated to gRPC on the way in and back on the way out. Two adapters stand
// between the relay and a client's stream: the request's base64 is decoded, and the trailers, which a browser
// cannot read, follow the messages as a frame of the body. Length-prefixed messages are the same in both and
// pass as they are; in binary form nothing is copied. Heads (Content-Type, TE, no Content-Length) are the
// gate's part.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/base64.h"
#include "http/grpc.h"
#include "http/stream.h"
#include "io/buffer.h"

namespace http {

// Follows the length-prefixed messages of a stream: flag byte, four bytes of length, message.
class GrpcMessageTracker {
 public:
  // False once a flag byte is not 0 or 1: what follows cannot be told apart any more.
  bool follow(std::string_view bytes);
  bool at_boundary() const { return held_ == 0; }
  uint64_t messages() const { return messages_; }  // that have begun

 private:
  uint64_t messages_ = 0;
  uint32_t left_ = 0;  // of the message
  uint8_t held_ = 0;   // of the five bytes in front of it
  bool broken_ = false;
};

// The client's request body as a gRPC backend takes it. source outlives it. The buffer is the thread's, held
// only while decoded bytes wait to be consumed.
class GrpcWebRequestSource final : public BodySource {
 public:
  // kind is web or web_text.
  GrpcWebRequestSource(BodySource& source, GrpcKind kind) : source_(source), kind_(kind) {}

  // Fails with http_request_error, side client, when the text is not base64.
  base::Result<BodyBytes> peek() override;
  void consume(size_t count) override;
  io::Signal& readable() override { return source_.readable(); }
  std::string_view trailers() const override { return source_.trailers(); }

 private:
  base::Result<> decode();

  BodySource& source_;
  GrpcKind kind_;
  bool ended_ = false;  // all of source_ has been decoded
  base::Base64Decoder decoder_;
  io::Buffer decoded_;
};

// Where a gRPC backend's answer is written to, to reach the client as gRPC-Web. sink outlives it.
//
// A flush pads what base64 holds back, since the client may need those bytes to go on; text padded in its
// middle is what the specification lets a server send.
class GrpcWebResponseSink final : public BodySink {
 public:
  // Longer trailers are refused.
  static constexpr size_t kTrailerBytesMax = 16 * 1024;

  GrpcWebResponseSink(BodySink& sink, GrpcKind kind) : sink_(sink), kind_(kind) {}

  // Fails with http_protocol_error, side backend, when the bytes are not gRPC messages: a trailers frame made
  // up by the backend must not pass for the gate's.
  base::Result<size_t> write(std::string_view bytes) override;
  // trailers: as the backend sent them, or the gate's own grpc-status. Empty, after an answer that had its
  // status in the head ("trailers-only"), they make no frame. Fails with http_response_incomplete within a
  // message. The body ends with flush(), when all has been taken by the client's sink.
  base::Result<> finish(std::string_view trailers) override;
  base::Result<bool> flush() override;
  io::Signal& writable() override { return sink_.writable(); }

  uint64_t messages() const { return tracker_.messages(); }

 private:
  base::Result<size_t> write_text(std::string_view bytes);
  size_t encode(std::string_view bytes);
  void put_encoded(std::string_view bytes);
  void put(std::string_view bytes);
  base::Result<bool> send_pending();
  base::Result<bool> drain();

  BodySink& sink_;
  GrpcKind kind_;
  bool finished_ = false;  // the trailers frame is pending or sent
  bool sink_finished_ = false;
  uint8_t carried_ = 0;
  char carry_[2];  // bytes short of a group of three
  GrpcMessageTracker tracker_;
  io::Buffer pending_;  // encoded text and the trailers frame, on their way to sink_
};

}  // namespace http
