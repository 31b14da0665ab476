#include "telemetry/json_line.h"

#include <array>

#include "base/bytes.h"

namespace telemetry {
namespace {

constexpr std::string_view kCut = "…";

constexpr auto kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[i * 2] = static_cast<char>('0' + i / 10);
    pairs[i * 2 + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

constexpr uint64_t repeat(uint8_t byte) { return 0x0101010101010101u * byte; }

// True when each of the eight bytes stands in JSON as it is: printable ASCII but '"' and '\'. (A byte x of v
// is below n when x - n borrows; the borrow's false alarms only cost a slower look.)
bool all_plain(uint64_t v) {
  uint64_t below_space = v - repeat(0x20);
  uint64_t quote = (v ^ repeat('"')) - repeat(1);
  uint64_t backslash = (v ^ repeat('\\')) - repeat(1);
  uint64_t above_tilde = v + repeat(1);
  return ((v | below_space | quote | backslash | above_tilde) & repeat(0x80)) == 0;
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

template <class Word>
Word load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Copies text, whose bytes may turn out not to be plain, and says whether all are. Most texts of a line are
// short: two overlapping words cover what is left of one, instead of a walk over its last bytes.
bool copy_if_plain(std::string_view text, char* out) {
  const char* from = text.data();
  size_t size = text.size();
  if (size >= 8) {
    size_t last = size - 8;
    for (size_t at = 0; at < last; at += 8) {
      auto word = load<uint64_t>(from + at);
      if (!all_plain(word)) return false;
      std::memcpy(out + at, &word, sizeof word);
    }
    auto word = load<uint64_t>(from + last);
    std::memcpy(out + last, &word, sizeof word);
    return all_plain(word);
  }
  if (size >= 4) {
    auto first = load<uint32_t>(from);
    auto last = load<uint32_t>(from + size - 4);
    std::memcpy(out, &first, sizeof first);
    std::memcpy(out + size - 4, &last, sizeof last);
    return all_plain(uint64_t{last} << 32 | first);
  }
  bool plain = true;
  for (size_t at = 0; at < size; ++at) {
    plain &= is_plain(from[at]);
    out[at] = from[at];
  }
  return plain;
}

size_t count_plain(std::string_view text) {
  size_t at = 0;
  while (at + 8 <= text.size() && all_plain(load<uint64_t>(text.data() + at))) at += 8;
  while (at < text.size() && is_plain(text[at])) ++at;
  return at;
}

// How a character that is not plain is written; taken is how much of text it stands for.
struct Escape {
  char bytes[6];
  size_t size = 0;
  size_t taken = 1;
};

Escape make_escape(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  auto c = static_cast<uint8_t>(text.front());
  auto two = [](char second) { return Escape{.bytes = {'\\', second}, .size = 2}; };
  if (c == '"' || c == '\\') return two(static_cast<char>(c));
  if (c == '\n') return two('n');
  if (c == '\t') return two('t');
  if (c == '\r') return two('r');
  if (c < 0x20 || c == 0x7F) return {.bytes = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]}, .size = 6};
  size_t length = base::utf8_length(text);
  if (length == 0) return {.bytes = {'\\', 'u', 'f', 'f', 'f', 'd'}, .size = 6};
  Escape escape{.bytes = {}, .size = length, .taken = length};
  std::memcpy(escape.bytes, text.data(), length);
  return escape;
}

}  // namespace

void JsonLine::quoted(std::string_view text, size_t bytes_max) {
  *out_++ = '"';
  if (text.size() <= bytes_max && copy_if_plain(text, out_)) {
    out_ += text.size();
  } else {
    escape(text, bytes_max);
  }
  *out_++ = '"';
}

// A character is written only while the mark of a cut would still fit behind it, or when it is the last.
void JsonLine::escape(std::string_view text, size_t bytes_max) {
  const char* end = out_ + bytes_max;
  auto room = [&] { return static_cast<size_t>(end - out_); };
  while (!text.empty()) {
    size_t plain = count_plain(text);
    bool ends_plain = plain == text.size();
    size_t fits = ends_plain ? room() : room() - kCut.size();
    if (plain > fits) {
      raw(text.substr(0, room() - kCut.size()));
      raw(kCut);
      return;
    }
    raw(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    Escape next = make_escape(text);
    bool last = next.taken == text.size();
    if (next.size + (last ? 0 : kCut.size()) > room()) {
      raw(kCut);
      return;
    }
    raw({next.bytes, next.size});
    text.remove_prefix(next.taken);
  }
}

void JsonLine::number(uint64_t value) {
  char digits[20];
  char* at = digits + sizeof digits;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, kDigitPairs.data() + value % 100 * 2, 2);
    value /= 100;
  }
  if (value >= 10) {
    at -= 2;
    std::memcpy(at, kDigitPairs.data() + value * 2, 2);
  } else {
    *--at = static_cast<char>('0' + value);
  }
  raw({at, static_cast<size_t>(digits + sizeof digits - at)});
}

void JsonLine::milliseconds(base::Duration duration) {
  uint64_t microseconds = duration.ns > 0 ? static_cast<uint64_t>(duration.ns) / 1000 : 0;
  number(microseconds / 1000);
  auto fraction = static_cast<uint32_t>(microseconds % 1000);
  if (fraction == 0) return;
  char digits[4] = {'.', static_cast<char>('0' + fraction / 100), static_cast<char>('0' + fraction / 10 % 10),
                    static_cast<char>('0' + fraction % 10)};
  size_t size = digits[3] != '0' ? 4 : digits[2] != '0' ? 3 : 2;
  raw({digits, size});
}

}  // namespace telemetry
