#include "config/kinds.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"

namespace config {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr Unit kDurationUnits[] = {
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};
constexpr Unit kSizeUnits[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1LL << 40}};

struct Quantity {
  enum class Problem : uint8_t { none, no_number, no_unit, unknown_unit, too_large } problem = Problem::none;
  int64_t value = 0;
};

template <size_t kCount>
Quantity parse_quantity(std::string_view text, const Unit (&units)[kCount]) {
  size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return {Quantity::Problem::no_number};
  auto number = base::parse_unsigned(text.substr(0, digits));
  if (!number || *number > INT64_MAX) return {Quantity::Problem::too_large};
  std::string_view unit = base::trim(text.substr(digits));
  if (unit.empty()) return {Quantity::Problem::no_unit};
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    int64_t value = 0;
    if (__builtin_mul_overflow(static_cast<int64_t>(*number), known.factor, &value)) {
      return {Quantity::Problem::too_large};
    }
    return {Quantity::Problem::none, value};
  }
  return {Quantity::Problem::unknown_unit};
}

// As a user would write it: the largest unit that divides.
template <size_t kCount>
std::string format_quantity(int64_t value, const Unit (&units)[kCount]) {
  if (value == 0) return "0";
  for (size_t i = kCount; i-- > 0;) {
    if (value % units[i].factor == 0) return fmt::format("{}{}", value / units[i].factor, units[i].name);
  }
  return fmt::format("{}", value);
}

std::string words_joined(std::span<const std::string_view> words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    out += fmt::format("{}`{}`", i == 0 ? "" : i + 1 == words.size() ? " or " : ", ", words[i]);
  }
  return out;
}

}  // namespace

std::optional<std::string_view> read_text(Decoder& decoder, const Node& node, std::string_view noun) {
  if (node.kind != Node::Kind::scalar) {
    decoder.error(node, fmt::format("must be {}, and this is {}", noun, decoder.described(node)));
    return std::nullopt;
  }
  ScalarType type = scalar_type(node);
  if (type == ScalarType::null || node.text.empty()) {
    decoder.error(node, fmt::format("must be {}, and this is empty", noun));
    return std::nullopt;
  }
  if (type != ScalarType::string) {
    decoder.error(node, fmt::format("must be {}, and this is {}", noun, decoder.described(node)),
                  fmt::format("put it in quotes: \"{}\"", node.text));
    return std::nullopt;
  }
  return node.text;
}

std::string text_schema_with(std::string_view rest) {
  return fmt::format(R"({{"type":"string"{}{}}})", rest.empty() ? "" : ",", rest);
}

void decode_text(Decoder& decoder, const Node& node, std::string& out) {
  if (auto text = read_text(decoder, node, "text")) out = *text;
}

std::string text_schema(SchemaBook&) { return text_schema_with(R"("minLength":1)"); }

std::optional<std::string_view> read_secret(Decoder& decoder, const Node& node) {
  constexpr std::string_view kFromOutside =
      "in the environment write `name: { env: VAR }` or `name: { file: PATH }`, and here `${name}`";
  decoder.conceal(node);
  bool is_text = node.kind == Node::Kind::scalar && !node.text.empty() &&
                 (node.typing == Node::Typing::any || scalar_type(node) == ScalarType::string);
  if (!is_text) {
    decoder.error_in_secret(node, "must be a text, and this is none", std::string(kFromOutside));
    return std::nullopt;
  }
  auto is_printable = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; };
  if (!std::ranges::all_of(node.text, is_printable)) {
    decoder.error_in_secret(node, "there is a line break or another control character in it",
                            "write one line");
    return std::nullopt;
  }
  if (!decoder.is_secret())
    decoder.warning_in_secret(node, "a secret stands in the file in clear", std::string(kFromOutside));
  return node.text;
}

void decode_secret(Decoder& decoder, const Node& node, std::string& out) {
  if (auto text = read_secret(decoder, node)) out = *text;
}

void decode_file_path(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "the path of a file");
  if (!text) return;
  if (text->find('\0') != text->npos || text->ends_with('/')) {
    return decoder.error(node, fmt::format("{} is not the path of a file", decoder.quoted(node)));
  }
  out = *text;
}

void decode_file_mode(Decoder& decoder, const Node& node, uint32_t& out) {
  auto text = read_text(decoder, node, "the mode of a file");
  if (!text) return;
  std::string_view digits = text->size() == 4 && text->starts_with('0') ? text->substr(1) : *text;
  if (digits.size() != 3 || digits.find_first_not_of("01234567") != digits.npos) {
    return decoder.error(node, fmt::format("{} is not the mode of a file", decoder.quoted(node)),
                         "write three octal digits behind a 0, such as `\"0660\"`");
  }
  out = 0;
  for (char digit : digits) out = out << 3 | static_cast<uint32_t>(digit - '0');
}

std::string file_mode_schema(SchemaBook&) { return text_schema_with(R"("pattern":"^0?[0-7]{3}$")"); }

void decode_boolean(Decoder& decoder, const Node& node, bool& out) {
  std::string word = base::lowercase(node.text);
  bool is_boolean = node.kind == Node::Kind::scalar && (word == "true" || word == "false");
  if (is_boolean && (node.typing == Node::Typing::any || scalar_type(node) == ScalarType::boolean)) {
    out = word == "true";
    return;
  }
  std::string hint;
  if (is_boolean) hint = fmt::format("remove the quotes: {}", word);
  if (word == "yes" || word == "on" || word == "y" || word == "1") hint = "write true";
  if (word == "no" || word == "off" || word == "n" || word == "0") hint = "write false";
  decoder.error(node, fmt::format("must be true or false, and this is {}", decoder.described(node)), hint);
}

std::string boolean_schema(SchemaBook&) { return R"({"type":"boolean"})"; }

// --- Numbers ---

std::optional<uint64_t> read_integer(Decoder& decoder, const Node& node, IntegerRange range) {
  bool numeric = node.kind == Node::Kind::scalar &&
                 (node.typing == Node::Typing::any || scalar_type(node) == ScalarType::integer);
  auto value = numeric ? base::parse_unsigned(node.text) : std::nullopt;
  if (!value && !numeric) {
    bool only_quoted = node.kind == Node::Kind::scalar && base::parse_unsigned(node.text).has_value();
    decoder.error(node, fmt::format("must be a whole number, and this is {}", decoder.described(node)),
                  only_quoted ? fmt::format("remove the quotes: {}", node.text) : "");
    return std::nullopt;
  }
  if (!value || *value < range.min || *value > range.max) {
    decoder.error(node, fmt::format("must be a whole number from {} to {}, and this is {}", range.min,
                                    range.max, decoder.quoted(node)));
    return std::nullopt;
  }
  return value;
}

std::string integer_schema(IntegerRange range) {
  return fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", range.min, range.max);
}

void read_duration(Decoder& decoder, const Node& node, DurationRange range, base::Duration& out) {
  constexpr std::string_view kUnitsHint = "write a number with its unit: `500ms`, `30s`, `5m` or `1h`";
  if (node.kind != Node::Kind::scalar || node.text.empty()) {
    return decoder.error(node, fmt::format("must be a duration, and this is {}", decoder.described(node)),
                         std::string(kUnitsHint));
  }
  Quantity quantity = parse_quantity(node.text, kDurationUnits);
  switch (quantity.problem) {
    case Quantity::Problem::no_unit:
      return decoder.error(node, fmt::format("{} has no unit", decoder.quoted(node)),
                           fmt::format("did you mean `{}s`?", node.text));
    case Quantity::Problem::no_number:
    case Quantity::Problem::unknown_unit:
      return decoder.error(node, fmt::format("{} is not a duration", decoder.quoted(node)),
                           std::string(kUnitsHint));
    case Quantity::Problem::none:
    case Quantity::Problem::too_large:
      break;
  }
  if (quantity.problem == Quantity::Problem::too_large || quantity.value < range.min.ns ||
      quantity.value > range.max.ns) {
    return decoder.error(
        node,
        fmt::format("must be from {} to {}, and this is {}", format_quantity(range.min.ns, kDurationUnits),
                    format_quantity(range.max.ns, kDurationUnits), decoder.quoted(node)));
  }
  out = base::nanoseconds(quantity.value);
}

std::optional<base::Duration> parse_duration(std::string_view text) {
  Quantity quantity = parse_quantity(text, kDurationUnits);
  if (quantity.problem != Quantity::Problem::none) return std::nullopt;
  return base::nanoseconds(quantity.value);
}

std::string duration_schema(SchemaBook&) {
  return text_schema_with(R"("pattern":"^[0-9]+ *(ms|s|m|h)$","examples":["500ms","30s","5m"])");
}

std::optional<uint64_t> read_size(Decoder& decoder, const Node& node, IntegerRange range) {
  constexpr std::string_view kUnitsHint = "write `64KiB`, `10MiB`, `1GiB` or a plain number of bytes";
  if (node.kind != Node::Kind::scalar || node.text.empty()) {
    decoder.error(node, fmt::format("must be a size, and this is {}", decoder.described(node)),
                  std::string(kUnitsHint));
    return std::nullopt;
  }
  Quantity quantity = parse_quantity(node.text, kSizeUnits);
  if (quantity.problem == Quantity::Problem::no_unit) {
    quantity = {Quantity::Problem::none, static_cast<int64_t>(*base::parse_unsigned(node.text))};
  }
  if (quantity.problem == Quantity::Problem::no_number ||
      quantity.problem == Quantity::Problem::unknown_unit) {
    // The commonest slips: decimal units, and another case.
    std::string_view unit = base::trim(std::string_view(node.text).substr(
        std::min(node.text.find_first_not_of("0123456789"), node.text.size())));
    std::string hint(kUnitsHint);
    if (quantity.problem == Quantity::Problem::unknown_unit && !unit.empty()) {
      char first = static_cast<char>(unit[0] & ~0x20);
      std::string_view digits =
          std::string_view(node.text).substr(0, node.text.find_first_not_of("0123456789"));
      if (std::string_view("KMGT").find(first) != std::string_view::npos) {
        hint = fmt::format("did you mean `{}{}iB`?", digits, first);
      }
    }
    decoder.error(node, fmt::format("{} is not a size", decoder.quoted(node)), hint);
    return std::nullopt;
  }
  if (quantity.problem == Quantity::Problem::too_large || static_cast<uint64_t>(quantity.value) < range.min ||
      static_cast<uint64_t>(quantity.value) > range.max) {
    decoder.error(node, fmt::format("must be from {} to {}, and this is {}",
                                    format_quantity(static_cast<int64_t>(range.min), kSizeUnits),
                                    format_quantity(static_cast<int64_t>(range.max), kSizeUnits),
                                    decoder.quoted(node)));
    return std::nullopt;
  }
  return static_cast<uint64_t>(quantity.value);
}

std::string size_schema(SchemaBook&) {
  return R"({"anyOf":[{"type":"integer","minimum":0},{"type":"string","pattern":"^[0-9]+ *(B|KiB|MiB|GiB|TiB)?$","examples":["64KiB","10MiB"]}]})";
}

// --- Words ---

std::optional<size_t> read_word(Decoder& decoder, const Node& node, std::span<const std::string_view> words) {
  if (node.kind == Node::Kind::scalar) {
    for (size_t i = 0; i < words.size(); ++i) {
      if (node.text == words[i]) return i;
    }
  }
  std::string_view nearest;
  if (node.kind == Node::Kind::scalar && scalar_type(node) == ScalarType::string) {
    nearest = base::nearest_word(base::lowercase(node.text), words);
    for (std::string_view word : words) {
      bool shortened = node.text.size() >= 3 && word.starts_with(node.text);
      if (shortened || base::equals_ignoring_case(word, node.text)) nearest = word;
    }
  }
  decoder.error(node, fmt::format("must be {}, and this is {}", words_joined(words), decoder.described(node)),
                nearest.empty() ? "" : fmt::format("did you mean `{}`?", nearest));
  return std::nullopt;
}

std::string words_schema(std::span<const std::string_view> words) {
  std::string out = R"({"enum":[)";
  for (size_t i = 0; i < words.size(); ++i) out += (i > 0 ? "," : "") + base::json_quoted(words[i]);
  return out + "]}";
}

}  // namespace config
