// Writes a line of JSON into memory that is known to be large enough; what access_log.cc is made of. Numbers
// and escapes are written by hand because a line is made for every exchange. Bounds are the caller's sum of
// field bounds; nothing here checks the end of the buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/time.h"

namespace telemetry {

class JsonLine {
 public:
  explicit JsonLine(char* out) : begin_(out), out_(out) {}

  size_t size() const { return static_cast<size_t>(out_ - begin_); }

  // As it stands: keys, punctuation, and texts of our own that need no escape.
  void raw(std::string_view text) {
    if (text.empty()) return;  // memcpy takes no null, not even for nothing
    std::memcpy(out_, text.data(), text.size());
    out_ += text.size();
  }
  void raw(char c) { *out_++ = c; }

  // A quoted string that takes at most bytes_max bytes between the quotes; what is longer ends in "…".
  // Bytes that are not UTF-8 become U+FFFD.
  void quoted(std::string_view text, size_t bytes_max);

  void number(uint64_t value);
  // Milliseconds with three decimals, and without those at the end that are 0: 1.25, 12, 0.004.
  void milliseconds(base::Duration duration);

 private:
  void escape(std::string_view text, size_t bytes_max);

  char* begin_;
  char* out_;
};

}  // namespace telemetry
