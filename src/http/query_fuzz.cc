// Any bytes as a form: what was found is encoded and found again, and nothing stands beside it unseen.
#include <cstdint>
#include <cstdlib>

#include "http/query.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto found = http::find_parameter(text, "to");
  // The name a second time is always an error, whatever stands before it.
  const auto again = http::find_parameter(std::string(text) + "&%74o=x", "to");
  require(again.has_value() == (found && !*found));
  if (found && *found) {
    require((*found)->size() <= size);
    std::string form = "https://id.example/?a=b";
    http::append_form(form, "to", **found);
    require(http::find_parameter(form.substr(form.find('?') + 1), "to") == **found);
  }
  // Any text as a name and a value.
  std::string form;
  http::append_form(form, text, text);
  require(form.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%=") ==
          std::string::npos);
  require(http::find_parameter(form, text) == std::string(text));
  return 0;
}
