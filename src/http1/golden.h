// Reads tests/golden/http1/*.txt, whose first lines say how they are written. Tests only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http1 {

struct GoldenCase {
  std::string name;
  std::string bytes;
  std::vector<std::pair<std::string, std::string>> keys;  // in order; values with escapes undone

  // The key's first value, or `absent`.
  std::string get(std::string_view key, std::string_view absent) const {
    for (const auto& [name, value] : keys) {
      if (name == key) return value;
    }
    return std::string(absent);
  }
};

inline std::string undo_escapes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case 's':
        out += ' ';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default:
        out += text[i];
    }
  }
  return out;
}

inline std::vector<GoldenCase> parse_golden(std::string_view text) {
  std::vector<GoldenCase> cases;
  while (!text.empty()) {
    const size_t line_end = text.find('\n');
    const std::string_view line = text.substr(0, line_end);
    text.remove_prefix(line_end == std::string_view::npos ? text.size() : line_end + 1);
    if (line.starts_with("== ")) {
      cases.push_back({.name = std::string(line.substr(3)), .bytes = {}, .keys = {}});
    } else if (line.starts_with(">* ")) {
      const size_t space = line.find(' ', 3);
      const int times = std::stoi(std::string(line.substr(3, space - 3)));
      const std::string once = undo_escapes(line.substr(space + 1));
      for (int i = 0; i < times; ++i) cases.back().bytes += once;
    } else if (line.starts_with("> ")) {
      cases.back().bytes += undo_escapes(line.substr(2));
    } else if (line.starts_with("@ ")) {
      const std::string_view pair = line.substr(2);
      const size_t space = std::min(pair.find(' '), pair.size());
      const std::string_view value = space == pair.size() ? std::string_view() : pair.substr(space + 1);
      cases.back().keys.emplace_back(std::string(pair.substr(0, space)), undo_escapes(value));
    }
  }
  return cases;
}

}  // namespace http1
