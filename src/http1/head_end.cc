// Where a head ends. Runs over every byte a client sends before its request is known, so it costs one pass
// however the bytes arrive.
#include <emmintrin.h>

#include <algorithm>
#include <bit>

#include "http1/codec.h"

namespace http1 {
namespace {

// The length of the line end behind the LF at `lf` when the next line is empty: LF, or CR LF. 0 otherwise.
size_t empty_line_at(std::string_view bytes, size_t lf) {
  const size_t next = lf + 1;
  if (next < bytes.size() && bytes[next] == '\n') return 1;
  if (next + 1 < bytes.size() && bytes[next] == '\r' && bytes[next + 1] == '\n') return 2;
  return 0;
}

}  // namespace

std::optional<size_t> find_head_end(std::string_view bytes, size_t searched) {
  // An LF among the last two bytes seen could not be settled then: what follows it had not arrived.
  size_t at = searched < 2 ? 0 : std::min(searched, bytes.size()) - 2;
  const __m128i lf = _mm_set1_epi8('\n');
  for (; bytes.size() - at >= 16; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at));
    auto hits = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, lf)));
    for (; hits != 0; hits &= hits - 1) {
      const size_t hit = at + static_cast<size_t>(std::countr_zero(hits));
      if (const size_t length = empty_line_at(bytes, hit)) return hit + 1 + length;
    }
  }
  for (; at < bytes.size(); ++at) {
    if (bytes[at] != '\n') continue;
    if (const size_t length = empty_line_at(bytes, at)) return at + 1 + length;
  }
  return std::nullopt;
}

}  // namespace http1
