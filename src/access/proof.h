// Whether a token is its sender's own. A token may be bound to its caller (`cnf`, RFC 7800): to a key, and
// then every request brings a proof made for it alone (DPoP, RFC 9449), or to the certificate that the
// connection began with (RFC 8705). Asked by the stage "authenticate" for every request with a token, whether
// that was verified just now or found in a cache. A binding is never passed over: not one that nobody asked
// for, and not one that is not understood.
#pragma once

#include <optional>
#include <string_view>

#include "access/credential.h"
#include "access/identity.h"
#include "access/replay_guard.h"
#include "access/spec.h"
#include "base/result.h"
#include "base/time.h"
#include "http/head.h"
#include "http/origin.h"

namespace auth {

inline constexpr size_t kProofBytesMax = 8 * 1024;
// A proof is made for one request: this old it may be, and so far ahead its maker's clock.
inline constexpr base::Duration kProofAgeMax = base::seconds(60);
inline constexpr base::Duration kProofAheadMax = base::seconds(30);

// For challenges and metadata: what proofs may be signed with (RFC 9449 §7.1), all asymmetric.
// Space-separated.
inline constexpr std::string_view kProofAlgorithms =
    "ES256 ES384 ES512 EdDSA PS256 PS384 PS512 RS256 RS384 RS512";

// credential_invalid when `cnf` is no object of members that are understood: `jkt` and `x5t#S256`.
base::Result<Confirmation> read_confirmation(JsonValue claims);

// credential_invalid for a token that is not bound where its provider asks for that.
base::Result<> check_binding(const Confirmation& confirmation, SenderConstrained wanted);

struct PossessionInput {
  const Credential& credential;  // the token
  const Confirmation& confirmation;
  const http::Headers& headers;
  std::string_view method;
  // The address as the client sees it.
  http::Origin origin;
  std::string_view path;
  const crypto::Sha256* certificate = nullptr;  // the connection's; null: none was shown
  // The key that this very request has proved before: it is not asked for another proof.
  std::optional<crypto::Sha256> proved;
  base::WallTime now;
  ReplayGuard& replays;
};
// credential_invalid: not sent as what it is bound to asks. proof_invalid: the proof does not hold.
// proof_memory_full: it cannot be told from one that was used before.
base::Result<> check_possession(const PossessionInput& input);

}  // namespace auth
