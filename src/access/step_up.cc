#include "access/step_up.h"

#include "base/bytes.h"

namespace auth {

// Line by line: the values hold no white space but single spaces between them.
std::string StepUp::text() const {
  if (is_empty()) return {};
  std::string age = max_age ? std::to_string(max_age->ns / 1'000'000'000) : std::string();
  return age + "\n" + amr + "\n" + acr_values;
}

StepUp StepUp::from_text(std::string_view text) {
  StepUp out;
  size_t first = text.find('\n');
  size_t second = first == text.npos ? text.npos : text.find('\n', first + 1);
  if (second == text.npos) return out;
  if (auto seconds = base::parse_unsigned(text.substr(0, first)); seconds && *seconds < INT32_MAX) {
    out.max_age = base::seconds(static_cast<int64_t>(*seconds));
  }
  out.amr = text.substr(first + 1, second - first - 1);
  out.acr_values = text.substr(second + 1);
  return out;
}

}  // namespace auth
