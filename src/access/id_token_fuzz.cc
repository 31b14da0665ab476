// ID tokens and logout tokens. The first byte says what the rest is: a token as it came, or claims that the
// issuer signed, as one type or another, or what userinfo answered. A token as it came passes only if it is
// one of the good ones; of what the issuer signs only what is meant for this client, and never as both kinds.
#include <cstdlib>

#include "access/oidc.h"
#include "access/test_tokens.h"

namespace auth {
namespace {

using testing::kNow;

// Ed25519 signs the same bytes the same way each time, so the seeds in tests/fuzz/id_token_fuzz are good
// tokens on every run. This key signs nothing else.
constexpr std::string_view kPem = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIG0f9lGyHTgEkdSLJBfD1NyULjo8ufOjDqeSM33M4IDu
-----END PRIVATE KEY-----
)";
constexpr std::string_view kLogin =
    R"({"iss":"https://id.example","aud":"gatehouse","sub":"alice","exp":1800000300,"iat":1799999990,"nonce":"n"})";
constexpr std::string_view kLogout =
    R"({"iss":"https://id.example","aud":["gatehouse"],"sid":"s","exp":1800000300,"iat":1799999990,"jti":"j",)"
    R"("events":{"http://schemas.openid.net/event/backchannel-logout":{}}})";

void require(bool holds) {
  if (!holds) std::abort();
}

struct Issuer {
  crypto::SigningKey key = *crypto::SigningKey::from_pem(Algorithm::eddsa, kPem);
  KeySetPtr keys = *parse_key_set(testing::key_set_json({key.public_jwk()}));
  OidcPolicy policy = make_policy();
  std::string login = sign(kLogin, "");
  std::string logout = sign(kLogout, R"("typ":"logout+jwt",)");

  std::string sign(std::string_view claims, std::string_view type) const {
    return testing::sign_raw(key, "{" + std::string(type) + R"("alg":"EdDSA","kid":")" + key.kid() + "\"}",
                             claims);
  }
  base::Result<IdToken> read_login(std::string_view token) const {
    return verify_id_token(token, {.policy = policy,
                                   .keys = *keys,
                                   .nonce = "n",
                                   .access_token = "a",
                                   .max_age = std::nullopt,
                                   .now = kNow});
  }
  base::Result<LogoutToken> read_logout(std::string_view token) const {
    return verify_logout_token(token, policy, *keys, kNow);
  }
  static OidcPolicy make_policy() {
    OidcPolicy policy;
    policy.spec.issuer = "https://id.example";
    policy.spec.client.id = "gatehouse";
    policy.algorithms.add(Algorithm::eddsa);
    return policy;
  }
};

void try_token(const Issuer& issuer, std::string_view token) {
  require(issuer.read_login(token).has_value() == (token == issuer.login));
  require(issuer.read_logout(token).has_value() == (token == issuer.logout));
}

void try_claims(const Issuer& issuer, std::string_view claims, std::string_view type) {
  std::string token = issuer.sign(claims, type);
  auto login = issuer.read_login(token);
  auto logout = issuer.read_logout(token);
  require(!login || !logout);
  if (!login && !logout) return;
  auto tree = parse_json(claims, {});
  require(tree.has_value());
  JsonValue root = tree->root();
  require(root.member("iss").text() == "https://id.example" && root.member("aud").holds("gatehouse"));
  require(root.member("events").is(JsonKind::object) == logout.has_value());
  require(root.member("nonce").is(JsonKind::string) == login.has_value());
  if (login) {
    require(login->expires.ns + issuer.policy.spec.clock_skew.ns > kNow.ns && !login->subject.empty());
    require(parse_json(login->claims, {}).has_value());
  }
  if (logout) require(!logout->id.empty() && !(logout->subject.empty() && logout->session.empty()));
}

void try_userinfo(std::string_view userinfo) {
  IdToken token;
  token.subject = "alice";
  token.claims = R"({"sub":"alice","email":"a@x.example","groups":["a"]})";
  auto joined = join_claims(token, userinfo);
  if (!joined) return;
  auto tree = parse_json(*joined, {});
  require(tree.has_value());
  JsonValue root = tree->root();
  require(root.member("sub").text() == "alice" && root.member("email").text() == "a@x.example");
  require(root.member("groups").holds("a") && !root.member("groups").first().next());
  for (std::string_view name : {"acr", "amr", "auth_time", "sid", "cnf", "iss", "aud"})
    require(!root.member(name));
}

}  // namespace
}  // namespace auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::Issuer issuer;
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case 't':
      auth::try_token(issuer, rest);
      break;
    case 'c':
      auth::try_claims(issuer, rest, "");
      break;
    case 'j':
      auth::try_claims(issuer, rest, R"("typ":"JWT",)");
      break;
    case 'l':
      auth::try_claims(issuer, rest, R"("typ":"logout+jwt",)");
      break;
    case 'u':
      auth::try_userinfo(rest);
      break;
  }
  return 0;
}
