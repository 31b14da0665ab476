// Finding the first byte that ends a run, sixteen at a time (SSE2, which every x86-64 has). The codec and the
// target normaliser share it. Reads never pass `end`: what is left behind the last whole block goes byte by
// byte.
#pragma once

#include <emmintrin.h>

#include <array>
#include <bit>
#include <cstdint>

namespace http {

namespace scan_detail {

// RFC 9110 §5.6.2 tchar.
constexpr bool is_token_char(unsigned char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  switch (c) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~':
      return true;
    default:
      return false;
  }
}

inline constexpr auto kTokenChars = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) table[static_cast<size_t>(c)] = is_token_char(static_cast<unsigned char>(c));
  return table;
}();

inline __m128i load(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

// 0xFF where low <= byte <= high.
inline __m128i within(__m128i bytes, uint8_t low, uint8_t high) {
  const __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8(static_cast<char>(low)));
  const __m128i width = _mm_set1_epi8(static_cast<char>(high - low));
  return _mm_cmpeq_epi8(_mm_min_epu8(shifted, width), shifted);
}

inline uint32_t mask_of(__m128i bytes) { return static_cast<uint32_t>(_mm_movemask_epi8(bytes)); }

}  // namespace scan_detail

inline bool is_token_char(char c) { return scan_detail::kTokenChars[static_cast<unsigned char>(c)]; }

// The first byte that is not a token character, or is '_', or end. A header name ends here unless it has an
// underscore, which the codec asks about.
inline const char* find_plain_token_end(const char* at, const char* end) {
  using namespace scan_detail;
  while (end - at >= 16) {
    const __m128i bytes = load(at);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    // Letters, digits and '-' only: nearly every name. The table below settles the rest.
    const __m128i plain =
        _mm_or_si128(within(folded, 'a', 'z'),
                     _mm_or_si128(within(bytes, '0', '9'), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'))));
    const uint32_t others = mask_of(plain) ^ 0xFFFF;
    if (others == 0) {
      at += 16;
      continue;
    }
    at += std::countr_zero(others);
    if (!is_token_char(*at) || *at == '_') return at;
    ++at;
  }
  while (at != end && is_token_char(*at) && *at != '_') ++at;
  return at;
}

// The first byte that is not a token character, or end.
inline const char* find_token_end(const char* at, const char* end) {
  at = find_plain_token_end(at, end);
  while (at != end && *at == '_') at = find_plain_token_end(at + 1, end);
  return at;
}

// The first byte that cannot stand in a field value (RFC 9110 §5.5): a control character other than tab, or
// end.
inline const char* find_value_end(const char* at, const char* end) {
  using namespace scan_detail;
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = load(at);
    const __m128i control =
        _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), within(bytes, 0, 0x1F));
    const uint32_t hits = mask_of(_mm_or_si128(control, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F))));
    if (hits != 0) return at + std::countr_zero(hits);
  }
  for (; at != end; ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if ((c < 0x20 && c != '\t') || c == 0x7F) break;
  }
  return at;
}

// The first byte that cannot stand in a request target: anything but visible ASCII, or '#'; or end.
inline const char* find_target_end(const char* at, const char* end) {
  using namespace scan_detail;
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = load(at);
    const uint32_t visible = mask_of(within(bytes, 0x21, 0x7E));
    const uint32_t hits = (visible ^ 0xFFFF) | mask_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
    if (hits != 0) return at + std::countr_zero(hits);
  }
  while (at != end && *at >= 0x21 && *at <= 0x7E && *at != '#') ++at;
  return at;
}

}  // namespace http
