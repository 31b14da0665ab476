#include "io/buffer.h"

#include <array>
#include <iterator>
#include <new>
#include <vector>

namespace io {
namespace {

// How many free blocks of each size a thread keeps; a burst's surplus goes back to the heap. Hundreds of
// streams on a few HTTP/2 connections come and go together, each with three small blocks: 2,048 of them are 8
// MiB.
struct SizeClass {
  size_t bytes;
  size_t kept_max;
};
constexpr SizeClass kClasses[] = {{kTinyBuffer, 2048}, {kSmallBuffer, 128}, {kLargeBuffer, 32}};

struct FreeBlocks {
  std::array<std::vector<char*>, std::size(kClasses)> kept;
  FreeBlocks() {
    for (size_t i = 0; i < kept.size(); ++i) kept[i].reserve(kClasses[i].kept_max);
  }
  ~FreeBlocks() {
    for (auto& blocks : kept) {
      for (char* block : blocks) ::operator delete(block);
    }
  }
};

thread_local FreeBlocks free_blocks;

// The smallest class that holds bytes; bytes is at most kLargeBuffer.
size_t class_of(size_t bytes) { return bytes <= kTinyBuffer ? 0 : bytes <= kSmallBuffer ? 1 : 2; }

char* take_block(size_t capacity) {
  auto& kept = free_blocks.kept[class_of(capacity)];
  if (kept.empty()) return static_cast<char*>(::operator new(capacity));
  char* block = kept.back();
  kept.pop_back();
  return block;
}

void give_block(char* block, size_t capacity) {
  auto& kept = free_blocks.kept[class_of(capacity)];
  if (kept.size() < kept.capacity()) {
    kept.push_back(block);
  } else {
    ::operator delete(block);
  }
}

}  // namespace

bool Buffer::reserve(size_t more) {
  if (space() >= more) return true;
  size_t held = size();
  if (held + more <= capacity_) {
    __builtin_memmove(block_, block_ + begin_, held);
  } else {
    if (held + more > kLargeBuffer) return false;
    size_t capacity = kClasses[class_of(held + more)].bytes;
    char* block = take_block(capacity);
    if (held > 0) __builtin_memcpy(block, block_ + begin_, held);
    if (block_ != nullptr) give_block(block_, capacity_);
    block_ = block;
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
  return true;
}

void Buffer::release() {
  if (block_ == nullptr) return;
  give_block(block_, capacity_);
  block_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

}  // namespace io
