#include "config/yaml_problem.h"

#include <fmt/core.h>
#include <yaml.h>

#include <algorithm>
#include <string_view>

namespace config {
namespace {

struct Phrase {
  std::string_view problem;  // contained in libyaml's text
  const char* message;
  const char* hint;
};

// The first that fits counts.
constexpr Phrase kPhrases[] = {
    {"mapping values are not allowed", "a `key:` cannot stand here",
     "line it up with the keys it belongs to, or put a text that contains `: ` in quotes"},
    {"block sequence entries are not allowed", "a `- ` item cannot stand here",
     "put it on a line of its own, below its key"},
    {"could not find expected ':'", "this line has no `:` after its key", "write `key: value`"},
    {"did not find expected key", "the indentation does not fit the lines above",
     "line it up with the other keys of the same map"},
    {"did not find expected '-' indicator", "the indentation does not fit the list above",
     "line the `- ` up with the list's other items"},
    {"did not find expected ',' or ']'", "a list is not closed, or a comma is missing", "write `[a, b]`"},
    {"did not find expected ',' or '}'", "a map is not closed, or a comma is missing",
     "write `{ a: 1, b: 2 }`, with texts that contain `,`, `{` or `}` in quotes"},
    {"while parsing a flow", "a list or a map in brackets is not closed", "add the missing bracket or quote"},
    {"found unexpected end of stream", "a quoted text is never closed", "add the missing quote"},
    {"found unexpected document indicator", "a quoted text is never closed", "add the missing quote"},
    {"found unknown escape character", "a backslash in double quotes begins an unknown escape",
     "use single quotes, or double the backslash"},
    {"expected alphabetic or numeric character",
     "`*` or `&` begins an alias or an anchor, which gates do not have",
     "put a text that begins with `*` or `&` in quotes"},
    {"did not find expected hexdecimal number", "an escape in double quotes is incomplete",
     "use single quotes"},
    {"did not find expected whitespace or line break",
     "something stands directly behind a quote or an anchor", "add a space, or put the whole text in quotes"},
    {"found a tab character", "a tab is used to indent", "use spaces"},
    {"control characters are not allowed", "the file contains a control character", "remove it"},
    {"UTF-8", "the file is not UTF-8 text", "save it as UTF-8"},
    {"Unicode", "the file contains a character that is not allowed", "save it as UTF-8 text"},
    {"did not find expected <document start>", "a value stands behind the end of the document",
     "a file is one map; check the first lines and the indentation"},
    {"exceeded", "lists and maps stand too deep within each other", "check the brackets"},
    {"block mapping", "the indentation does not fit the lines above",
     "line it up with the other keys of the same map"},
    {"flow", "a list or a map in brackets is not closed", "add the missing bracket or comma"},
};

bool indented_by_tab(std::string_view line) {
  std::string_view indent = line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
  return indent.find('\t') != indent.npos;
}

// `{ to: ${orders} }`: without quotes the brace opens a map. The value's text up to its own brace, or empty.
std::string_view unquoted_value(std::string_view line, size_t brace) {
  if (brace == 0 || brace >= line.size() || line.substr(brace - 1, 2) != "${") return {};
  size_t end = line.find('}', brace);
  return end == line.npos ? std::string_view{} : line.substr(brace - 1, end - brace + 2);
}

}  // namespace

int byte_column(const Document& document, const yaml_mark_s& mark) {
  std::string line = document.line(static_cast<int>(mark.line) + 1);
  size_t at = 0;
  for (size_t i = 0; i < mark.column && at < line.size(); ++i) {
    do ++at;
    while (at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80);
  }
  return static_cast<int>(std::max(at, std::min(mark.column, line.size()))) + 1;
}

Diagnostic rephrase_problem(const yaml_parser_s& parser, const Document& document) {
  std::string_view problem = parser.problem ? parser.problem : "the text cannot be read";
  std::string_view context = parser.context ? parser.context : "";
  Diagnostic diagnostic;
  int line = static_cast<int>(parser.problem_mark.line) + 1;
  size_t column = static_cast<size_t>(byte_column(document, parser.problem_mark)) - 1;
  if (parser.error == YAML_READER_ERROR) {
    // A reader error has an offset and no mark.
    size_t offset = std::min(parser.problem_offset, document.text.size());
    line = 1 + static_cast<int>(std::count(document.text.begin(),
                                           document.text.begin() + static_cast<long>(offset), '\n'));
    size_t begin = offset == 0 ? document.text.npos : document.text.rfind('\n', offset - 1);
    column = offset - (begin == document.text.npos ? 0 : begin + 1);
  }
  std::string at = document.line(line);
  diagnostic.source = {document.file, line, static_cast<int>(std::min(column, at.size())) + 1};
  diagnostic.line = at;

  if (indented_by_tab(at)) {
    diagnostic.source.column = static_cast<int>(at.find('\t')) + 1;
    diagnostic.message = "a tab is used to indent";
    diagnostic.hint = "use spaces";
    return diagnostic;
  }
  if (problem.find("cannot start any token") != problem.npos) {
    char found = column < at.size() ? at[column] : ' ';
    diagnostic.message = found == '\t' ? "a tab stands where a value begins"
                                       : fmt::format("a value cannot begin with `{}`", found);
    diagnostic.hint = found == '\t' ? "use spaces" : "put it in quotes";
    return diagnostic;
  }
  if (std::string_view value = unquoted_value(at, column); !value.empty()) {
    diagnostic.source.column = static_cast<int>(column);
    diagnostic.width = static_cast<int>(value.size());
    diagnostic.message = fmt::format("`{}` stands in brackets without quotes", value);
    diagnostic.hint = fmt::format("put the whole text in quotes, as `\"{}\"`", value);
    return diagnostic;
  }
  for (const Phrase& phrase : kPhrases) {
    if (problem.find(phrase.problem) == problem.npos && context.find(phrase.problem) == context.npos)
      continue;
    diagnostic.message = phrase.message;
    diagnostic.hint = phrase.hint;
    if (parser.context && parser.context_mark.line + 1 < static_cast<size_t>(line)) {
      diagnostic.message += fmt::format(" (it began on line {})", parser.context_mark.line + 1);
    }
    return diagnostic;
  }
  diagnostic.message = fmt::format("this is not YAML: {}", problem);
  diagnostic.hint = "check the indentation, the brackets and the quotes";
  return diagnostic;
}

}  // namespace config
