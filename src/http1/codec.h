// HTTP/1.1 on bytes, without I/O (RFC 9112). Strict: what two parsers could read differently is refused,
// never repaired. The connections in this folder feed it; fuzzers and tests call it directly.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/head.h"
#include "http/limits.h"

namespace http1 {

// A body longer than this is refused, so that lengths can be added up without overflow.
inline constexpr uint64_t kBodyBytesMax = uint64_t{1} << 62;

// Offset just behind the head's blank line, or nullopt while it has not arrived. `searched` is how much of
// bytes an earlier call has seen, so that a head arriving byte by byte costs linear time. LF LF also ends a
// head here: the parser then refuses it, instead of the client waiting for a timeout.
std::optional<size_t> find_head_end(std::string_view bytes, size_t searched);

// head is exactly what find_head_end delimited. out's views point into head, and out is meaningless after a
// failure. One empty line before the request line is passed over (RFC 9112 §2.2).
// Refuses with http_request_error (400) or request_head_too_large (431), side client.
base::Result<> parse_request_head(std::string_view head, const http::HeadLimits& limits,
                                  http::RequestHead& out);

// The same for a backend's answer; method decides the body's length (RFC 9112 §6.3).
// Refuses with http_protocol_error or http_response_header_section_size, side backend.
base::Result<> parse_response_head(std::string_view head, const http::HeadLimits& limits, http::Method method,
                                   http::ResponseHead& out);

// Chunked coding, incrementally (RFC 9112 §7.1). Chunk extensions are read and dropped within a bound.
// Trailers are collected within a bound and must be valid field lines: one that frames or routes is refused,
// any other whose name the gate has an opinion about (http/header_id.h) is dropped, since nothing looks at
// trailers. Refuses with http_request_error or http_protocol_error, by the side it reads.
class ChunkedDecoder {
 public:
  static constexpr uint32_t kTrailerBytesMax = 8 * 1024;
  static constexpr uint32_t kExtensionBytesMax = 256;  // of one chunk
  // Of a whole body, beyond what its data amounts to: extensions must not be the larger part of a long body.
  static constexpr uint32_t kExtensionExcessMax = 16 * 1024;

  struct Step {
    size_t consumed = 0;    // bytes of input used up, framing and data
    std::string_view data;  // body bytes within the consumed part; empty when it was framing only
    bool done = false;      // the last chunk and the trailers have been read
  };

  explicit ChunkedDecoder(base::Side side) : side_(side) {}

  // Consumes framing up to and including at most one run of data. consumed == 0: more input is needed, or it
  // is done. After a failure only reset() may follow.
  base::Result<Step> decode(std::string_view input);
  // Bytes of data known to follow in the current chunk.
  uint64_t chunk_left() const { return chunk_left_; }
  // Raw trailer lines ("Name: value\r\n" each), valid once done. Empty when there were none.
  std::string_view trailers() const { return trailers_ ? std::string_view(*trailers_) : std::string_view{}; }
  void reset();

 private:
  enum class State : uint8_t {
    size_first,  // the first digit of a chunk size
    size,
    extension_start,  // behind ';': white space or the first character of a name
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,  // at the start of a trailer line, or of the empty one
    trailer,
    trailers_lf,
    done,
  };

  // Each takes one byte of framing and returns nullptr or why it is refused.
  const char* take_framing(char c);
  const char* take_size(char c);
  const char* take_extension(char c);
  const char* take_trailer(char c);
  const char* end_size_line();
  const char* end_trailer_line();

  uint64_t chunk_left_ = 0;
  uint32_t extension_excess_ = 0;
  uint16_t extension_bytes_ = 0;
  uint16_t trailer_bytes_ = 0;
  uint16_t trailer_line_ = 0;  // where the current line begins in trailers_
  uint8_t digits_ = 0;
  State state_ = State::size_first;
  base::Side side_;
  std::unique_ptr<std::string> trailers_;  // made for the first: most bodies have none, idle connections too
};

// Writes a chunk's size line for `size` bytes of data and returns its length; out has room for
// kChunkHeaderMax. kChunkEnd follows the data. A size of 0 would end the body: it is never passed.
inline constexpr size_t kChunkHeaderMax = 18;
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";    // without trailers
inline constexpr std::string_view kLastChunkHeader = "0\r\n";  // trailer lines and kChunkEnd follow
size_t write_chunk_header(char* out, uint64_t size);

}  // namespace http1
