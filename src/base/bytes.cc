#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace base {
namespace {

constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kBase64Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_url_values() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kUrlAlphabet.size(); ++i) {
    values[static_cast<uint8_t>(kUrlAlphabet[i])] = static_cast<int8_t>(i);
  }
  return values;
}
constexpr auto kUrlValues = make_url_values();

std::string encode64(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  uint32_t bits = 0;
  int held = 0;
  for (char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += alphabet[bits >> held & 63];
    }
  }
  if (held > 0) out += alphabet[bits << (6 - held) & 63];
  return out;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

std::string lowercase(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> parse_unsigned(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{10}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) return std::nullopt;
  }
  return value;
}

std::optional<std::string_view> take_list_element(std::string_view& list) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view element = trim(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    if (!element.empty()) return element;
  }
  return std::nullopt;
}

std::string base64url_encode(std::string_view bytes) { return encode64(bytes, kUrlAlphabet); }

std::string base64_encode(std::string_view bytes) {
  std::string out = encode64(bytes, kBase64Alphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  const size_t rest = text.size() % 4;
  if (rest == 1) return std::nullopt;
  const auto value_at = [&](size_t i) { return int32_t{kUrlValues[static_cast<uint8_t>(text[i])]}; };
  std::string out(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1), '\0');
  char* at = out.data();
  int32_t foreign = 0;  // negative once a character was
  for (size_t i = 0; i < text.size() - rest; i += 4, at += 3) {
    const int32_t a = value_at(i), b = value_at(i + 1), c = value_at(i + 2), d = value_at(i + 3);
    foreign |= a | b | c | d;
    at[0] = static_cast<char>(a << 2 | b >> 4);
    at[1] = static_cast<char>(b << 4 | c >> 2);
    at[2] = static_cast<char>(c << 6 | d);
  }
  int32_t bits = 0;
  for (size_t i = text.size() - rest; i < text.size(); ++i) {
    const int32_t value = value_at(i);
    foreign |= value;
    bits = bits << 6 | (value & 63);
  }
  // Two characters are a byte and four bits, three are two bytes and two bits.
  const auto left_over = static_cast<int>(rest * 6 % 8);
  // RFC 4648 §3.5: bits left over must be zero, else two texts would stand for one value.
  if (foreign < 0 || (bits & ((1 << left_over) - 1)) != 0) return std::nullopt;
  bits >>= left_over;
  if (rest == 3) *at++ = static_cast<char>(bits >> 8);
  if (rest >= 2) *at = static_cast<char>(bits);
  return out;
}

int hex_value(char digit) {
  if (is_digit(digit)) return digit - '0';
  char lower = to_lower(digit);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string hex_encode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    int high = hex_value(text[i]);
    int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  auto follows = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!follows(1) || !follows(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void append_json_escaped(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size()) {
      uint8_t c = static_cast<uint8_t>(text[plain]);
      if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\') break;
      ++plain;
    }
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    char c = text.front();
    size_t taken = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += kDigits[static_cast<uint8_t>(c) >> 4];
      out += kDigits[static_cast<uint8_t>(c) & 15];
    } else if (size_t length = utf8_length(text)) {
      out.append(text.substr(0, length));
      taken = length;
    } else {
      out += "\\ufffd";
    }
    text.remove_prefix(taken);
  }
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  append_json_escaped(out, text);
  out += '"';
  return out;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_above(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_above.swap(above);
    above.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_above[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(word.size(), 3) / 3 + 1;
  for (std::string_view candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string format_rfc3339(int64_t unix_ns) {
  int64_t within = unix_ns % 1'000'000'000;
  if (within < 0) within += 1'000'000'000;  // before 1970 the second that has begun is the lower one
  time_t whole = static_cast<time_t>(unix_ns / 1'000'000'000 - (unix_ns % 1'000'000'000 < 0));
  int milliseconds = static_cast<int>(within / 1'000'000);
  tm parts{};
  gmtime_r(&whole, &parts);
  char text[64];
  int length =
      std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds);
  return std::string(text, static_cast<size_t>(length));
}

std::optional<int64_t> parse_rfc3339(std::string_view text) {
  auto number = [&](size_t at, size_t count) -> int {
    if (at + count > text.size()) return -1;
    auto value = parse_unsigned(text.substr(at, count));
    return value ? static_cast<int>(*value) : -1;
  };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  if (parts.tm_year < -1900 || parts.tm_mon < 0 || parts.tm_mon > 11 || parts.tm_mday < 1 ||
      parts.tm_mday > 31 || parts.tm_hour < 0 || parts.tm_hour > 23 || parts.tm_min < 0 ||
      parts.tm_min > 59 || parts.tm_sec < 0 || parts.tm_sec > 60) {
    return std::nullopt;
  }
  size_t at = 19;
  int64_t fraction_ns = 0;
  if (text[at] == '.') {
    int64_t unit = 100'000'000;
    size_t digits = 0;
    for (++at; at < text.size() && is_digit(text[at]); ++at, ++digits, unit /= 10) {
      fraction_ns += (text[at] - '0') * unit;
    }
    if (digits == 0) return std::nullopt;
  }
  if (at >= text.size()) return std::nullopt;
  int64_t offset_seconds = 0;
  if (text[at] == 'Z' || text[at] == 'z') {
    if (at + 1 != text.size()) return std::nullopt;
  } else {
    int hours = number(at + 1, 2);
    int minutes = number(at + 4, 2);
    if ((text[at] != '+' && text[at] != '-') || at + 6 != text.size() || text[at + 3] != ':' || hours < 0 ||
        hours > 23 || minutes < 0 || minutes > 59) {
      return std::nullopt;
    }
    offset_seconds = (hours * 60 + minutes) * 60 * (text[at] == '+' ? 1 : -1);
  }
  int month_before = parts.tm_mon;
  int day_before = parts.tm_mday;
  time_t whole = timegm(&parts);
  if (parts.tm_mon != month_before || parts.tm_mday != day_before) return std::nullopt;  // 31 February
  int64_t unix_ns = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(whole) - offset_seconds, int64_t{1'000'000'000},
                             &unix_ns) ||
      __builtin_add_overflow(unix_ns, fraction_ns, &unix_ns)) {
    return std::nullopt;
  }
  return unix_ns;
}

}  // namespace base
