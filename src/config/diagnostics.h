// What is wrong with a user's files, where, and what to write instead. Made by config/ and by control/
// (conflicts between services); printed by cli/, logged and served by control/. A diagnostic never carries
// the text of a secret, and never only the first one is reported.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/source.h"

namespace config {

enum class Severity : uint8_t { error, warning };

struct Diagnostic {
  Severity severity = Severity::error;
  base::Source source;
  std::string key;  // full path, lists counted from 0: "access[2].allow.scopes"; empty: the file as a whole
  std::string message;  // "unknown key", without the key and without a full stop
  std::string hint;     // what to write instead: "did you mean `allow`?"; may be empty
  std::string line;     // the source line, for the caret; may be empty
  int width = 1;        // columns to underline
};

using Diagnostics = std::vector<Diagnostic>;

bool has_errors(std::span<const Diagnostic> diagnostics);

// By file, line, column, errors before warnings; the same one twice becomes one.
void sort_diagnostics(Diagnostics& diagnostics);

enum class Style : uint8_t { plain, coloured };

// "services/orders.yaml:4:3: error: access[2].allw: unknown key; did you mean `allow`?"
std::string format_line(const Diagnostic& diagnostic);
// Each as its line, then the source line with a caret under it; then "2 errors, 1 warning".
std::string format_text(std::span<const Diagnostic> diagnostics, Style style);
// [{"severity","file","line","column","key","message","hint"}]
std::string format_json(std::span<const Diagnostic> diagnostics);

}  // namespace config
