// Who is calling, as a provider vouched for it. Made once by a mechanism (api_key, jwt, client_cert) or by
// hand for `test` and `explain`, shared as pointer-to-const afterwards, and never changed: caches rely on
// serial naming one content.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/json.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace auth {

// What a token is bound to (`cnf`, RFC 7800): whoever sends it must show that they hold it, with every
// request (proof.h). Stands in the identity, so that no cache can lose it.
struct Confirmation {
  std::optional<crypto::Sha256> key;          // `jkt`: the RFC 7638 thumbprint (RFC 9449 §6.1)
  std::optional<crypto::Sha256> certificate;  // `x5t#S256`: of its DER (RFC 8705 §3.1)
  bool is_bound() const { return key || certificate; }
};

struct Identity {
  std::string provider;
  std::string subject;
  std::vector<std::string> groups;
  std::vector<std::string> scopes;
  std::string email;               // empty: unknown, or the issuer says it is not verified
  std::string preferred_username;  // empty: unknown
  std::string session_id;          // `sid`; empty: unknown
  std::string credential_id;       // an API key's id or a token's jti; empty: unknown
  Confirmation confirmation;       // nothing: whoever has the credential is the caller
  JsonTree claims;                 // what the token or certificate said; empty for API keys
  base::WallTime expires{INT64_MAX};
  uint64_t serial = 0;  // unique in the process; set by make_identity
};

inline constexpr size_t kSubjectBytesMax = 1024;

// What becomes part of headers, logs and rules holds no control characters, whoever signed it.
bool is_clean(std::string_view text);

using IdentityPtr = std::shared_ptr<const Identity>;

// Any thread.
IdentityPtr make_identity(Identity identity);

// What it takes in memory, for caches that are bounded in bytes.
size_t memory_bytes(const Identity& identity);

}  // namespace auth
