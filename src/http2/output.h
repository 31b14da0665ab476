// Frames on their way to the kernel. Small ones gather, blocks of a body come as they are; all that stands
// here leaves in one call. Counts bytes since the connection began, so that a stream can tell when its own
// have left.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http2/limits.h"
#include "io/buffer.h"
#include "io/stream.h"

namespace http2 {

class Output {
 public:
  // No further frame may be put in.
  bool full() const { return size() >= kOutputBytesMax || count_ + kSlotsAFrame > kSlots; }
  void append(std::string_view bytes);
  void take(io::Buffer&& block);

  enum class Sent : uint8_t { all, some, failed };
  Sent flush(io::Stream& stream);

  size_t size() const { return static_cast<size_t>(end_ - sent_); }
  uint64_t end() const { return end_; }    // put in so far
  uint64_t sent() const { return sent_; }  // of that, taken by the kernel
  bool empty() const { return end_ == sent_; }

 private:
  static constexpr size_t kSlots = 16;
  static constexpr size_t kSlotsAFrame = 3;

  io::Buffer& slot(size_t i) { return ring_[(first_ + i) % kSlots]; }

  std::array<io::Buffer, kSlots> ring_;
  size_t first_ = 0;
  size_t count_ = 0;
  uint64_t end_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace http2
