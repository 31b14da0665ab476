// HTTP/1.1 on bytes, without I/O (RFC 9112). Strict: what two parsers could read differently is refused, never
// repaired. The connections in this folder feed it; fuzzers and tests call it directly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/head.h"

namespace http1 {

struct HeadLimits {
  uint32_t head_bytes_max = 64 * 1024;
  uint32_t headers_max = 100;
};

// Offset just behind the head's blank line, or nullopt while it has not arrived. `searched` is how much of
// bytes an earlier call has seen, so that a head arriving byte by byte costs linear time. LF LF also ends a
// head here: the parser then refuses it, instead of the client waiting for a timeout.
std::optional<size_t> find_head_end(std::string_view bytes, size_t searched);

// head is exactly what find_head_end delimited. out's views point into head.
// Refuses with http_request_error (400) or request_head_too_large (431), side client.
base::Result<> parse_request_head(std::string_view head, const HeadLimits& limits, http::RequestHead& out);

// The same for a backend's answer; method decides the body's length (RFC 9112 §6.3).
// Refuses with http_protocol_error or http_response_header_section_size, side backend.
base::Result<> parse_response_head(std::string_view head, const HeadLimits& limits, http::Method method,
                                   http::ResponseHead& out);

// Chunked coding, incrementally (RFC 9112 §7.1). Chunk extensions are read and dropped within a bound; trailers
// are collected within a bound and must be valid field lines.
class ChunkedDecoder {
 public:
  struct Step {
    size_t consumed = 0;      // bytes of input used up, framing and data
    std::string_view data;    // body bytes within the consumed part; empty when it was framing only
    bool done = false;        // the last chunk and the trailers have been read
  };
  // Consumes framing up to and including at most one run of data. consumed == 0: more input is needed.
  base::Result<Step> decode(std::string_view input);
  // Bytes of data known to follow in the current chunk.
  uint64_t chunk_left() const { return chunk_left_; }
  // Raw trailer lines ("Name: value\r\n" each), valid once done. Empty when there were none.
  std::string_view trailers() const { return trailers_; }
  void reset();

 private:
  // The implementer's; keep the object small, it lives in every connection that is reading a chunked body.
  uint64_t chunk_left_ = 0;
  std::string trailers_;
};

}  // namespace http1
