#include "access/credential.h"

#include <array>

#include "access/api_key.h"
#include "base/bytes.h"

namespace auth {
namespace {

// RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
constexpr std::array<uint8_t, 256> make_b64token_bytes() {
  std::array<uint8_t, 256> allowed{};
  for (int c = 0; c < 256; ++c) {
    char byte = static_cast<char>(c);
    allowed[static_cast<size_t>(c)] = base::is_alpha(byte) || base::is_digit(byte) ||
                                      std::string_view("-._~+/").find(byte) != std::string_view::npos;
  }
  return allowed;
}
constexpr std::array<uint8_t, 256> kB64tokenBytes = make_b64token_bytes();

// A token is most of a request's bytes: one lookup a byte, without a branch.
bool is_b64token(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  uint8_t all = 1;
  for (char c : text) all &= kB64tokenBytes[static_cast<uint8_t>(c)];
  return all != 0 && !text.empty();
}

// RFC 9110 §5.6.2 tchar ends where the scheme does; only what may follow "Bearer" matters here.
bool is_bearer_scheme(std::string_view value) {
  constexpr std::string_view kScheme = "bearer";
  if (!base::equals_ignoring_case(value.substr(0, kScheme.size()), kScheme)) return false;
  if (value.size() == kScheme.size()) return true;
  char after = value[kScheme.size()];
  return !base::is_alpha(after) && !base::is_digit(after) &&
         std::string_view("!#$%&'*+-.^_`|~").find(after) == std::string_view::npos;
}

}  // namespace

base::Result<Credential> find_credential(const http::Headers& headers) {
  Credential key;
  Credential bearer;
  if (!headers.has(http::HeaderId::authorization) && !headers.has(http::HeaderId::x_api_key)) return key;
  bool authorization_seen = false;
  for (const http::Header& header : headers) {
    if (header.id == http::HeaderId::x_api_key) {
      if (key.kind != CredentialKind::none) {
        return base::client_error(base::Reason::credential_malformed, "X-Api-Key was sent more than once");
      }
      if (!is_b64token(header.value)) {
        return base::client_error(base::Reason::credential_malformed, "X-Api-Key holds no key");
      }
      key = {CredentialKind::api_key, header.value};
    } else if (header.id == http::HeaderId::authorization) {
      if (authorization_seen) {
        return base::client_error(base::Reason::credential_malformed,
                                  "Authorization was sent more than once");
      }
      authorization_seen = true;
      if (!is_bearer_scheme(header.value)) continue;
      std::string_view token = header.value.substr(6);
      while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
      if (!is_b64token(token)) {
        return base::client_error(base::Reason::credential_malformed, "the bearer token is malformed");
      }
      bearer = {token.starts_with(kApiKeyPrefix) ? CredentialKind::api_key : CredentialKind::bearer, token};
    }
  }
  if (key.kind == CredentialKind::none) return bearer;
  if (bearer.kind == CredentialKind::none) return key;
  if (bearer.kind == CredentialKind::api_key) {
    return base::client_error(base::Reason::credential_malformed, "two API keys were sent");
  }
  return base::client_error(base::Reason::credential_conflict, "an API key and a token were sent together");
}

}  // namespace auth
