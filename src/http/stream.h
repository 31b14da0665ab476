// One request and its answer as the gate sees them, whatever the protocol: the client's side (ServerStream,
// we are the server) and the backend's (ClientStream, we are the client). Bodies flow through the same two
// interfaces on both, so that one relay serves every pair of protocols. Nothing here waits. A call gives what
// is possible now; the caller waits for the signal it names.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/head.h"
#include "io/address.h"
#include "io/loop.h"

namespace http {

struct BodyBytes {
  std::string_view bytes;  // valid until consume() or the next peek()
  bool end = false;        // nothing follows these bytes
};

class BodySource {
 public:
  virtual ~BodySource() = default;
  // What is at hand. Empty and not end: wait for readable().
  virtual base::Result<BodyBytes> peek() = 0;
  virtual void consume(size_t count) = 0;
  virtual io::Signal& readable() = 0;
  // Field lines ("Name: value\r\n" each) behind the body, valid once end was seen; mostly empty.
  virtual std::string_view trailers() const = 0;
};

class BodySink {
 public:
  virtual ~BodySink() = default;
  // Takes as many bytes as fit, possibly none: then wait for writable().
  virtual base::Result<size_t> write(std::string_view bytes) = 0;
  virtual base::Result<> finish(std::string_view trailers) = 0;
  // Sends what has been taken; true once all of it has left for the kernel.
  virtual base::Result<bool> flush() = 0;
  virtual io::Signal& writable() = 0;
};

// What becomes of a request body that has not arrived whole when its answer begins.
enum class RequestBody : uint8_t { relayed, dropped };

struct ResponseStart {
  uint16_t status = 200;
  const Headers* headers = nullptr;  // end-to-end ones; framing and hop-by-hop headers are the stream's own
  BodyLength body;
  std::string_view upgrade;  // with status 101: the protocol switched to
  RequestBody request_body = RequestBody::relayed;
};

class ServerStream : public BodySource, public BodySink {
 public:
  virtual const RequestHead& head() const = 0;
  virtual const io::Address& peer() const = 0;
  virtual base::Instant began() const = 0;     // first byte of the head seen
  virtual base::Instant received() const = 0;  // head complete

  virtual base::Result<> send_interim(uint16_t status, const Headers& headers) = 0;  // 1xx but 101
  virtual base::Result<> start_response(const ResponseStart& start) = 0;
  virtual bool response_started() const = 0;
  // After a 101: from here on peek() and write() carry raw bytes, end is the peer's half-close.
  virtual void switch_to_raw() = 0;
  // The answer cannot be completed: makes sure the client sees that, whatever was sent already.
  virtual void abort() = 0;

  virtual bool client_gone() const = 0;
  virtual io::Signal& gone() = 0;
  virtual uint64_t bytes_received() const = 0;  // of this request, head included
  virtual uint64_t bytes_sent() const = 0;      // of this answer, head included
};

struct RequestStart {
  std::string_view method;
  Method method_kind = Method::other;  // decides whether the answer may have a body
  std::string_view path;
  std::string_view query;
  bool has_query = false;
  std::string_view authority;
  const Headers* headers = nullptr;  // end-to-end ones
  BodyLength body;
  std::string_view upgrade;  // the protocol asked for, else empty
};

class ClientStream : public BodySource, public BodySink {
 public:
  virtual base::Result<> start_request(const RequestStart& start) = 0;
  // True once a head, interim (1xx) or final, stands in into; its views last until the next call or the
  // stream's end.
  virtual base::Result<bool> receive_head(ResponseHead& into) = 0;
  // Whether a byte of an answer has arrived; until then a reused connection may turn out to be dead.
  virtual bool answer_began() const = 0;
  // Whether the kernel took any of the request.
  virtual bool request_left() const = 0;
  virtual void switch_to_raw() = 0;
};

}  // namespace http
