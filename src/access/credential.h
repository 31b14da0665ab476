// Finds the one credential of a request in its headers (stage "authenticate"). Never looks into the query: a
// token there is not a credential (RFC 6750 §2.3 is not offered). Other Authorization schemes are the
// backend's business.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "http/head.h"

namespace auth {

// dpop: a token that comes with a proof (RFC 9449 §7.1).
enum class CredentialKind : uint8_t { none, api_key, bearer, dpop };

struct Credential {
  CredentialKind kind = CredentialKind::none;
  std::string_view text;  // the key or token alone; points into the head
};

// credential_malformed: a repeated or unreadable credential. credential_conflict: an API key and a token.
base::Result<Credential> find_credential(const http::Headers& headers);

}  // namespace auth
