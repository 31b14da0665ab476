#include "io/frame_pool.h"

#include <array>
#include <cstdlib>
#include <new>
#include <utility>

namespace io {
namespace {

// Under AddressSanitizer every frame is a heap object of its own, so that a use after its end is seen.
#if defined(__has_feature) && __has_feature(address_sanitizer)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
constexpr size_t kClassBytes = 16;  // as finely as the heap itself divides
constexpr size_t kClasses = 2048;   // up to 32 KiB; larger frames are rare and go to the heap

struct FreeFrame {
  FreeFrame* next;
};

struct Pool {
  std::array<FreeFrame*, kClasses> free{};
  ~Pool() {
    for (FreeFrame* frame : free) {
      while (frame != nullptr) ::operator delete(std::exchange(frame, frame->next));
    }
  }
};

thread_local Pool pool;

size_t class_of(size_t bytes) { return (bytes + kClassBytes - 1) / kClassBytes - 1; }

}  // namespace

void* take_frame(size_t bytes) {
  size_t index = class_of(bytes);
  if (kPooled && index < kClasses) {
    if (FreeFrame* frame = pool.free[index]) {
      pool.free[index] = frame->next;
      return frame;
    }
    return ::operator new((index + 1) * kClassBytes);
  }
  return ::operator new(bytes);
}

void give_frame(void* memory, size_t bytes) noexcept {
  size_t index = class_of(bytes);
  if (kPooled && index < kClasses) {
    FreeFrame* frame = static_cast<FreeFrame*>(memory);
    frame->next = pool.free[index];
    pool.free[index] = frame;
    return;
  }
  ::operator delete(memory);
}

}  // namespace io
