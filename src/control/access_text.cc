#include "control/access_text.h"

#include <algorithm>

#include "access/json.h"

namespace control {
namespace {

constexpr auth::JsonLimits kRecordLimits = {.bytes = 64 * 1024, .depth = 8, .values = 512};
constexpr std::string_view kReset = "\x1b[0m";

std::string_view colour_of(std::string_view status) {
  switch (status.empty() ? '5' : status.front()) {
    case '1':
    case '2':
      return "\x1b[32m";  // green
    case '3':
      return "\x1b[36m";  // cyan
    case '4':
      return "\x1b[33m";  // yellow
    default:
      return "\x1b[31m";  // red
  }
}

// Clients choose some of it, and a terminal obeys control characters: C0, DEL, and C1 as UTF-8 writes them.
void append_harmless(std::string& out, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    bool is_c1 = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    out += c < 0x20 || c == 0x7F || is_c1 ? '?' : text[i];
  }
}

// "2026-01-31T09:30:00.123Z": the day is known to whoever watches.
std::string_view clock_of(std::string_view time) {
  size_t begin = time.find('T');
  if (begin == time.npos) return time;
  time.remove_prefix(begin + 1);
  return time.substr(0, time.find('Z'));
}

void append_record(auth::JsonValue record, LogForm form, std::string& out) {
  auto add = [&](std::string_view before, std::string_view text, std::string_view behind = {}) {
    if (text.empty()) return;
    out += before;
    append_harmless(out, text);
    out += behind;
  };
  auto member = [&](std::string_view path) { return record.find(path).text(); };

  add("", clock_of(member("time")));
  std::string_view status = member("status");
  bool coloured = form == LogForm::coloured_text;
  out += "  ";
  if (coloured) out += colour_of(status);
  out += status.empty() ? "---" : status;
  if (coloured) out += kReset;
  out += "  ";
  add("", member("method"), " ");
  add("", member("host"));
  add("", member("path"));
  add("  ", member("service"));
  add("  ", member("identity.provider"));
  add("/", member("identity.subject"));
  add("  \"", member("rule_name"), "\"");
  add("  ", member("grpc_status"));
  add("  ", member("reason"));
  add("  ", member("duration_ms"), " ms");
  out += '\n';
}

}  // namespace

void append_access_text(std::string_view lines, LogForm form, std::string& out) {
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (auto record = auth::parse_json(line, kRecordLimits)) {
      append_record(record->root(), form, out);
    } else {
      append_harmless(out, line);
      out += '\n';
    }
  }
}

}  // namespace control
