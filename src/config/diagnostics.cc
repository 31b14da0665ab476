#include "config/diagnostics.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "base/bytes.h"

namespace config {
namespace {

constexpr size_t kLineShownMax = 160;

std::string_view file_of(const Diagnostic& diagnostic) {
  return diagnostic.source.file ? std::string_view(*diagnostic.source.file) : std::string_view();
}

auto order_of(const Diagnostic& d) {
  return std::tuple(file_of(d), d.source.line, d.source.column, d.severity, std::string_view(d.key),
                    std::string_view(d.message), std::string_view(d.hint));
}

std::string_view severity_name(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

// The line and a caret below it; the indentation before the caret keeps the line's tabs.
void append_snippet(std::string& out, const Diagnostic& diagnostic, Style style) {
  if (diagnostic.line.empty() || diagnostic.line.size() > kLineShownMax) return;
  size_t column = static_cast<size_t>(std::max(diagnostic.source.column, 1)) - 1;
  if (column > diagnostic.line.size()) return;
  std::string margin;
  for (char c : diagnostic.line.substr(0, column)) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) margin += c == '\t' ? '\t' : ' ';
  }
  size_t width = static_cast<size_t>(std::max(diagnostic.width, 1));
  width = std::max<size_t>(1, std::min(width, diagnostic.line.size() - column));
  std::string caret = "^" + std::string(width - 1, '~');
  if (style == Style::coloured) caret = "\x1b[1;32m" + caret + "\x1b[0m";
  out += fmt::format("    {}\n    {}{}\n", diagnostic.line, margin, caret);
}

std::string coloured_line(const Diagnostic& d) {
  std::string line = format_line(d);
  std::string word = fmt::format(" {}: ", severity_name(d.severity));
  size_t at = line.find(word);
  if (at == line.npos) return line;
  const char* colour = d.severity == Severity::error ? "\x1b[1;31m" : "\x1b[1;33m";
  return fmt::format("\x1b[1m{}\x1b[0m{}{}\x1b[0m{}", line.substr(0, at), colour, word,
                     line.substr(at + word.size()));
}

std::string counted(size_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

}  // namespace

bool has_errors(std::span<const Diagnostic> diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::error; });
}

void sort_diagnostics(Diagnostics& diagnostics) {
  std::sort(diagnostics.begin(), diagnostics.end(),
            [](const Diagnostic& a, const Diagnostic& b) { return order_of(a) < order_of(b); });
  auto last =
      std::unique(diagnostics.begin(), diagnostics.end(),
                  [](const Diagnostic& a, const Diagnostic& b) { return order_of(a) == order_of(b); });
  diagnostics.erase(last, diagnostics.end());
}

std::string format_line(const Diagnostic& d) {
  std::string out =
      d.source.file ? d.source.line > 0 ? d.source.text() + ": " : *d.source.file + ": " : std::string();
  out += severity_name(d.severity);
  out += ": ";
  if (!d.key.empty()) out += d.key + ": ";
  out += d.message;
  if (!d.hint.empty()) out += "; " + d.hint;
  return out;
}

std::string format_text(std::span<const Diagnostic> diagnostics, Style style) {
  std::string out;
  size_t errors = 0;
  for (const Diagnostic& d : diagnostics) {
    out += style == Style::coloured ? coloured_line(d) : format_line(d);
    out += '\n';
    append_snippet(out, d, style);
    if (d.severity == Severity::error) ++errors;
  }
  size_t warnings = diagnostics.size() - errors;
  if (errors > 0) out += counted(errors, "error");
  if (errors > 0 && warnings > 0) out += ", ";
  if (warnings > 0) out += counted(warnings, "warning");
  if (!diagnostics.empty()) out += '\n';
  return out;
}

std::string format_json(std::span<const Diagnostic> diagnostics) {
  std::string out = "[";
  for (const Diagnostic& d : diagnostics) {
    if (out.size() > 1) out += ',';
    out += fmt::format(R"({{"severity":"{}","file":{},"line":{},"column":{},"key":{},"message":{})",
                       severity_name(d.severity), base::json_quoted(file_of(d)), d.source.line,
                       d.source.column, base::json_quoted(d.key), base::json_quoted(d.message));
    if (!d.hint.empty()) out += ",\"hint\":" + base::json_quoted(d.hint);
    out += '}';
  }
  return out + "]";
}

}  // namespace config
