#include "io/buffer.h"

#include <array>
#include <new>
#include <vector>

namespace io {
namespace {

// How many free blocks of each size a thread keeps; a burst's surplus goes back to the heap.
constexpr size_t kKeptSmall = 256;
constexpr size_t kKeptLarge = 32;

struct FreeBlocks {
  std::vector<char*> small;
  std::vector<char*> large;
  FreeBlocks() {
    small.reserve(kKeptSmall);
    large.reserve(kKeptLarge);
  }
  ~FreeBlocks() {
    for (char* block : small) ::operator delete(block);
    for (char* block : large) ::operator delete(block);
  }
};

thread_local FreeBlocks free_blocks;

char* take_block(size_t size) {
  auto& kept = size == kSmallBuffer ? free_blocks.small : free_blocks.large;
  if (kept.empty()) return static_cast<char*>(::operator new(size));
  char* block = kept.back();
  kept.pop_back();
  return block;
}

void give_block(char* block, size_t size) {
  auto& kept = size == kSmallBuffer ? free_blocks.small : free_blocks.large;
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
    size_t capacity = held + more <= kSmallBuffer ? kSmallBuffer : kLargeBuffer;
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
