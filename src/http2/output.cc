#include "http2/output.h"

#include <algorithm>
#include <span>

namespace http2 {

void Output::append(std::string_view bytes) {
  end_ += bytes.size();
  while (!bytes.empty()) {
    if (count_ == 0 || slot(count_ - 1).space() == 0) {
      const bool tiny = count_ == 0 && bytes.size() <= io::kTinyBuffer;
      slot(count_).reserve(tiny ? io::kTinyBuffer : io::kSmallBuffer);
      ++count_;
    }
    io::Buffer& last = slot(count_ - 1);
    const size_t piece = std::min(last.space(), bytes.size());
    last.append(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
  }
}

void Output::take(io::Buffer&& block) {
  end_ += block.size();
  slot(count_) = std::move(block);
  ++count_;
}

Output::Sent Output::flush(io::Stream& stream) {
  while (count_ > 0) {
    std::array<iovec, kSlots> pieces;
    for (size_t i = 0; i < count_; ++i) {
      const std::string_view held = slot(i).filled();
      pieces[i] = {const_cast<char*>(held.data()), held.size()};
    }
    const io::IoResult written = stream.write(std::span(pieces.data(), count_));
    if (written.kind == io::IoResult::Kind::would_block) return Sent::some;
    if (written.kind != io::IoResult::Kind::bytes) return Sent::failed;
    sent_ += written.count;
    for (size_t left = written.count; left > 0;) {
      io::Buffer& front = slot(0);
      const size_t piece = std::min(left, front.size());
      front.consume(piece);
      left -= piece;
      if (!front.empty()) break;
      front.release();
      first_ = (first_ + 1) % kSlots;
      --count_;
    }
  }
  return Sent::all;
}

}  // namespace http2
