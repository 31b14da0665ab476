// Memory for coroutine frames and other short-lived objects of one thread: free lists by size, so that the
// steady state never reaches the heap. What a thread takes it gives back itself; a worker's coroutines never
// leave their worker.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace io {

void* take_frame(size_t bytes);
void give_frame(void* frame, size_t bytes) noexcept;

// A T that is there only some of the time, in such memory.
template <class T>
class Pooled {
 public:
  Pooled() = default;
  Pooled(const Pooled&) = delete;
  Pooled& operator=(const Pooled&) = delete;
  ~Pooled() { reset(); }

  template <class... Arguments>
  void make(Arguments&&... arguments) {
    reset();
    void* memory = take_frame(sizeof(T));
    if constexpr (sizeof...(arguments) == 0) {
      item_ = new (memory) T;  // not T(), which clears what T leaves uninitialised
    } else {
      item_ = new (memory) T(std::forward<Arguments>(arguments)...);
    }
  }
  void reset() {
    if (item_ == nullptr) return;
    item_->~T();
    give_frame(std::exchange(item_, nullptr), sizeof(T));
  }
  explicit operator bool() const { return item_ != nullptr; }
  T& operator*() const { return *item_; }
  T* operator->() const { return item_; }

 private:
  T* item_ = nullptr;
};

}  // namespace io
