// What nghttp2 calls back: from its frames to a Session's methods and its channels. Used by session.cc.
#pragma once

#include <cstdint>

struct nghttp2_session_callbacks;

namespace http2 {

// Made once, lives for ever.
const nghttp2_session_callbacks* session_callbacks();

}  // namespace http2
