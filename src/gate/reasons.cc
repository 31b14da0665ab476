// docs/reasons.md inside the binary, so that every problem's `type` leads to what it means and how to fix it.
#include "gate/exchange.h"
#include "gate/reasons_text.h"

namespace gate {

std::string_view reason_document(std::string_view name) {
  std::string_view all = kReasonsText;
  size_t at = 0;
  while ((at = all.find("\n## ", at)) != all.npos) {
    size_t title = at + 4;
    size_t end_of_line = all.find('\n', title);
    size_t next = all.find("\n## ", end_of_line);
    std::string_view heading = all.substr(title, end_of_line - title);
    if (heading == name || (heading.size() == name.size() + 2 && heading.substr(1, name.size()) == name)) {
      return all.substr(at + 1, next == all.npos ? all.npos : next - at);
    }
    at = end_of_line;
  }
  return {};
}

}  // namespace gate
