// nghttp2's allocator: blocks from the thread's free lists, so that requests in steady state never reach the
// heap. Used by session.cc only.
#pragma once

namespace http2 {

// An nghttp2_mem, which cannot be declared without its header. Lives for ever; a session uses the memory of
// the thread it runs on.
void* session_memory();

}  // namespace http2
