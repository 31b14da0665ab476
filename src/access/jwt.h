// Verifies JSON Web Tokens as RFC 8725 asks: the issuer's configuration chooses algorithms and keys, the
// token only says which of them it used. Nothing in a header is followed (jku, x5u, jwk, x5c). Called by
// providers on a cache miss. Never accepts a token that it cannot account for to the last byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "access/jwks.h"
#include "access/jws.h"
#include "access/spec.h"
#include "base/result.h"
#include "base/time.h"

namespace auth {

class AlgorithmSet {
 public:
  void add(Algorithm algorithm) { bits_ |= uint16_t(1u << static_cast<int>(algorithm)); }
  bool has(Algorithm algorithm) const { return bits_ >> static_cast<int>(algorithm) & 1; }

 private:
  uint16_t bits_ = 0;
};

// What one issuer's tokens must satisfy and how they are read.
struct JwtPolicy {
  std::string provider;
  std::string issuer;                 // compared exactly
  std::vector<std::string> audience;  // any one
  AlgorithmSet algorithms;
  base::Duration clock_skew = base::seconds(30);
  ClaimNames claims;
  SenderConstrained sender_constrained = SenderConstrained::when_bound;
};

// Who a token, an ID token or an introspection answer is about, and what it is bound to. expires, claims and
// serial are left alone.
base::Result<Identity> read_identity(JsonValue claims, std::string_view provider, const ClaimNames& names);

// A token taken apart but not believed: nothing in it may be acted upon before verify_jwt().
struct UnverifiedJwt : UnverifiedJws {
  std::string issuer;
};

// Everything that can be said without a key. The result's views point into token.
base::Result<UnverifiedJwt> parse_jwt(std::string_view token);

// RFC 8725 §3.1: the issuer's allow-list and the key decide the algorithm; the token only has to agree. key
// was chosen from the issuer's set for the token's kid and algorithm.
base::Result<> check_signature(const UnverifiedJws& token, const VerificationKey& key, AlgorithmSet allowed);

// `exp`, which is required, `nbf` and `iat`. skew is given to the sender's clock, both ways.
struct TokenTimes {
  base::WallTime expires;     // `exp`
  base::WallTime valid_from;  // with the skew applied
  base::WallTime valid_until;
};
base::Result<TokenTimes> check_times(JsonValue claims, base::Duration skew, base::WallTime now);

bool has_audience(const JsonTree& claims, const std::vector<std::string>& any_of);

struct VerifiedJwt {
  IdentityPtr identity;       // identity->expires is `exp`
  base::WallTime valid_from;  // with the skew applied
  base::WallTime valid_until;
};

// Takes the claims out of token.
base::Result<VerifiedJwt> verify_jwt(UnverifiedJwt& token, const VerificationKey& key,
                                     const JwtPolicy& policy, base::WallTime now);

}  // namespace auth
