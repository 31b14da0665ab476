// Any bytes as the query a browser comes back with: a login, and either a code or a reason why there is none.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "access/oidc.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string query(reinterpret_cast<const char*>(data), size);
  auto read = auth::parse_authorization_answer(query);
  if (!read) {
    require(read.error().reason == base::Reason::login_state_invalid);
    return 0;
  }
  require(!read->state.empty() && read->code.empty() != read->error.empty());
  for (const std::string* text : {&read->state, &read->code, &read->error, &read->iss}) {
    require(std::ranges::all_of(*text, [](char c) { return c >= 0x20 && c < 0x7F; }));
  }
  // A second one of any parameter is never passed over.
  for (std::string_view name : {"state", "code", "error", "iss"}) {
    auto twice =
        auth::parse_authorization_answer(query + "&" + std::string(name) + "=a&" + std::string(name) + "=b");
    require(!twice);
  }
  return 0;
}
