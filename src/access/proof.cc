#include "access/proof.h"

#include <array>

#include "access/jwks.h"
#include "access/jws.h"
#include "base/bytes.h"

namespace auth {
namespace {

std::unexpected<base::Error> refuse_token(const char* why) {
  return base::client_error(base::Reason::credential_invalid, why);
}
std::unexpected<base::Error> refuse_proof(const char* why) {
  return base::client_error(base::Reason::proof_invalid, why);
}

bool read_digest(JsonValue member, std::optional<crypto::Sha256>& out) {
  if (!member.is(JsonKind::string)) return false;
  auto bytes = base::base64url_decode(member.text());
  if (!bytes || bytes->size() != sizeof(crypto::Sha256)) return false;
  std::copy(bytes->begin(), bytes->end(), out.emplace().begin());
  return true;
}

base::Result<std::string_view> find_proof(const http::Headers& headers) {
  const http::Header* header = headers.find(http::HeaderId::dpop);
  if (header == nullptr) return refuse_proof("the request carries no DPoP proof");
  // RFC 9449 §4.3 (1).
  if (headers.count(http::HeaderId::dpop) > 1) return refuse_proof("DPoP was sent more than once");
  if (header->value.size() > kProofBytesMax) return refuse_proof("the DPoP proof is too large");
  return header->value;
}

// RFC 9449 §4.3 (4) to (7) and the key of (12).
base::Result<> check_key(const UnverifiedJws& proof, const crypto::Sha256& wanted) {
  if (!has_type(proof.header, {"dpop+jwt"})) return refuse_proof("the DPoP proof is of another type");
  JsonValue jwk = proof.header.root().member("jwk");
  if (!jwk) return refuse_proof("the DPoP proof names no key");
  auto key = parse_jwk(jwk);
  if (!key || !*key) return refuse_proof("the DPoP proof's key is not a public key that can be used");
  // Before the signature: whoever has the token but not the key costs no verification.
  if (jwk_thumbprint(jwk) != wanted) return refuse_proof("the DPoP proof was made with another key");
  if (!(*key)->fits(proof.algorithm)) return refuse_proof("the DPoP proof's algorithm does not fit its key");
  if (!(*key)->key.verify(proof.algorithm, proof.signing_input, proof.signature)) {
    return refuse_proof("the DPoP proof's signature is not valid");
  }
  return {};
}

// RFC 9449 §4.3 (8) and (9), and `ath` of (12).
base::Result<> check_purpose(JsonValue claims, const PossessionInput& input) {
  JsonValue method = claims.member("htm");
  if (!method.is(JsonKind::string) || method.text() != input.method) {
    return refuse_proof("the DPoP proof is for another method");
  }
  JsonValue url = claims.member("htu");
  std::array<char, kProofBytesMax> storage;
  auto parsed = url.is(JsonKind::string) ? http::parse_url(url.text(), storage) : std::nullopt;
  if (!parsed || !http::is_same(parsed->origin, input.origin) || parsed->target.path != input.path) {
    return refuse_proof("the DPoP proof is for another address");
  }
  JsonValue token = claims.member("ath");
  std::string digest = base::base64url_encode(crypto::as_text(crypto::sha256(input.credential.text)));
  if (!token.is(JsonKind::string) || token.text() != digest) {
    return refuse_proof("the DPoP proof is for another token");
  }
  return {};
}

// RFC 9449 §4.3 (11). Until when the proof would be accepted.
base::Result<base::WallTime> check_age(JsonValue claims, base::WallTime now) {
  auto made = parse_numeric_date(claims.member("iat"));
  if (!made) return refuse_proof("the DPoP proof does not say when it was made");
  base::WallTime until{made->ns + kProofAgeMax.ns};
  if (now >= until) return refuse_proof("the DPoP proof is too old");
  if (made->ns - kProofAheadMax.ns > now.ns) return refuse_proof("the DPoP proof was made in the future");
  return until;
}

base::Result<> check_proof(const PossessionInput& input, const crypto::Sha256& key) {
  auto text = find_proof(input.headers);
  if (!text) return std::unexpected(text.error());
  auto proof = parse_jws(*text, base::Reason::proof_invalid);
  if (!proof) return std::unexpected(proof.error());
  JsonValue claims = proof->claims.root();
  if (auto meant = check_purpose(claims, input); !meant) return meant;
  auto until = check_age(claims, input.now);
  if (!until) return std::unexpected(until.error());
  JsonValue id = claims.member("jti");
  if (!id.is(JsonKind::string) || id.text().empty() || id.text().size() > kProofIdBytesMax) {
    return refuse_proof("the DPoP proof has no id of a usable length");
  }
  if (auto signed_by = check_key(*proof, key); !signed_by) return signed_by;
  // Last: only what holds otherwise takes a place.
  switch (input.replays.claim({.key = key, .id = id.text(), .until = *until}, input.now)) {
    case ReplayGuard::Claim::first:
      return {};
    case ReplayGuard::Claim::used:
      return refuse_proof("the DPoP proof was used before");
    case ReplayGuard::Claim::full:
      break;
  }
  return base::gate_error(base::Reason::proof_memory_full,
                          "the gate cannot remember more DPoP proofs at the moment");
}

}  // namespace

base::Result<Confirmation> read_confirmation(JsonValue claims) {
  Confirmation out;
  JsonValue confirmation = claims.member("cnf");
  if (!confirmation) return out;
  bool understood = confirmation.is(JsonKind::object);
  for (JsonValue member = confirmation.first(); member && understood; member = member.next()) {
    if (member.name() == "jkt") {
      understood = read_digest(member, out.key);
    } else if (member.name() == "x5t#S256") {
      understood = read_digest(member, out.certificate);
    } else {
      understood = false;
    }
  }
  if (!understood || !out.is_bound()) return refuse_token("the token is bound to what the gate cannot check");
  return out;
}

base::Result<> check_binding(const Confirmation& confirmation, SenderConstrained wanted) {
  if (wanted == SenderConstrained::when_bound || confirmation.is_bound()) return {};
  return refuse_token("the token is not bound to its caller, and its provider takes no others");
}

base::Result<> check_possession(const PossessionInput& input) {
  const Confirmation& bound = input.confirmation;
  // RFC 8705 §3.
  if (bound.certificate && (input.certificate == nullptr || *input.certificate != *bound.certificate)) {
    return refuse_token(input.certificate == nullptr
                            ? "the token is bound to a client certificate, and none was shown"
                            : "the token is bound to another client certificate");
  }
  bool comes_with_proof = input.credential.kind == CredentialKind::dpop;
  if (!bound.key) {
    if (comes_with_proof) return refuse_token("the token is not bound to a key and was sent as if it were");
    return {};
  }
  // RFC 9449 §7.2: a bound token taken as a bearer token would be worth stealing.
  if (!comes_with_proof)
    return refuse_token("the token is bound to a key and was sent without a proof (DPoP)");
  if (input.proved == bound.key) return {};
  return check_proof(input, *bound.key);
}

}  // namespace auth
