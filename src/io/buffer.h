// Blocks of memory for bytes in flight, from per-thread free lists. An idle connection holds none.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

namespace io {

inline constexpr size_t kTinyBuffer = 4 * 1024;
inline constexpr size_t kSmallBuffer = 16 * 1024;
inline constexpr size_t kLargeBuffer = 128 * 1024;

// Bytes [begin, end) of a block are filled; behind end is space. Empty without a block until reserve().
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Buffer() { release(); }

  // Makes room for at least this many more bytes, moving to a larger block if needed (views into it then
  // break). False when that would pass kLargeBuffer.
  bool reserve(size_t more);
  // Gives the block back; what it held is gone.
  void release();

  bool has_block() const { return block_ != nullptr; }
  std::string_view filled() const { return {block_ + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t space() const { return capacity_ - end_; }
  std::span<char> tail() { return {block_ + end_, capacity_ - end_}; }

  void grew(size_t count) { end_ += count; }
  void shrink(size_t size) { end_ = begin_ + size; }  // to the first of the bytes it holds
  void consume(size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Needs room: call reserve() first.
  void append(std::string_view bytes) {
    copy(block_ + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void append(char c) { block_[end_++] = c; }

  void swap(Buffer& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
  }

 private:
  // Heads are written as hundreds of short pieces: up to 32 bytes go by two overlapping moves instead of a
  // call.
  static void copy(char* to, const char* from, size_t size) {
    struct Sixteen {
      char bytes[16];
    };
    if (size > 32 || size < 4) {
      if (size > 32) {
        __builtin_memcpy(to, from, size);
      } else {
        for (size_t i = 0; i < size; ++i) to[i] = from[i];
      }
    } else if (size >= 16) {
      Sixteen first, last;
      __builtin_memcpy(&first, from, 16);
      __builtin_memcpy(&last, from + size - 16, 16);
      __builtin_memcpy(to, &first, 16);
      __builtin_memcpy(to + size - 16, &last, 16);
    } else if (size >= 8) {
      unsigned long first, last;
      __builtin_memcpy(&first, from, 8);
      __builtin_memcpy(&last, from + size - 8, 8);
      __builtin_memcpy(to, &first, 8);
      __builtin_memcpy(to + size - 8, &last, 8);
    } else {
      unsigned first, last;
      __builtin_memcpy(&first, from, 4);
      __builtin_memcpy(&last, from + size - 4, 4);
      __builtin_memcpy(to, &first, 4);
      __builtin_memcpy(to + size - 4, &last, 4);
    }
  }

  char* block_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace io
