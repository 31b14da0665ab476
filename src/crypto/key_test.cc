// Signing and verifying belong together: what one makes the other must accept, and nothing else.

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/public_key.h"
#include "crypto/signing_key.h"
#include "gtest/gtest.h"

namespace crypto {
namespace {

constexpr Algorithm kAll[] = {Algorithm::rs256, Algorithm::rs384, Algorithm::rs512, Algorithm::ps256,
                              Algorithm::ps384, Algorithm::ps512, Algorithm::es256, Algorithm::es384,
                              Algorithm::es512, Algorithm::eddsa};

// One RSA key for all RSA algorithms: making one is slow.
const SigningKey& signing_key(Algorithm algorithm) {
  static const std::string rsa_pem = SigningKey::generate(Algorithm::rs256)->to_pem();
  static const std::vector<SigningKey> keys = [] {
    std::vector<SigningKey> made;
    for (Algorithm each : kAll) {
      bool rsa = fits(KeyType::rsa, each);
      made.push_back(rsa ? *SigningKey::from_pem(each, rsa_pem) : *SigningKey::generate(each));
    }
    return made;
  }();
  return keys[static_cast<size_t>(algorithm)];
}

// The value of a member of the JWK, decoded; enough of a reader for what signing_key.cc writes.
std::string member(const std::string& jwk, std::string_view name) {
  std::string start = "\"" + std::string(name) + "\":\"";
  size_t at = jwk.find(start);
  if (at == jwk.npos) return {};
  at += start.size();
  return jwk.substr(at, jwk.find('"', at) - at);
}

PublicKey public_key(const SigningKey& key) {
  auto bytes = [&](std::string_view name) { return *base::base64url_decode(member(key.public_jwk(), name)); };
  std::string kty = member(key.public_jwk(), "kty");
  if (kty == "RSA") return *PublicKey::from_rsa(bytes("n"), bytes("e"));
  if (kty == "OKP") return *PublicKey::from_ed25519(bytes("x"));
  std::string crv = member(key.public_jwk(), "crv");
  KeyType type = crv == "P-256" ? KeyType::p256 : crv == "P-384" ? KeyType::p384 : KeyType::p521;
  return *PublicKey::from_ec(type, bytes("x"), bytes("y"));
}

TEST(Algorithm, NamesAreExact) {
  for (Algorithm algorithm : kAll) EXPECT_EQ(parse_algorithm(algorithm_name(algorithm)), algorithm);
  for (std::string_view name :
       {"none", "None", "HS256", "HS384", "HS512", "rs256", "RS256 ", "", "ES256K", "Ed25519"}) {
    EXPECT_FALSE(parse_algorithm(name)) << name;
  }
}

TEST(Keys, WhatIsSignedVerifiesAndNothingElseDoes) {
  for (Algorithm algorithm : kAll) {
    SCOPED_TRACE(algorithm_name(algorithm));
    const SigningKey& signer = signing_key(algorithm);
    PublicKey verifier = public_key(signer);
    std::string message = "the very bytes";
    std::string signature = *signer.sign(message);
    EXPECT_TRUE(verifier.verify(algorithm, message, signature));
    EXPECT_FALSE(verifier.verify(algorithm, message + " ", signature));
    EXPECT_FALSE(verifier.verify(algorithm, "", signature));
    EXPECT_FALSE(verifier.verify(algorithm, message, ""));
    EXPECT_FALSE(verifier.verify(algorithm, message, signature.substr(1)));
    EXPECT_FALSE(verifier.verify(algorithm, message, signature + std::string(1, '\0')));
    EXPECT_FALSE(verifier.verify(algorithm, message, std::string(1, '\0') + signature));
    EXPECT_FALSE(verifier.verify(algorithm, message, std::string(signature.size(), '\0')));
    for (size_t i : {size_t{0}, signature.size() / 2, signature.size() - 1}) {
      std::string changed = signature;
      changed[i] ^= 1;
      EXPECT_FALSE(verifier.verify(algorithm, message, changed)) << i;
    }
    for (Algorithm other : kAll) {
      if (other != algorithm)
        EXPECT_FALSE(verifier.verify(other, message, signature)) << algorithm_name(other);
    }
    EXPECT_TRUE(verifier.verify(algorithm, message, signature));  // failures leave nothing behind
  }
}

TEST(Keys, AnotherKeyOfTheSameKindDoesNotVerify) {
  for (Algorithm algorithm : {Algorithm::es256, Algorithm::es384, Algorithm::es512, Algorithm::eddsa}) {
    PublicKey other = public_key(*SigningKey::generate(algorithm));
    EXPECT_FALSE(other.verify(algorithm, "m", *signing_key(algorithm).sign("m")))
        << algorithm_name(algorithm);
  }
}

TEST(Keys, EcdsaInDerIsRefused) {
  // SEQUENCE { r, s } as other libraries send it by mistake.
  const SigningKey& signer = signing_key(Algorithm::es256);
  std::string raw = *signer.sign("m");
  std::string der =
      std::string("\x30\x44\x02\x20", 4) + raw.substr(0, 32) + std::string("\x02\x20", 2) + raw.substr(32);
  EXPECT_FALSE(public_key(signer).verify(Algorithm::es256, "m", der));
}

TEST(SigningKey, SurvivesPem) {
  for (Algorithm algorithm : kAll) {
    SCOPED_TRACE(algorithm_name(algorithm));
    const SigningKey& key = signing_key(algorithm);
    EXPECT_TRUE(key.to_pem().starts_with("-----BEGIN PRIVATE KEY-----"));  // PKCS #8
    auto again = SigningKey::from_pem(algorithm, key.to_pem());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->kid(), key.kid());
    EXPECT_EQ(again->public_jwk(), key.public_jwk());
    EXPECT_TRUE(public_key(key).verify(algorithm, "m", *again->sign("m")));
  }
}

TEST(SigningKey, RefusesWhatIsNotItsKey) {
  EXPECT_FALSE(SigningKey::from_pem(Algorithm::es256, ""));
  EXPECT_FALSE(SigningKey::from_pem(Algorithm::es256,
                                    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
  EXPECT_FALSE(SigningKey::from_pem(Algorithm::es256, signing_key(Algorithm::es384).to_pem()));
  EXPECT_FALSE(SigningKey::from_pem(Algorithm::es256, signing_key(Algorithm::rs256).to_pem()));
  EXPECT_FALSE(SigningKey::from_pem(Algorithm::rs256, signing_key(Algorithm::eddsa).to_pem()));
}

TEST(SigningKey, RefusesAShortRsaKey) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{1024});
  BIO* output = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(output, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  long length = BIO_get_mem_data(output, &text);
  EXPECT_FALSE(SigningKey::from_pem(Algorithm::rs256, {text, static_cast<size_t>(length)}));
  BIO_free(output);
  EVP_PKEY_free(key);
}

TEST(SigningKey, KidIsTheRfc7638Thumbprint) {
  const SigningKey& key = signing_key(Algorithm::es256);
  std::string required = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" + member(key.public_jwk(), "x") +
                         "\",\"y\":\"" + member(key.public_jwk(), "y") + "\"}";
  EXPECT_EQ(key.kid(), base::base64url_encode(as_text(sha256(required))));
}

TEST(SigningKey, PublishesNothingPrivate) {
  for (Algorithm algorithm : kAll) {
    const std::string& jwk = signing_key(algorithm).public_jwk();
    for (std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "k"})
      EXPECT_EQ(member(jwk, name), "") << jwk;
    EXPECT_EQ(member(jwk, "alg"), algorithm_name(algorithm));
    EXPECT_EQ(member(jwk, "use"), "sig");
    EXPECT_EQ(member(jwk, "kid"), signing_key(algorithm).kid());
  }
}

TEST(PublicKey, RsaBounds) {
  std::string n = *base::base64url_decode(member(signing_key(Algorithm::rs256).public_jwk(), "n"));
  std::string e("\x01\x00\x01", 3);
  EXPECT_TRUE(PublicKey::from_rsa(n, e));
  struct Case {
    const char* what;
    std::string n;
    std::string e;
  } const cases[] = {
      {"1024 bits", n.substr(0, 127) + n.back(), e},
      {"2047 bits", std::string(1, '\x7F') + n.substr(1), e},
      {"16384 bits", n + n + n + n + n + n + n + n, e},
      {"leading zeros do not count", std::string(128, '\0') + n.substr(0, 127) + n.back(), e},
      {"even modulus", n.substr(0, 255) + '\x02', e},
      {"exponent 1", n, "\x01"},
      {"exponent 0", n, std::string(1, '\0')},
      {"even exponent", n, "\x04"},
      {"huge exponent", n, std::string(9, '\x7F')},
      {"no exponent", n, ""},
      {"no modulus", "", e},
  };
  for (const Case& c : cases) EXPECT_FALSE(PublicKey::from_rsa(c.n, c.e)) << c.what;
}

// RFC 8037 A.4: an Ed25519 signature that others made.
TEST(PublicKey, VerifiesThePublishedEd25519Example) {
  auto key = PublicKey::from_ed25519(*base::base64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->verify(
      Algorithm::eddsa, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
      *base::base64url_decode(
          "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")));
}

// RFC 7515 A.3: an ES256 signature that others made.
TEST(PublicKey, VerifiesThePublishedEs256Example) {
  auto key = PublicKey::from_ec(KeyType::p256,
                                *base::base64url_decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                *base::base64url_decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->verify(
      Algorithm::es256,
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
      *base::base64url_decode(
          "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")));
}

TEST(PublicKey, PointsMustLieOnTheCurve) {
  std::string x = *base::base64url_decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  std::string y = *base::base64url_decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  std::string off = y;
  off.back() ^= 1;
  EXPECT_FALSE(PublicKey::from_ec(KeyType::p256, x, off));
  EXPECT_FALSE(PublicKey::from_ec(KeyType::p256, x, y.substr(1)));
  EXPECT_FALSE(PublicKey::from_ec(KeyType::p256, std::string(1, '\0') + x, y));
  EXPECT_FALSE(PublicKey::from_ec(KeyType::p384, x, y));
  EXPECT_FALSE(PublicKey::from_ec(KeyType::p256, std::string(32, '\0'), std::string(32, '\0')));
  EXPECT_FALSE(PublicKey::from_ec(KeyType::rsa, x, y));
  EXPECT_FALSE(PublicKey::from_ed25519(x.substr(1)));
}

}  // namespace
}  // namespace crypto
