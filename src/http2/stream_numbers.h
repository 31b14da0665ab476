// Which numbers a client's streams may begin with, and which are over: numbers rise, so that one passed over
// can never begin (RFC 9113 §5.1.1), and nothing follows END_STREAM (§5.1). nghttp2 would pass over both
// without a word, and a client that made the mistake wait for ever. Only the last few are remembered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace http2 {

class StreamNumbers {
 public:
  // Of a HEADERS frame, which may also be the trailers of a stream that has begun, or has gone.
  bool may_begin(int32_t id) {
    if (id > highest_) {
      if (id > highest_ + 2) gaps_[next_gap_++ % gaps_.size()] = {highest_ + 2, id - 2};
      highest_ = id;
      return true;
    }
    for (const Gap& gap : gaps_) {
      if (id >= gap.first && id <= gap.last) return false;
    }
    return true;
  }

  // Both sides have ended it; frames for it are an error. (For one that we reset they may be on their way.)
  void end(int32_t id) { ended_[next_ended_++ % ended_.size()] = id; }
  bool has_ended(int32_t id) const {
    for (int32_t ended : ended_) {
      if (ended == id) return true;
    }
    return false;
  }

 private:
  struct Gap {
    int32_t first = 0;
    int32_t last = -1;
  };
  int32_t highest_ = -1;
  size_t next_gap_ = 0;
  std::array<Gap, 8> gaps_;
  size_t next_ended_ = 0;
  std::array<int32_t, 16> ended_{};
};

}  // namespace http2
