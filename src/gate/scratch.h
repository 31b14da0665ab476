// Text that an exchange makes itself (a normalised path, a header's new value) and that must live to its end.
// A little room inside, more from a pooled buffer; never the heap.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "io/buffer.h"

namespace gate {

class Scratch {
 public:
  // Room for size bytes; empty when the bound (128 KiB an exchange) is reached.
  std::span<char> take(size_t size) {
    if (used_ + size <= inside_.size()) {
      std::span<char> room(inside_.data() + used_, size);
      used_ += size;
      return room;
    }
    // The buffer is taken once, at its largest: what lies in it must not move.
    if (!more_.has_block() && !more_.reserve(io::kLargeBuffer)) return {};
    if (more_.space() < size) return {};
    std::span<char> room = more_.tail().first(size);
    more_.grew(size);
    return room;
  }

  // The pieces one after the other; empty when they do not fit.
  template <class... Pieces>
  std::string_view join(Pieces... pieces) {
    return join_all({std::string_view(pieces)...});
  }

  // Gives back what was taken since the mark, for work that is done again and again.
  struct Mark {
    size_t inside;
    size_t more;
  };
  Mark mark() const { return {used_, more_.size()}; }
  void give_back(Mark mark) {
    used_ = mark.inside;
    if (mark.more == 0) {
      more_.release();
    } else {
      more_.shrink(mark.more);
    }
  }

 private:
  std::string_view join_all(std::initializer_list<std::string_view> pieces) {
    size_t size = 0;
    for (std::string_view piece : pieces) size += piece.size();
    std::span<char> room = take(size);
    if (room.size() < size) return {};
    char* at = room.data();
    for (std::string_view piece : pieces) {
      __builtin_memcpy(at, piece.data(), piece.size());
      at += piece.size();
    }
    return {room.data(), size};
  }

  size_t used_ = 0;
  std::array<char, 1536> inside_;
  io::Buffer more_;
};

}  // namespace gate
