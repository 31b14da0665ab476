// A queue of bytes in pooled blocks that never move: views into it hold until what they show is consumed.
// Streams keep what they received and what they still have to send in one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "io/buffer.h"

namespace http2 {

// In front of each block's bytes are kHeadroom more that belong to nobody, so that what is put before them
// leaves with them in one piece. At most kBlocks blocks; all but the first and last are full.
template <size_t kHeadroom, size_t kBlocks>
class Blocks {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The bytes at hand in one piece; empty only when there are none.
  std::string_view front() const {
    return count_ == 0 ? std::string_view{} : ring_[first_].filled().substr(kHeadroom);
  }

  // Takes as many bytes as fit when at most size_max are held.
  size_t append(std::string_view bytes, size_t size_max) {
    const size_t room = size_max - std::min(size_max, size_);
    bytes = bytes.substr(0, room);
    size_t taken = 0;
    while (taken < bytes.size()) {
      if ((count_ == 0 || back().space() == 0) && !add_block(bytes.size() - taken)) break;
      const size_t piece = std::min(back().space(), bytes.size() - taken);
      back().append(bytes.substr(taken, piece));
      taken += piece;
    }
    size_ += taken;
    return taken;
  }

  // count is at most front().size().
  void consume(size_t count) {
    if (count == 0) return;
    ring_[first_].consume(count);
    size_ -= count;
    if (ring_[first_].size() == kHeadroom || ring_[first_].empty()) drop_front();
  }

  // The whole first block, its headroom in front of the bytes.
  io::Buffer take_front() {
    size_ -= front().size();
    io::Buffer block = std::move(ring_[first_]);
    drop_front();
    return block;
  }
  // Where the headroom of the first block begins.
  char* front_headroom() { return const_cast<char*>(ring_[first_].filled().data()); }

  void clear() {
    while (count_ > 0) drop_front();
    size_ = 0;
  }

 private:
  io::Buffer& back() { return ring_[(first_ + count_ - 1) % kBlocks]; }
  bool add_block(size_t wanted) {
    if (count_ == kBlocks) return false;
    // What dribbles holds little.
    const bool tiny = count_ == 0 && wanted + kHeadroom <= io::kTinyBuffer;
    if (!ring_[(first_ + count_) % kBlocks].reserve(tiny ? io::kTinyBuffer : io::kSmallBuffer)) return false;
    ++count_;
    back().grew(kHeadroom);
    return true;
  }
  void drop_front() {
    ring_[first_].release();
    first_ = (first_ + 1) % kBlocks;
    --count_;
  }

  std::array<io::Buffer, kBlocks> ring_;
  size_t first_ = 0;
  size_t count_ = 0;
  size_t size_ = 0;
};

}  // namespace http2
