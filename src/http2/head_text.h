// A header block's fields as they come out of HPACK, written down as the lines HTTP/1 has, so that one parser
// with one strictness reads both. Filled by the session, read by head.cc. Bounds what it keeps; the fields of
// a block that is too large are counted and dropped.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/limits.h"
#include "io/buffer.h"

namespace http2 {

enum class Pseudo : uint8_t { method, scheme, authority, path, protocol, status };
inline constexpr size_t kPseudoCount = 6;

class HeadText {
 public:
  // Forgets what it held.
  void start(const http::HeadLimits& limits);
  void add(std::string_view name, std::string_view value);
  // The block is complete: joins cookies and ends the lines.
  void finish();
  void release();

  bool has(Pseudo which) const { return pseudo_[static_cast<size_t>(which)].set; }
  // Empty when absent. Views last until start() or release(), or until it moves.
  std::string_view pseudo(Pseudo which) const;
  // "name: value\r\n" each, and a blank line.
  std::string_view lines() const { return text_.filled().substr(lines_at_); }
  // As HTTP/1 would have written it, whatever was kept.
  uint64_t bytes() const { return bytes_; }
  bool too_large() const { return too_large_; }
  // Why the block is refused, a literal; nullptr: nothing was found so far.
  const char* fault() const { return fault_; }

 private:
  struct Piece {
    uint32_t at = 0;
    uint32_t size = 0;
    bool set = false;
  };
  void add_pseudo(std::string_view name, std::string_view value);
  void add_cookie(std::string_view value);
  void put(std::string_view text);

  http::HeadLimits limits_;
  io::Buffer text_;     // the pseudo-headers' values, then the lines
  io::Buffer cookies_;  // crumbs joined
  std::array<Piece, kPseudoCount> pseudo_;
  uint64_t bytes_ = 0;
  uint32_t count_ = 0;
  uint32_t lines_at_ = 0;
  bool too_large_ = false;
  const char* fault_ = nullptr;
};

}  // namespace http2
