// Tokens that only their issuer can read (RFC 7662), without I/O: what its answer must be for the token to
// count here. control/ asks, once for a token however many requests wait; a worker keeps what it learnt as
// long as `cache` allows.
#pragma once

#include <string_view>

#include "access/identity.h"
#include "access/spec.h"
#include "base/result.h"
#include "base/time.h"

namespace auth {

inline constexpr size_t kIntrospectionBytesMax = 64 * 1024;

struct IntrospectionPolicy {
  std::string provider;
  IntrospectionSpec spec;
};

struct Introspected {
  IdentityPtr identity;        // its claims are the answer's members
  base::WallTime valid_until;  // `exp`, else now and the policy's cache
};
// credential_invalid: not active, expired, for another audience or of another issuer, of another token type.
// introspection_unavailable: an answer that cannot be read. The audience is required: an answer without `aud`
// refuses the token.
base::Result<Introspected> read_introspection(std::string_view json, const IntrospectionPolicy& policy,
                                              base::WallTime now);

}  // namespace auth
