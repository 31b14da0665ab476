#include "cli/output.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"

namespace cli {

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void complain(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

int refuse_to_run(std::string_view sentence) {
  complain(fmt::format("gatehouse: {}\n", sentence));
  return kCannotRun;
}

void print_diagnostics(std::span<const config::Diagnostic> diagnostics) {
  if (diagnostics.empty()) return;
  const char* no_colour = std::getenv("NO_COLOR");
  bool coloured = isatty(STDERR_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  complain(config::format_text(diagnostics, coloured ? config::Style::coloured : config::Style::plain));
}

void JsonText::separate() {
  if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':') out_ += ',';
}

JsonText& JsonText::open(char bracket) {
  separate();
  out_ += bracket;
  return *this;
}

JsonText& JsonText::close(char bracket) {
  out_ += bracket;
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  separate();
  out_ += base::json_quoted(name) + ':';
  return *this;
}

JsonText& JsonText::text(std::string_view value) { return raw(base::json_quoted(value)); }

JsonText& JsonText::texts(std::span<const std::string> values) {
  open('[');
  for (const std::string& value : values) text(value);
  return close(']');
}

JsonText& JsonText::number(int64_t value) { return raw(std::to_string(value)); }
JsonText& JsonText::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonText& JsonText::null() { return raw("null"); }

JsonText& JsonText::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace cli
