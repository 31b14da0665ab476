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
  base::WallTime valid_until;  // now and the policy's cache, never beyond `exp`
};
// credential_invalid: not active, expired, for another audience, of another issuer or type, or with claims
// that cannot be read. introspection_unavailable: not an answer. The audience is required; the issuer, where
// the policy and the answer name one, is compared.
base::Result<Introspected> read_introspection(std::string_view json, const IntrospectionPolicy& policy,
                                              base::WallTime now);

}  // namespace auth
