// Between libssl and the stream below: records go straight through, without a copy. What the stream below
// does not take at once is kept here, at most a record, so that libssl never has to be asked again with the
// same bytes. Private to tls/; the BIO's only user is one SSL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "io/stream.h"

struct bio_st;

namespace tls {

class Wire {
 public:
  // A whole handshake, with chains on both sides, is a few KiB.
  static constexpr uint64_t kHandshakeBytesMax = 256 * 1024;
  // Bytes read that brought no data: more than any record and what belongs to it.
  static constexpr uint64_t kIdleBytesMax = 64 * 1024;

  explicit Wire(std::unique_ptr<io::Stream> below) : below_(std::move(below)) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  bio_st* make_bio();  // belongs to the SSL it is given to, which must not outlive the wire
  static Wire& of(bio_st* bio);

  io::Stream& below() { return *below_; }
  const io::Stream& below() const { return *below_; }

  // True: nothing is left to be sent.
  bool flush();
  bool unsent() const { return end_ > begin_; }
  // From now on small writes are kept and leave with the next: a ticket goes with the first answer.
  void hold() { holding_ = true; }
  void stop_holding() { holding_ = false; }
  bool holding() const { return holding_; }

  // errno of the stream below once it has failed; the end of its input.
  int error() const { return error_; }
  bool ended() const { return ended_; }

  // Reading fails once this many bytes have come and allow() was not called again.
  void allow(uint64_t bytes) { allowance_ = bytes; }
  bool exhausted() const { return exhausted_; }
  void exhaust() { allowance_ = 0; }

 private:
  friend struct WireBio;
  enum class Outcome : uint8_t { done, blocked, failed };
  Outcome read(char* into, size_t size, size_t& count);
  Outcome write(const char* data, size_t size, size_t& count);
  bool send(const char* data, size_t size, size_t& sent);
  size_t keep(const char* data, size_t size);

  std::unique_ptr<io::Stream> below_;
  char* tail_ = nullptr;  // [begin_, end_) of it is still to be sent
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint64_t allowance_ = kHandshakeBytesMax;
  int error_ = 0;
  bool ended_ = false;
  bool holding_ = false;
  bool exhausted_ = false;
};

}  // namespace tls
