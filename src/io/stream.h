// A two-way byte stream between the gate and one peer, and where streams come from. The request path sees
// only these; sockets stand in socket.cc, TLS wraps a stream in another, tests use one in memory. One thread.
// Nothing here waits: a caller that is told would_block waits for the signal.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include "io/address.h"
#include "io/loop.h"

namespace io {

struct IoResult {
  enum class Kind : uint8_t { bytes, would_block, end, failed } kind = Kind::would_block;
  size_t count = 0;
  int error = 0;  // errno, for failed
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual IoResult read(std::span<char> into) = 0;
  // Writes the pieces in order, as much as fits. Never raises SIGPIPE.
  virtual IoResult write(std::span<const iovec> pieces) = 0;
  // Sends the end of our side (FIN); reading goes on.
  virtual void shutdown_write() = 0;
  // Makes the destructor reset the connection, so that the peer cannot take it for a clean end.
  virtual void reset_on_close() = 0;
  // For a stream from Network::connect(): 0 when connected, EINPROGRESS, or why it failed.
  virtual int connect_error() = 0;

  // Input may be waiting; when false, readable will fire once there is some.
  virtual bool may_read() const = 0;
  // The peer has closed both ways or reset: nothing sent can arrive any more.
  virtual bool peer_gone() const = 0;

  // A stream that wraps another hands out that one's: what wakes the one below wakes whoever waits above.
  virtual Signal& readable() = 0;
  virtual Signal& writable() = 0;
  virtual Signal& gone() = 0;
};

// The part of a stream that stands on nothing else.
class BaseStream : public Stream {
 public:
  bool may_read() const final { return may_read_; }
  bool peer_gone() const final { return peer_gone_; }
  Signal& readable() final { return readable_; }
  Signal& writable() final { return writable_; }
  Signal& gone() final { return gone_; }

 protected:
  bool may_read_ = false;
  bool may_write_ = true;
  bool peer_gone_ = false;
  Signal readable_;
  Signal writable_;
  Signal gone_;
};

class Listener {
 public:
  virtual ~Listener() = default;
  // nullptr: none waiting (wait for acceptable), or a passing failure such as no descriptors left, which
  // error tells apart (0: none waiting).
  virtual std::unique_ptr<Stream> accept(Address& peer, int& error) = 0;
  virtual Address local_address() const = 0;
  Signal acceptable;
};

class Network {
 public:
  virtual ~Network() = default;
  // Begins connecting; the stream's writable fires when it is decided. nullptr with error set when it cannot
  // begin.
  virtual std::unique_ptr<Stream> connect(const Address& to, int& error) = 0;
};

}  // namespace io
