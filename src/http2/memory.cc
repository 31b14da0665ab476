#include "http2/memory.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "io/frame_pool.h"

namespace http2 {
namespace {

// Stands in front of each block, since the pool wants to be told the size again.
struct alignas(16) BlockHead {
  size_t bytes;  // of the whole, this head included
};

BlockHead* head_of(void* memory) { return static_cast<BlockHead*>(memory) - 1; }

void* take(size_t size, void*) {
  const size_t bytes = size + sizeof(BlockHead);
  if (bytes < size) return nullptr;
  auto* head = static_cast<BlockHead*>(io::take_frame(bytes));
  head->bytes = bytes;
  return head + 1;
}

void give(void* memory, void*) {
  if (memory != nullptr) io::give_frame(head_of(memory), head_of(memory)->bytes);
}

void* take_zeroed(size_t count, size_t size, void*) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  void* memory = take(bytes, nullptr);
  if (memory != nullptr) std::memset(memory, 0, bytes);
  return memory;
}

void* resize(void* memory, size_t size, void*) {
  void* larger = take(size, nullptr);
  if (larger == nullptr || memory == nullptr) return larger;
  std::memcpy(larger, memory, std::min(size, head_of(memory)->bytes - sizeof(BlockHead)));
  give(memory, nullptr);
  return larger;
}

}  // namespace

void* session_memory() {
  static nghttp2_mem memory = {
      .mem_user_data = nullptr, .malloc = take, .free = give, .calloc = take_zeroed, .realloc = resize};
  return &memory;
}

}  // namespace http2
