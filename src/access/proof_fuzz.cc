// A DPoP proof passes only if it is, byte for byte, one that the key's holder made; and whatever the holder
// signs, only what is meant for the request passes, once.

#include "access/proof.h"

#include <cstdlib>

#include "access/jwks.h"
#include "access/test_tokens.h"

namespace auth {
namespace {

// Ed25519 signs the same bytes the same way each time, so the seeds in tests/fuzz/proof_fuzz are good proofs
// on every run. This key signs nothing else.
constexpr std::string_view kPem = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIYp5AWhXLz3qYsAdr4i872x87+i+GaPXWVlJ14vQkfP
-----END PRIVATE KEY-----
)";
constexpr std::string_view kToken = "abc.def.ghi";

void require(bool holds) {
  if (!holds) std::abort();
}

struct Holder {
  crypto::SigningKey key = *crypto::SigningKey::from_pem(Algorithm::eddsa, kPem);
  Confirmation confirmation{.key = jwk_thumbprint(parse_json(key.public_jwk(), {})->root())};
  std::string good = testing::sign_proof(key, testing::proof_claims({.token = kToken}));
};

base::Result<> check(const Holder& holder, std::string_view proof, ReplayGuard& replays) {
  http::Headers headers;
  headers.add({.name = "DPoP", .value = proof, .id = http::HeaderId::dpop});
  return check_possession({.credential = {CredentialKind::dpop, kToken},
                           .confirmation = holder.confirmation,
                           .headers = headers,
                           .method = "GET",
                           .origin = {.scheme = "https", .host = "api.example"},
                           .path = "/orders",
                           .now = testing::kNow,
                           .replays = replays});
}

// What was signed by the holder and passed.
void require_meant(std::string_view claims) {
  auto tree = parse_json(claims, {});
  require(tree.has_value());
  JsonValue root = tree->root();
  require(root.member("htm").text() == "GET");
  std::string storage(root.member("htu").text().size(), ' ');
  auto url = http::parse_url(root.member("htu").text(), storage);
  require(url && http::is_same(url->origin, {.scheme = "https", .host = "api.example"}) &&
          url->target.path == "/orders");
  auto made = parse_numeric_date(root.member("iat"));
  require(made && made->ns > testing::kNow.ns - kProofAgeMax.ns &&
          made->ns <= testing::kNow.ns + kProofAheadMax.ns);
  require(!root.member("jti").text().empty());
}

}  // namespace
}  // namespace auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::Holder holder;
  static crypto::SystemRandom random;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auth::ReplayGuard replays(random, 1024);
  auth::require(auth::check(holder, text, replays).has_value() == (text == holder.good));
  // The same bytes as claims that the holder signs.
  auth::ReplayGuard unused(random, 1024);
  std::string proof = auth::testing::sign_proof(holder.key, text);
  if (auth::check(holder, proof, unused)) {
    auth::require_meant(text);
    auth::require(!auth::check(holder, proof, unused));
  }
  // And as the claims of a token.
  if (auto claims = auth::parse_json(text, {})) (void)auth::read_confirmation(claims->root());
  return 0;
}
