// Base64 (RFC 4648 §4, with padding) from bytes to bytes, in the caller's memory and in pieces. For what
// flows through the gate; base/bytes.h makes strings of what is short and rare. Never allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace base {

constexpr size_t base64_length(size_t bytes) { return (bytes + 2) / 3 * 4; }

// Writes base64_length(bytes.size()) characters to out, which has room for them, and returns how many.
size_t encode_base64(std::string_view bytes, char* out);

// Text that arrives in pieces. Padding ends a group, and another may follow: what a peer encoded piece by
// piece is read as one. Foreign characters, white space among them, and stray bits behind a padded value are
// refused.
class Base64Decoder {
 public:
  struct Step {
    size_t consumed = 0;  // characters of text used up
    size_t written = 0;
  };

  // Decodes as much as fits; with room for three bytes it consumes at least one character. nullopt: text is
  // not base64, and only reset() may follow.
  std::optional<Step> decode(std::string_view text, std::span<char> out);
  // No group is cut short here: the text may end.
  bool complete() const { return held_ == 0; }
  void reset() { *this = {}; }

 private:
  bool take(char c);
  size_t end_group(char* out);

  uint32_t bits_ = 0;
  uint8_t held_ = 0;  // characters of the group so far, padding included
  uint8_t padding_ = 0;
};

}  // namespace base
