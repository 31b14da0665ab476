// Any bytes as a token endpoint's answer, the first of them its status: what is taken for a token may stand
// in a header, and what is said of a refusal in a log.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "access/oidc.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr int kStatuses[] = {200, 400, 401, 500};
  int status = kStatuses[data[0] % 4];
  auto read = auth::parse_token_answer(status, {reinterpret_cast<const char*>(data + 1), size - 1});
  if (!read) {
    const auto& refusal = read.error();
    require(!refusal.sentence.empty() && refusal.sentence.size() < 500);
    require(std::ranges::all_of(refusal.sentence, [](char c) { return c >= 0x20 && c < 0x7F; }));
    require(is_visible(refusal.error) && refusal.error.size() <= 64);
    return 0;
  }
  require(status == 200 && !read->access_token.empty());
  for (const std::string* token :
       {&read->access_token, &read->refresh_token, &read->id_token, &read->issued_token_type}) {
    require(is_visible(*token));
  }
  for (const std::string& scope : read->scopes) require(!scope.empty() && scope.find(' ') == scope.npos);
  if (read->expires_in) require(read->expires_in->ns >= 0);
  return 0;
}
