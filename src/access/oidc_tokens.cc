// ID tokens and logout tokens. Both are signed by the keys that sign access tokens too, so that each is held
// against everything that tells it from the others (RFC 8725 §3.11, §3.12).
#include "access/oidc.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace auth {
namespace {

using base::Reason;

constexpr std::string_view kLogoutEvent = "http://schemas.openid.net/event/backchannel-logout";
// Of logout tokens without `exp`, which was not asked for before the final version of Back-Channel Logout and
// is left out by issuers of the drafts.
constexpr base::Duration kLogoutTokenLife = base::seconds(120);

// What both kinds share is said with the words of access tokens; the reason is the caller's.
base::Error as(Reason reason, base::Error error) {
  error.reason = reason;
  return error;
}

struct SignedCheck {
  const OidcPolicy& policy;
  const KeySet& keys;
  base::WallTime now;
  Reason reason;
  std::optional<base::Duration> life_without_exp;
};

std::unexpected<base::Error> refuse(Reason reason, const char* why) {
  return base::client_error(reason, why);
}

base::Result<> check_key_and_signature(const UnverifiedJws& token, const SignedCheck& check) {
  if (!check.policy.algorithms.has(token.algorithm)) {
    return refuse(check.reason, "the token's algorithm is not accepted");
  }
  auto choice = check.keys.choose(token.kid, token.algorithm);
  switch (choice.match) {
    case KeySet::Match::unknown:
      return base::gate_error(Reason::key_set_unavailable, "the token's key is not one of the issuer's");
    case KeySet::Match::unfit:
      return refuse(check.reason, "the token's algorithm does not fit its key");
    case KeySet::Match::ambiguous:
      return refuse(check.reason, "the token does not say which key it was signed with");
    case KeySet::Match::found:
      break;
  }
  auto verified = check_signature(token, *choice.key, check.policy.algorithms);
  if (!verified) return base::fail(as(check.reason, verified.error()));
  return {};
}

// Core §3.1.3.7 (2) to (5): for us, and where for others too, given to us.
base::Result<> check_parties(JsonValue claims, const JsonTree& tree, const SignedCheck& check) {
  const OidcSpec& spec = check.policy.spec;
  JsonValue issuer = claims.member("iss");
  if (!issuer.is(JsonKind::string) || issuer.text() != spec.issuer) {
    return refuse(check.reason, "the token's issuer is not accepted");
  }
  if (!has_audience(tree, {spec.client.id})) return refuse(check.reason, "the token is for another audience");
  JsonValue audience = claims.member("aud");
  bool several = audience.is(JsonKind::array) && audience.first().next();
  JsonValue authorized = claims.member("azp");
  if (!authorized && !several) return {};
  if (!authorized.is(JsonKind::string) || authorized.text() != spec.client.id) {
    return refuse(check.reason, "the token was given to another client");
  }
  return {};
}

base::Result<TokenTimes> check_token_times(JsonValue claims, const SignedCheck& check) {
  JsonValue iat = claims.member("iat");
  if (!iat) return refuse(check.reason, "the token does not say when it was issued");
  base::Duration skew = check.policy.spec.clock_skew;
  if (claims.member("exp") || !check.life_without_exp) {
    auto times = check_times(claims, skew, check.now);
    if (!times) return base::fail(as(check.reason, times.error()));
    return *times;
  }
  auto issued = parse_numeric_date(iat);
  if (!issued) return refuse(check.reason, "a date in the token cannot be read");
  base::WallTime expires{issued->ns + check.life_without_exp->ns};
  TokenTimes times{
      .expires = expires, .valid_from = {issued->ns - skew.ns}, .valid_until = {expires.ns + skew.ns}};
  if (check.now >= times.valid_until) return refuse(check.reason, "the token has expired");
  if (check.now < times.valid_from) return refuse(check.reason, "the token is not valid yet");
  return times;
}

// What both kinds of tokens have in common, in the order in which the cheapest says no.
base::Result<TokenTimes> check_signed(const UnverifiedJws& token, const SignedCheck& check) {
  JsonValue claims = token.claims.root();
  if (auto parties = check_parties(claims, token.claims, check); !parties) {
    return std::unexpected(parties.error());
  }
  auto times = check_token_times(claims, check);
  if (!times) return std::unexpected(times.error());
  if (auto verified = check_key_and_signature(token, check); !verified)
    return std::unexpected(verified.error());
  return *times;
}

// Optional; empty where it is missing. False: there, but no name of anything.
bool read_name(JsonValue claim, std::string& out) {
  if (!claim) return true;
  if (!claim.is(JsonKind::string) || claim.text().empty() || claim.text().size() > kSubjectBytesMax ||
      !is_clean(claim.text())) {
    return false;
  }
  out = claim.text();
  return true;
}

// Core §3.1.3.6: the left half of the access token's hash.
bool access_token_fits(JsonValue at_hash, const UnverifiedJws& token, std::string_view access_token) {
  if (!at_hash || access_token.empty()) return true;
  std::string hash = crypto::hash_of(token.algorithm, access_token);
  return at_hash.is(JsonKind::string) &&
         at_hash.text() == base::base64url_encode(std::string_view(hash).substr(0, hash.size() / 2));
}

base::Result<> check_login_time(JsonValue claims, const IdTokenCheck& check) {
  if (!check.max_age) return {};
  auto at = parse_numeric_date(claims.member("auth_time"));
  if (!at) return refuse(Reason::login_refused, "the ID token does not say when the login was");
  int64_t skew = check.policy.spec.clock_skew.ns;
  if (at->ns > check.now.ns + skew) return refuse(Reason::login_refused, "the login's time is in the future");
  if (check.now.ns - at->ns > check.max_age->ns + skew) {
    return refuse(Reason::login_refused, "the login is older than was asked for");
  }
  return {};
}

// Claims that are about the token or the login, which only the signed token can speak for.
bool speaks_of_the_token(std::string_view claim) {
  constexpr std::string_view kNames[] = {"iss", "aud",   "exp",     "nbf",    "iat",       "jti",
                                         "azp", "nonce", "at_hash", "c_hash", "auth_time", "acr",
                                         "amr", "sid",   "cnf",     "events"};
  for (std::string_view name : kNames) {
    if (claim == name) return true;
  }
  return false;
}

}  // namespace

base::Result<IdToken> verify_id_token(std::string_view token, const IdTokenCheck& check) {
  constexpr Reason kReason = Reason::login_refused;
  auto jws = parse_jws(token, kReason);
  if (!jws) return std::unexpected(jws.error());
  // RFC 9068 §2.1, Back-Channel Logout §2.4: of another type, for another use.
  if (jws->header.root().member("typ") && !has_type(jws->header, {"jwt"})) {
    return refuse(kReason, "the token is no ID token");
  }
  JsonValue claims = jws->claims.root();
  if (claims.member("events")) return refuse(kReason, "the token is no ID token");
  auto times = check_signed(*jws, {check.policy, check.keys, check.now, kReason, {}});
  if (!times) return std::unexpected(times.error());
  JsonValue nonce = claims.member("nonce");
  if (!check.nonce.empty() &&
      !(nonce.is(JsonKind::string) && crypto::equal_in_constant_time(nonce.text(), check.nonce))) {
    return refuse(kReason, "the ID token is not of this login");
  }
  if (!access_token_fits(claims.member("at_hash"), *jws, check.access_token)) {
    return refuse(kReason, "the ID token is not of this access token");
  }
  if (auto recent = check_login_time(claims, check); !recent) return std::unexpected(recent.error());
  IdToken out{.expires = times->expires, .issued = *parse_numeric_date(claims.member("iat"))};
  if (!read_name(claims.member("sub"), out.subject) || out.subject.empty()) {
    return refuse(kReason, "the ID token does not say whom it is about");
  }
  if (!read_name(claims.member("sid"), out.session)) {
    return refuse(kReason, "the ID token's session cannot be read");
  }
  append_json(out.claims, claims);
  return out;
}

base::Result<std::string> join_claims(const IdToken& token, std::string_view userinfo) {
  constexpr Reason kReason = Reason::login_refused;
  auto own = parse_json(token.claims, {});
  auto more = parse_json(userinfo, {});
  if (!own || !own->root().is(JsonKind::object))
    return refuse(kReason, "the ID token's claims cannot be read");
  if (!more || !more->root().is(JsonKind::object)) return refuse(kReason, "userinfo is not a JSON object");
  // Core §5.3.2: or it could be another person's.
  JsonValue subject = more->root().member("sub");
  if (!subject.is(JsonKind::string) || subject.text() != token.subject) {
    return refuse(kReason, "userinfo is about somebody else");
  }
  std::string out = "{";
  for (JsonValue claim = own->root().first(); claim; claim = claim.next()) append_json_member(out, claim);
  for (JsonValue claim = more->root().first(); claim; claim = claim.next()) {
    if (!own->root().member(claim.name()) && !speaks_of_the_token(claim.name()))
      append_json_member(out, claim);
  }
  out += '}';
  if (!parse_json(out, {})) return refuse(kReason, "the ID token's claims and userinfo's are too many");
  return out;
}

base::Result<LogoutToken> verify_logout_token(std::string_view token, const OidcPolicy& policy,
                                              const KeySet& keys, base::WallTime now) {
  constexpr Reason kReason = Reason::credential_invalid;
  auto jws = parse_jws(token, kReason);
  if (!jws) return std::unexpected(jws.error());
  // §2.4: recommended only, so that issuers leave it out or say JWT; `events` tells it from an ID token.
  if (jws->header.root().member("typ") && !has_type(jws->header, {"logout+jwt", "jwt"})) {
    return refuse(kReason, "the token is no logout token");
  }
  JsonValue claims = jws->claims.root();
  JsonValue events = claims.member("events");
  if (!events.is(JsonKind::object) || !events.member(kLogoutEvent).is(JsonKind::object)) {
    return refuse(kReason, "the token is no logout token");
  }
  // §2.4: so that it can never pass for an ID token.
  if (claims.member("nonce")) return refuse(kReason, "a logout token has no nonce");
  auto times = check_signed(*jws, {policy, keys, now, kReason, kLogoutTokenLife});
  if (!times) return std::unexpected(times.error());
  LogoutToken out{.expires = times->valid_until};
  if (!read_name(claims.member("sub"), out.subject) || !read_name(claims.member("sid"), out.session) ||
      (out.subject.empty() && out.session.empty())) {
    return refuse(kReason, "the logout token does not say whose session ends");
  }
  if (!read_name(claims.member("jti"), out.id) || out.id.empty()) {
    return refuse(kReason, "the logout token has no id");
  }
  return out;
}

}  // namespace auth
