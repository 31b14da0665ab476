// Every way of RFC 8725 and RFC 7515 to make a token that must not pass, beside the few that must.

#include "access/jwt.h"

#include "access/test_tokens.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using testing::header_for;
using testing::kNow;
using testing::payload_with;
using testing::sign_raw;
using testing::sign_token;
using testing::signing_key;

const KeySet& keys_for(Algorithm algorithm) {
  static std::vector<KeySetPtr> sets(crypto::kAlgorithmCount);
  KeySetPtr& set = sets[static_cast<size_t>(algorithm)];
  if (!set) set = *parse_key_set(testing::key_set_json({signing_key(algorithm).public_jwk()}));
  return *set;
}

JwtPolicy policy_for(Algorithm algorithm) {
  JwtPolicy policy{.provider = "partners",
                   .issuer = std::string(testing::kIssuer),
                   .audience = {"orders", "billing"},
                   .algorithms = {},
                   .clock_skew = base::seconds(30),
                   .claims = {}};
  policy.algorithms.add(algorithm);
  return policy;
}

struct Judged {
  std::string why;  // empty: accepted
  IdentityPtr identity;
};

Judged judge_with(std::string_view token, const KeySet& keys, const JwtPolicy& policy,
                  base::WallTime now = kNow) {
  auto parsed = parse_jwt(token);
  if (!parsed) return {parsed.error().detail, nullptr};
  auto choice = keys.choose(parsed->kid, parsed->algorithm);
  if (choice.match != KeySet::Match::found) return {"no key fits", nullptr};
  auto verified = verify_jwt(*parsed, *choice.key, policy, now);
  if (!verified) {
    EXPECT_EQ(verified.error().reason, base::Reason::credential_invalid);
    return {verified.error().detail, nullptr};
  }
  return {"", verified->identity};
}

Judged judge(std::string_view token, Algorithm algorithm = Algorithm::es256, base::WallTime now = kNow) {
  return judge_with(token, keys_for(algorithm), policy_for(algorithm), now);
}

std::string with_header(std::string_view header) {
  return sign_raw(signing_key(Algorithm::es256), header, payload_with(""));
}
std::string with_payload(std::string_view payload) {
  const auto& key = signing_key(Algorithm::es256);
  return sign_raw(key, header_for(key), payload);
}
// A header with the right alg and kid and more members after them.
std::string header_plus(std::string_view extra) {
  std::string header = header_for(signing_key(Algorithm::es256));
  header.pop_back();
  return header + std::string(extra) + "}";
}

TEST(Jwt, EveryAlgorithmPassesWithItsKeyAndNoOther) {
  for (int i = 0; i < crypto::kAlgorithmCount; ++i) {
    auto algorithm = static_cast<Algorithm>(i);
    SCOPED_TRACE(crypto::algorithm_name(algorithm));
    std::string token = sign_token(algorithm);
    EXPECT_EQ(judge(token, algorithm).why, "");
    for (int j = 0; j < crypto::kAlgorithmCount; ++j) {
      auto other = static_cast<Algorithm>(j);
      if (other != algorithm) EXPECT_NE(judge(token, other).why, "") << crypto::algorithm_name(other);
      // The key is right and the issuer does not allow the algorithm.
      if (other != algorithm) {
        EXPECT_NE(judge_with(token, keys_for(algorithm), policy_for(other)).why, "")
            << crypto::algorithm_name(other);
      }
    }
  }
}

TEST(Jwt, ReadsTheIdentity) {
  Judged judged = judge(sign_token(
      Algorithm::es256,
      R"(,"scope":"orders:read  orders:write","groups":["support","eu"],"email":"a@x.example","email_verified":true,)"
      R"("preferred_username":"al","sid":"s1","jti":"t1","realm":{"level":3})"));
  ASSERT_EQ(judged.why, "");
  const Identity& identity = *judged.identity;
  EXPECT_EQ(identity.provider, "partners");
  EXPECT_EQ(identity.subject, "alice");
  EXPECT_EQ(identity.scopes, (std::vector<std::string>{"orders:read", "orders:write"}));
  EXPECT_EQ(identity.groups, (std::vector<std::string>{"support", "eu"}));
  EXPECT_EQ(identity.email, "a@x.example");
  EXPECT_EQ(identity.preferred_username, "al");
  EXPECT_EQ(identity.session_id, "s1");
  EXPECT_EQ(identity.credential_id, "t1");
  EXPECT_EQ(identity.expires.unix_seconds(), 1800000300);
  EXPECT_EQ(identity.claims.root().find("realm.level").text(), "3");
  EXPECT_NE(identity.serial, judge(sign_token(Algorithm::es256)).identity->serial);
}

TEST(Jwt, ClaimNamesAreTheIssuersChoice) {
  JwtPolicy policy = policy_for(Algorithm::es256);
  policy.claims.scopes = "scp";
  policy.claims.groups = "https://x.example/roles";
  policy.claims.subject = "actor.id";
  std::string token =
      sign_token(Algorithm::es256,
                 R"(,"scp":["a","b"],"https://x.example/roles":"admin","actor":{"id":"bob"},"scope":"no")");
  Judged judged = judge_with(token, keys_for(Algorithm::es256), policy);
  ASSERT_EQ(judged.why, "");
  EXPECT_EQ(judged.identity->scopes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(judged.identity->groups, (std::vector<std::string>{"admin"}));
  EXPECT_EQ(judged.identity->subject, "bob");
}

TEST(Jwt, DoubtfulEmailsAreLeftOut) {
  for (std::string_view extra :
       {R"(,"email":"a@x.example","email_verified":false)",
        R"(,"email":"a@x.example","email_verified":"false")", R"(,"email":"a@b@x.example")",
        R"(,"email":"nobody")", R"(,"email":["a@x.example"])",
        R"(,"email":"a@x.example\r\nX-Forwarded-User: root")"}) {
    Judged judged = judge(sign_token(Algorithm::es256, extra));
    EXPECT_EQ(judged.why, "") << extra;
    EXPECT_EQ(judged.identity->email, "") << extra;
  }
}

TEST(Jwt, AcceptedShapes) {
  const auto& key = signing_key(Algorithm::es256);
  const std::string alg_only = R"({"alg":"ES256"})";
  EXPECT_EQ(judge(with_header(alg_only)).why, "");  // no kid: the set has exactly one key that fits
  for (std::string_view typ : {"JWT", "jwt", "at+jwt", "application/at+jwt", "application/jwt"}) {
    std::string header =
        "{\"alg\":\"ES256\",\"typ\":\"" + std::string(typ) + "\",\"kid\":\"" + key.kid() + "\"}";
    EXPECT_EQ(judge(with_header(header)).why, "") << typ;
  }
  for (std::string_view extra :
       {R"(,"nbf":1800000000)", R"(,"nbf":1800000030)", R"(,"iat":1800000029.5)", R"(,"iat":0)",
        R"(,"groups":null)", R"(,"nested":{"a":{"a":{"a":[1,2]}}})"}) {
    EXPECT_EQ(judge(sign_token(Algorithm::es256, extra)).why, "") << extra;
  }
  struct Case {
    std::string_view payload;
  } const payloads[] = {
      {R"({"iss":"https://id.partner.example","aud":["x","billing"],"sub":"a","exp":1800000300})"},
      {R"({"iss":"https://id.partner.example","aud":["orders",7],"sub":"a","exp":1800000300})"},
      {R"({"iss":"https://id.partner.example","aud":"orders","sub":"a","exp":1800000300.75})"},
      {R"({"iss":"https://id.partner.example","aud":"orders","sub":"a","exp":1.8000003e9})"},
      {R"({"iss":"https://id.partner.example","aud":"orders","sub":"a","exp":1799999971})"},  // within the
                                                                                              // skew
      {R"({"iss":"https://id.partner.example","aud":"orders","sub":"a","exp":253402300799})"},
      {R"({ "iss" : "https://id.partner.example", "aud":"orders","sub":"a","exp":1800000300 } )"},
  };
  for (const Case& c : payloads) EXPECT_EQ(judge(with_payload(c.payload)).why, "") << c.payload;
}

TEST(Jwt, HeadersThatMustNotPass) {
  const std::string kid = signing_key(Algorithm::es256).kid();
  struct Case {
    const char* what;
    std::string header;
  } const cases[] = {
      {"alg none", R"({"alg":"none"})"},
      {"alg None", R"({"alg":"None","kid":")" + kid + "\"}"},
      {"alg NONE", R"({"alg":"NONE","kid":")" + kid + "\"}"},
      {"alg HS256", R"({"alg":"HS256","kid":")" + kid + "\"}"},
      {"alg es256", R"({"alg":"es256","kid":")" + kid + "\"}"},
      {"alg RS256 for an EC key", R"({"alg":"RS256","kid":")" + kid + "\"}"},
      {"alg ES384 for a P-256 key", R"({"alg":"ES384","kid":")" + kid + "\"}"},
      {"alg ES256K", R"({"alg":"ES256K","kid":")" + kid + "\"}"},
      {"alg missing", R"({"kid":")" + kid + "\"}"},
      {"alg a list", R"({"alg":["ES256"],"kid":")" + kid + "\"}"},
      {"alg null", R"({"alg":null})"},
      {"alg twice", R"({"alg":"ES256","alg":"ES256","kid":")" + kid + "\"}"},
      {"alg twice, escaped", R"({"alg":"ES256","\u0061lg":"none","kid":")" + kid + "\"}"},
      {"kid twice", header_plus(R"(,"kid":"other")")},
      {"kid of nobody", R"({"alg":"ES256","kid":"nobody"})"},
      {"kid a number", R"({"alg":"ES256","kid":1})"},
      {"kid empty", R"({"alg":"ES256","kid":""})"},
      {"kid too long", R"({"alg":"ES256","kid":")" + std::string(257, 'k') + "\"}"},
      {"crit unknown", header_plus(R"(,"crit":["exp"],"exp":1)")},
      {"crit b64", header_plus(R"(,"crit":["b64"],"b64":true)")},
      {"crit empty", header_plus(R"(,"crit":[])")},
      {"crit null", header_plus(R"(,"crit":null)")},
      {"typ of a logout token", R"({"alg":"ES256","typ":"logout+jwt","kid":")" + kid + "\"}"},
      {"typ of a proof", R"({"alg":"ES256","typ":"dpop+jwt","kid":")" + kid + "\"}"},
      {"typ a number", R"({"alg":"ES256","typ":1,"kid":")" + kid + "\"}"},
      {"not an object", R"(["ES256"])"},
      {"a string", R"("ES256")"},
      {"empty", ""},
      {"two objects", R"({"alg":"ES256"}{"alg":"ES256"})"},
      {"trailing comma", R"({"alg":"ES256",})"},
      {"a comment", R"({"alg":"ES256"/**/})"},
      {"single quotes", R"({'alg':'ES256'})"},
      {"byte order mark",
       "\xEF\xBB\xBF"
       R"({"alg":"ES256"})"},
      {"nested too deep", R"({"alg":"ES256","x":[[[[[[[[1]]]]]]]]})"},
      {"bad UTF-8", "{\"alg\":\"ES256\",\"x\":\"\xC3\x28\"}"},
      {"lone surrogate", R"({"alg":"ES256","x":"\ud800"})"},
  };
  for (const Case& c : cases) EXPECT_NE(judge(with_header(c.header)).why, "") << c.what;
}

TEST(Jwt, KeysInTheHeaderAreNotBelieved) {
  crypto::SigningKey attacker = *crypto::SigningKey::generate(Algorithm::es256);
  const std::string kid = signing_key(Algorithm::es256).kid();
  for (const std::string& extra : {
           ",\"jwk\":" + attacker.public_jwk(),
           std::string(R"(,"jku":"https://attacker.example/jwks.json")"),
           std::string(R"(,"x5u":"https://attacker.example/cert.pem")"),
           std::string(R"(,"x5c":["MIIB"])"),
       }) {
    std::string header = R"({"alg":"ES256","kid":")" + kid + "\"" + extra + "}";
    EXPECT_EQ(judge(sign_raw(attacker, header, payload_with(""))).why, "the token's signature is not valid")
        << extra;
    // Signed by the right key, they are nothing but noise.
    EXPECT_EQ(judge(with_header(header)).why, "") << extra;
  }
}

TEST(Jwt, TheRsaPublicKeyIsNoSecret) {
  // The classic swap: HS256 with the public key's text as the secret. There is no HS256, whatever the MAC
  // says.
  const auto& key = signing_key(Algorithm::rs256);
  std::string input = base::base64url_encode(R"({"alg":"HS256","kid":")" + key.kid() + "\"}") + "." +
                      base::base64url_encode(payload_with(""));
  std::string mac = base::base64url_encode(crypto::as_text(crypto::sha256(key.public_jwk() + input)));
  EXPECT_EQ(judge(input + "." + mac, Algorithm::rs256).why, "the JWT's algorithm is not accepted");
}

TEST(Jwt, AnEcdsaSignatureUnderAnRsaKeyIdDoesNotPass) {
  const auto& rsa = signing_key(Algorithm::rs256);
  std::string header = R"({"alg":"ES256","kid":")" + rsa.kid() + "\"}";
  std::string token = sign_raw(signing_key(Algorithm::es256), header, payload_with(""));
  JwtPolicy policy = policy_for(Algorithm::rs256);
  policy.algorithms.add(Algorithm::es256);
  EXPECT_EQ(judge_with(token, keys_for(Algorithm::rs256), policy).why, "no key fits");
}

TEST(Jwt, PayloadsThatMustNotPass) {
  auto claims = [](std::string_view iss, std::string_view aud, std::string_view rest) {
    return "{\"iss\":" + std::string(iss) + ",\"aud\":" + std::string(aud) + ",\"sub\":\"a\"" +
           std::string(rest) + "}";
  };
  const std::string iss = R"("https://id.partner.example")";
  const std::string exp = R"(,"exp":1800000300)";
  struct Case {
    const char* what;
    std::string payload;
  } const cases[] = {
      {"exp missing", claims(iss, R"("orders")", "")},
      {"exp a string", claims(iss, R"("orders")", R"(,"exp":"1800000300")")},
      {"exp null", claims(iss, R"("orders")", R"(,"exp":null)")},
      {"exp true", claims(iss, R"("orders")", R"(,"exp":true)")},
      {"exp negative", claims(iss, R"("orders")", R"(,"exp":-1800000300)")},
      {"exp zero", claims(iss, R"("orders")", R"(,"exp":0)")},
      {"exp past the skew", claims(iss, R"("orders")", R"(,"exp":1799999970)")},
      {"exp in milliseconds", claims(iss, R"("orders")", R"(,"exp":1800000300000)")},
      {"exp 64 bits", claims(iss, R"("orders")", R"(,"exp":18446744073709551615)")},
      {"exp beyond 64 bits", claims(iss, R"("orders")", R"(,"exp":99999999999999999999999)")},
      {"exp 1e308", claims(iss, R"("orders")", R"(,"exp":1e308)")},
      {"exp 1e999", claims(iss, R"("orders")", R"(,"exp":1e999)")},
      {"exp NaN", claims(iss, R"("orders")", R"(,"exp":NaN)")},
      {"exp a list", claims(iss, R"("orders")", R"(,"exp":[1800000300])")},
      {"exp twice", claims(iss, R"("orders")", R"(,"exp":1800000300,"exp":1900000000)")},
      {"aud missing", R"({"iss":"https://id.partner.example","sub":"a","exp":1800000300})"},
      {"aud wrong", claims(iss, R"("payments")", exp)},
      {"aud in other case", claims(iss, R"("Orders")", exp)},
      {"aud with a space", claims(iss, R"("orders ")", exp)},
      {"aud two in one text", claims(iss, R"("orders billing")", exp)},
      {"aud empty list", claims(iss, "[]", exp)},
      {"aud list of others", claims(iss, R"(["a","b"])", exp)},
      {"aud nested list", claims(iss, R"([["orders"]])", exp)},
      {"aud object", claims(iss, R"({"orders":"orders"})", exp)},
      {"aud null", claims(iss, "null", exp)},
      {"iss missing", R"({"aud":"orders","sub":"a","exp":1800000300})"},
      {"iss with a slash", claims(R"("https://id.partner.example/")", R"("orders")", exp)},
      {"iss in other case", claims(R"("https://ID.partner.example")", R"("orders")", exp)},
      {"iss of another", claims(R"("https://evil.example")", R"("orders")", exp)},
      {"iss a list", claims(R"(["https://id.partner.example"])", R"("orders")", exp)},
      {"iss twice", claims(iss, R"("orders")", exp + R"(,"iss":"https://id.partner.example")")},
      {"sub missing", R"({"iss":"https://id.partner.example","aud":"orders","exp":1800000300})"},
      {"sub empty", R"({"iss":"https://id.partner.example","aud":"orders","exp":1800000300,"sub":""})"},
      {"sub a number", R"({"iss":"https://id.partner.example","aud":"orders","exp":1800000300,"sub":7})"},
      {"sub with CRLF",
       R"({"iss":"https://id.partner.example","aud":"orders","exp":1800000300,"sub":"a\r\nb: c"})"},
      {"sub with NUL",
       R"({"iss":"https://id.partner.example","aud":"orders","exp":1800000300,"sub":"a\u0000"})"},
      {"sub twice", claims(iss, R"("orders")", exp + R"(,"sub":"root")")},
      {"nbf in the future", claims(iss, R"("orders")", exp + R"(,"nbf":1800000031)")},
      {"nbf a string", claims(iss, R"("orders")", exp + R"(,"nbf":"0")")},
      {"iat in the future", claims(iss, R"("orders")", exp + R"(,"iat":1800000031)")},
      {"iat a string", claims(iss, R"("orders")", exp + R"(,"iat":"x")")},
      {"scope a number", claims(iss, R"("orders")", exp + R"(,"scope":7)")},
      {"scope an object", claims(iss, R"("orders")", exp + R"(,"scope":{"a":1})")},
      {"scope with a newline", claims(iss, R"("orders")", exp + R"(,"scope":"a\nb")")},
      {"groups an object", claims(iss, R"("orders")", exp + R"(,"groups":{"admin":true})")},
      {"groups of numbers", claims(iss, R"("orders")", exp + R"(,"groups":[1])")},
      {"groups with CRLF", claims(iss, R"("orders")", exp + R"(,"groups":["a\r\n"])")},
      {"a nested name twice", claims(iss, R"("orders")", exp + R"(,"realm":{"admin":false,"admin":true})")},
      {"a name twice in a list", claims(iss, R"("orders")", exp + R"(,"l":[{"a":1,"a":2}])")},
      {"nested too deep",
       claims(iss, R"("orders")", exp + ",\"x\":" + std::string(17, '[') + std::string(17, ']'))},
      {"nested far too deep",
       claims(iss, R"("orders")", exp + ",\"x\":" + std::string(3000, '[') + std::string(3000, ']'))},
      {"a list", "[]"},
      {"empty", ""},
      {"a string", R"("x")"},
      {"a JWT in a JWT", sign_token(Algorithm::es256)},
      {"cut off", R"({"iss":"https://id.partner.example")"},
      {"bad UTF-8",
       "{\"iss\":\"https://id.partner.example\",\"aud\":\"orders\",\"sub\":\"a\xFF\",\"exp\":1800000300}"},
  };
  for (const Case& c : cases) EXPECT_NE(judge(with_payload(c.payload)).why, "") << c.what;
}

TEST(Jwt, ChangedTokensDoNotPass) {
  const std::string good = sign_token(Algorithm::es256);
  ASSERT_EQ(judge(good).why, "");
  size_t first = good.find('.');
  size_t second = good.find('.', first + 1);
  const std::string header = good.substr(0, first);
  const std::string payload = good.substr(first + 1, second - first - 1);
  const std::string signature = good.substr(second + 1);
  const std::string other = sign_token(Algorithm::es256, R"(,"scope":"admin")");
  const std::string other_payload = other.substr(other.find('.') + 1, other.rfind('.') - other.find('.') - 1);
  std::string raw = *base::base64url_decode(signature);
  std::string stray = signature;  // 64 bytes leave four stray bits in the last character
  stray.back() = stray.back() == 'A' ? 'B' : static_cast<char>(stray.back() + 1);
  struct Case {
    const char* what;
    std::string token;
  } const cases[] = {
      {"nothing", ""},
      {"one part", header},
      {"two parts", header + "." + payload},
      {"signature stripped", header + "." + payload + "."},
      {"four parts", good + ".x"},
      {"a dot at the end", good + "."},
      {"a dot in front", "." + good},
      {"five parts as JWE", header + ".a.b.c.d"},
      {"two dots", ".."},
      {"another payload", header + "." + other_payload + "." + signature},
      {"no header", "." + payload + "." + signature},
      {"no payload", header + ".." + signature},
      {"signature padded", good + "=="},
      {"signature with stray bits", header + "." + payload + "." + stray},
      {"header padded", header + "=." + payload + "." + signature},
      {"payload padded", header + "." + payload + "=." + signature},
      {"a space in front", " " + good},
      {"a space at the end", good + " "},
      {"a newline at the end", good + "\n"},
      {"a newline inside", header + "." + payload + ".\n" + signature},
      {"a NUL at the end", good + std::string(1, '\0')},
      {"standard base64", header + "." + payload + "." + std::string(signature.size() - 1, '+') + "/"},
      {"signature too short", header + "." + payload + "." + base::base64url_encode(raw.substr(0, 63))},
      {"signature too long", header + "." + payload + "." + base::base64url_encode(raw + '\0')},
      {"signature zero padded in front", header + "." + payload + "." + base::base64url_encode('\0' + raw)},
      {"signature all zero", header + "." + payload + "." + base::base64url_encode(std::string(64, '\0'))},
      {"r and s swapped",
       header + "." + payload + "." + base::base64url_encode(raw.substr(32) + raw.substr(0, 32))},
      {"too large", header + "." + std::string(1 << 20, 'A') + "." + signature},
      {"just too large", header + "." + std::string(kTokenBytesMax, 'A') + "." + signature},
      {"many dots", std::string(1000, '.')},
  };
  for (const Case& c : cases) EXPECT_NE(judge(c.token).why, "") << c.what;
  // Every single character changed, one after the other.
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(judge(changed).why, "") << i;
  }
  for (size_t i = 0; i < good.size(); ++i) EXPECT_NE(judge(good.substr(0, i)).why, "") << i;
}

TEST(Jwt, TimesEndToTheNanosecond) {
  std::string token = sign_token(Algorithm::es256, R"(,"nbf":1800000000)");
  const int64_t second = 1'000'000'000;
  struct Case {
    int64_t at;
    bool good;
  } const cases[] = {
      {1800000000 * second - 30 * second - 1, false},
      {1800000000 * second - 30 * second, true},
      {1800000330 * second - 1, true},
      {1800000330 * second, false},
      {0, false},
      {INT64_MAX, false},
  };
  for (const Case& c : cases) EXPECT_EQ(judge(token, Algorithm::es256, {c.at}).why.empty(), c.good) << c.at;
}

}  // namespace
}  // namespace auth
