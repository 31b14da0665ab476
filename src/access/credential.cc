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

// RFC 9110 §5.6.2 tchar ends where the scheme does; only what may follow the name matters here.
bool has_scheme(std::string_view value, std::string_view scheme) {
  if (!base::equals_ignoring_case(value.substr(0, scheme.size()), scheme)) return false;
  if (value.size() == scheme.size()) return true;
  char after = value[scheme.size()];
  return !base::is_alpha(after) && !base::is_digit(after) &&
         std::string_view("!#$%&'*+-.^_`|~").find(after) == std::string_view::npos;
}

// What Authorization carries; kind none: of a scheme that is the backend's business.
base::Result<Credential> read_authorization(std::string_view value) {
  constexpr std::string_view kBearer = "bearer";
  constexpr std::string_view kDpop = "dpop";
  bool dpop = has_scheme(value, kDpop);
  if (!dpop && !has_scheme(value, kBearer)) return Credential{};
  std::string_view token = value.substr(dpop ? kDpop.size() : kBearer.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  if (!is_b64token(token)) {
    return base::client_error(base::Reason::credential_malformed, "the token is malformed");
  }
  if (dpop) return Credential{CredentialKind::dpop, token};
  return Credential{token.starts_with(kApiKeyPrefix) ? CredentialKind::api_key : CredentialKind::bearer,
                    token};
}

}  // namespace

base::Result<Credential> find_credential(const http::Headers& headers) {
  Credential key;
  Credential token;
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
      auto read = read_authorization(header.value);
      if (!read) return read;
      token = *read;
    }
  }
  if (key.kind == CredentialKind::none) return token;
  if (token.kind == CredentialKind::none) return key;
  if (token.kind == CredentialKind::api_key) {
    return base::client_error(base::Reason::credential_malformed, "two API keys were sent");
  }
  return base::client_error(base::Reason::credential_conflict, "an API key and a token were sent together");
}

}  // namespace auth
