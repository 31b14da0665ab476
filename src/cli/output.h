// How the commands speak: results to standard output, diagnostics to standard error, everything also as JSON.
// Called by every command; knows nothing of gates.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/diagnostics.h"

namespace cli {

// The exit statuses of every command.
inline constexpr int kGood = 0;
inline constexpr int kNo = 1;         // the answer is no: a failed check, a failed test, a deny
inline constexpr int kCannotRun = 2;  // wrong usage, or it could not run

enum class Output : uint8_t { text, json };

void print(std::string_view text);     // to standard output
void complain(std::string_view text);  // to standard error
// "gatehouse: sentence", and the status to end with.
int refuse_to_run(std::string_view sentence);

// To standard error, coloured when that is a terminal and NO_COLOR is not set.
void print_diagnostics(std::span<const config::Diagnostic> diagnostics);

// Builds one JSON text; the calls follow its shape. Commas are its own business.
class JsonText {
 public:
  JsonText& open(char bracket);   // '{' or '['
  JsonText& close(char bracket);  // '}' or ']'
  JsonText& key(std::string_view name);
  JsonText& text(std::string_view value);
  JsonText& texts(std::span<const std::string> values);
  JsonText& number(int64_t value);
  JsonText& boolean(bool value);
  JsonText& null();
  JsonText& raw(std::string_view json);  // a value that is JSON already
  const std::string& str() const { return out_; }

 private:
  void separate();
  std::string out_;
};

}  // namespace cli
