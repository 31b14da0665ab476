// Small pure functions on text and bytes that every folder needs. No allocation unless the result is a
// string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace base {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string lowercase(std::string_view text);

// Strips spaces and tabs (RFC 9110 OWS) at both ends.
std::string_view trim(std::string_view text);

// Decimal digits only, no sign, no white space; nullopt on overflow or anything else.
std::optional<uint64_t> parse_unsigned(std::string_view digits);

// Takes the next element off a comma-separated list (RFC 9110 §5.6.1), trimmed; empty elements are passed
// over. nullopt at the end.
std::optional<std::string_view> take_list_element(std::string_view& list);

// RFC 4648 §5 without padding. Decoding refuses padding, foreign characters and stray bits.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);
// RFC 4648 §4 with padding.
std::string base64_encode(std::string_view bytes);

int hex_value(char digit);  // -1: none
std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view text);

// Length of the valid UTF-8 sequence at the front of text, 0 if there is none (RFC 3629 §4).
size_t utf8_length(std::string_view text);

// Appends text as the inside of a JSON string (RFC 8259 §7). Bytes that are not UTF-8 become U+FFFD,
// so that the result is always valid JSON whatever a client sent.
void append_json_escaped(std::string& out, std::string_view text);
std::string json_quoted(std::string_view text);

// Levenshtein distance, with two neighbours swapped as one slip; for "did you mean" on short words only.
size_t edit_distance(std::string_view a, std::string_view b);
// The candidate nearest to word, when it is near enough to be a plausible typo; else empty.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

// "2026-01-31T09:30:00.123Z" (RFC 3339, UTC, milliseconds) and back (any fraction, Z or numeric offset).
// nullopt also for years that nanoseconds since 1970 cannot hold: before 1678 and after 2261.
std::string format_rfc3339(int64_t unix_ns);
std::optional<int64_t> parse_rfc3339(std::string_view text);

}  // namespace base
