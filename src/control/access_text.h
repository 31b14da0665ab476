// The access log for a person at a terminal: one short line made of each line of JSON. Called by the log
// writer's thread alone, so that workers format one way only; a machine is never given this form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace control {

enum class LogForm : uint8_t { json, text, coloured_text };

// lines: whole ones. Appends to out; what is no record is passed on as it is. form is one of the texts.
void append_access_text(std::string_view lines, LogForm form, std::string& out);

}  // namespace control
