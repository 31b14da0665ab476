// Memory for coroutine frames and other short-lived objects of one thread: free lists by size, so that the
// steady state never reaches the heap. What a thread takes it gives back itself; a worker's coroutines never
// leave their worker.
#pragma once

#include <cstddef>

namespace io {

void* take_frame(size_t bytes);
void give_frame(void* frame, size_t bytes) noexcept;

}  // namespace io
