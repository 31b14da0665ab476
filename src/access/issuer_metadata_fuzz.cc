// Any bytes as a discovery document: what is read from it is the issuer's own, and holds only URLs that a
// browser may be sent to and a call may be made to.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "access/oidc.h"

namespace {

constexpr std::string_view kIssuer = "https://id.example";

void require(bool holds) {
  if (!holds) std::abort();
}

void require_url(std::string_view url) {
  require(url.starts_with("https://") && url.size() > 8);
  require(std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\'; }));
  std::string_view authority = url.substr(8, url.find_first_of("/?", 8) - 8);
  require(!authority.empty() && authority.find('@') == authority.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view json(reinterpret_cast<const char*>(data), size);
  auto read = auth::parse_issuer_metadata(json, kIssuer);
  if (!read) {
    require(!read.error().empty());
    return 0;
  }
  require(read->issuer == kIssuer);
  for (const std::string* url : {&read->authorization_endpoint, &read->token_endpoint, &read->jwks_uri}) {
    require_url(*url);
  }
  for (const std::string* url :
       {&read->userinfo_endpoint, &read->end_session_endpoint, &read->revocation_endpoint}) {
    if (!url->empty()) require_url(*url);
  }
  return 0;
}
