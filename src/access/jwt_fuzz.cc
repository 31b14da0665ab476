// A token is accepted only if it is, byte for byte, one that the issuer signed: whatever the fuzzer makes of
// the good ones must be refused, and nothing it sends may crash or hang the verifier.

#include <cstdlib>

#include "access/test_tokens.h"

namespace auth {
namespace {

// RSASSA-PKCS1-v1_5 and Ed25519 sign the same bytes the same way each time, so the seeds in
// tests/fuzz/jwt_fuzz are good tokens on every run. These keys sign nothing else.
constexpr std::string_view kEdPem = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIG0f9lGyHTgEkdSLJBfD1NyULjo8ufOjDqeSM33M4IDu
-----END PRIVATE KEY-----
)";
constexpr std::string_view kRsaPem = R"(-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCbnNhARYFcxYEk
/iXpQMs1H1qDwsHlxDyWLEUolZ8k6xHDUMReuDkuBX9v2QpegzH5pGRUIAdCcJXV
7FoeKiMisl+n6Z3+UBFJGBtY3lX103x3Bw1AHhqqU/cEdkUztDk3HVtj94eoqUAp
meKlTF1nowaBSd/ZmN2fjfHwlmal+PgRA8wwoOri/Du0tK+T71ne/g7jr9wVdmEE
vtvkonMVcujoRA1UPiViQowTNs3ImrjjDNPnZJgJ0NT0nNb6owP5dzJZBhTaMf3K
R2lwaWYfriZfOCuSk4YkZ9Gp9Z6OSALC5aN5S1Hr69CdTdfgN9fdfehJb3SwXOkW
nCKeCHDZAgMBAAECggEAIyb0sNwio2bYTBd/T+g7n0X0aARUUceZGiFpBAh8mVXi
vtjdazo5bHyAc683SO9hGDA7G8faa/dL2bXZC6xgIIPj2OYMszi6FuVztAkRqQT7
vlWg+CV0x5pNGDxxWIMzU5B1pyjxA7gsDtm82bNc/D7XBti90QVXtyXVDBClooM3
oAFrqfYnz9VgzalLJU7SRLJXX7Cq3ajbobRYauQVVhrOgLoUw8zqfpQCOHqhaLZ7
CBrN5mh6MEk7iIN93U0HNsNn+7a0mYR2yVs3wYT7h6Xf3MzRGNvEGEJe/8wNEoIL
CG1w1lwQoM6ehd1Uq32+fFeElD4uEysfIuFBGXDYwwKBgQDQbhNIg62FfhXIUAqz
gcD0d/MWbzpc299jdpJPcwWumQePNh5qq6fAdYjWUXr7WpPkPaHFLPRM+lWTPTNQ
fX4GW/l7BbHY04R9jQCtSWWhkQ8p9zwM8Lc5P0RItL6F2R/4NMQbB46ZjUzBrbLo
2DzjPF0j4Zxt5TY5JffBPwJZYwKBgQC/INDtccNjfgFEsgStFEhks63lGI9JfjEt
tDeG5cn3CTnXZliNS9jeTmh5uBHrxiPivNoL4UvFT4YehdyHNcYBWGGhLB23RXAm
9HxCspm/3C1wBsHbHMrCJuapnGk8rsYOIGM0HU1F8RbaFUdIarO4r2BnPX0qg0ye
6EZP4H1/kwKBgHzMvB0aQycARPio/I9ZLPj0bYhMV0zMlmiO0bJis89Eb+NPS00h
tRMnDSUOqq2gIZdzU86lSS5iYiUEaxpR2cji/3GrCj9C/zzR1crsfL8OBV9iWwGA
jKTpffBu0PmB9YN/zMBGeRr2ITSC1fJXr7V8KmTWrPycVyhG1J9QJA7zAoGAS54n
KxpsbIuo4s3vza6NqdHxBgf+gNw9htCbe3KkwmlTCibC+Dw+9E1fRnEOHhNJlWaU
ekjL2qfI74CUrKYYzeVy0vqKUz1UzwTBuP3CmMb67yytPAybJ8+OSSLJ/ClF0Mb9
mNvS+84T9XqftkYJDxPL92y7fbtu8BwD3Yx6+qMCgYB7sU7JvnY4Tgh1YQmazQpD
Cv8zp80WMY2s0yg3zKzea01mZSsatarsZoIZ6roqTjJQWUH5LTR8NZ6EmvPESuxr
ANAuSGvMpxnHxw0WoyCal6z7ycpkPv+xLNbRPzKijh0GPlqHySJNFLW2eCNnZOBM
hFmeW2PuECGxv4kNPs8p+A==
-----END PRIVATE KEY-----
)";

struct Issuer {
  std::shared_ptr<const Providers> providers;
  std::vector<std::string> good;
};

Issuer make_issuer() {
  auto ed = *crypto::SigningKey::from_pem(Algorithm::eddsa, kEdPem);
  auto rsa = *crypto::SigningKey::from_pem(Algorithm::rs256, kRsaPem);
  Issuer out;
  for (const auto* key : {&ed, &rsa}) {
    for (std::string_view extra :
         {"", ",\"scope\":\"orders:read\",\"groups\":[\"a\"],\"realm\":{\"x\":[1,true,null]}"}) {
      out.good.push_back(testing::sign_raw(*key, testing::header_for(*key), testing::payload_with(extra)));
    }
  }
  out.providers = testing::compile_one(testing::jwt_provider(
      "partners", {.inline_json = testing::key_set_json({ed.public_jwk(), rsa.public_jwk()})},
      {Algorithm::eddsa, Algorithm::rs256, Algorithm::ps256, Algorithm::es256}));
  return out;
}

bool is_good(const Issuer& issuer, std::string_view token) {
  for (const std::string& good : issuer.good) {
    if (good == token) return true;
  }
  return false;
}

}  // namespace
}  // namespace auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::Issuer issuer = auth::make_issuer();
  std::string_view token(reinterpret_cast<const char*>(data), size);
  auth::KeySets key_sets;
  auth::TokenCache cache({.entries = 8, .bytes = 1 << 16});
  auth::Credential credential{auth::CredentialKind::bearer, token};
  bool good = auth::is_good(issuer, token);
  // Twice: what the cache answers must be what the verifier answered.
  for (int round = 0; round < 2; ++round) {
    auto result = auth::authenticate({credential, *issuer.providers, key_sets, cache, auth::testing::kNow});
    if ((result.outcome == auth::Authentication::Outcome::caller) != good) std::abort();
    if (!good && (result.outcome != auth::Authentication::Outcome::refused || result.identity)) std::abort();
  }
  return 0;
}
