#include "access/jwt.h"

#include <algorithm>
#include <optional>

#include "access/proof.h"
#include "base/bytes.h"

namespace auth {
namespace {

std::unexpected<base::Error> refuse(const char* why) {
  return base::client_error(base::Reason::credential_invalid, why);
}

// A list of strings, or one string. Anything else refuses the token: a rule that denies by group must not be
// passed by with a claim that cannot be read.
bool read_list(JsonValue claim, std::vector<std::string>& out) {
  if (!claim || claim.is(JsonKind::null)) return true;
  if (claim.is(JsonKind::string)) {
    out.emplace_back(claim.text());
    return is_clean(claim.text());
  }
  if (!claim.is(JsonKind::array)) return false;
  for (JsonValue item = claim.first(); item; item = item.next()) {
    if (!item.is(JsonKind::string) || !is_clean(item.text())) return false;
    out.emplace_back(item.text());
  }
  return true;
}

void split(std::string_view text, char separator, std::vector<std::string>& out) {
  while (!text.empty()) {
    size_t end = text.find(separator);
    if (end != 0) out.emplace_back(text.substr(0, end));
    text = end == text.npos ? std::string_view{} : text.substr(end + 1);
  }
}

// A string is one group unless the settings say that it is several: "Domain Admins" is not "Admins".
bool read_groups(JsonValue claim, std::string_view separator, std::vector<std::string>& out) {
  if (separator.empty() || !claim.is(JsonKind::string)) return read_list(claim, out);
  split(claim.text(), separator.front(), out);
  return is_clean(claim.text());
}

// RFC 8693 §4.2: `scope` is one string with spaces between; some issuers send a list.
bool read_scopes(JsonValue claim, std::vector<std::string>& out) {
  if (!claim.is(JsonKind::string)) return read_list(claim, out);
  split(claim.text(), ' ', out);
  return is_clean(claim.text());
}

// A claim that only informs: left out when it is not a clean text.
std::string read_text(JsonValue claim) {
  if (!claim.is(JsonKind::string) || !is_clean(claim.text())) return {};
  return std::string(claim.text());
}

// Only an address the issuer does not itself call unverified, with exactly one '@'.
std::string read_email(JsonValue claims) {
  JsonValue verified = claims.member("email_verified");
  if (verified && verified.text() != "true") return {};
  std::string email = read_text(claims.member("email"));
  return std::count(email.begin(), email.end(), '@') == 1 ? email : std::string();
}

}  // namespace

base::Result<Identity> read_identity(JsonValue claims, std::string_view provider, const ClaimNames& names) {
  Identity identity;
  identity.provider = provider;
  JsonValue subject = claims.find(names.subject);
  if (!subject.is(JsonKind::string) || subject.text().empty() || subject.text().size() > kSubjectBytesMax ||
      !is_clean(subject.text())) {
    return refuse("the token does not say whom it is about");
  }
  identity.subject = subject.text();
  if (!read_scopes(claims.find(names.scopes), identity.scopes)) {
    return refuse("the token's scopes cannot be read");
  }
  if (!read_groups(claims.find(names.groups), names.groups_separator, identity.groups)) {
    return refuse("the token's groups cannot be read");
  }
  identity.email = read_email(claims);
  identity.preferred_username = read_text(claims.member("preferred_username"));
  identity.session_id = read_text(claims.member("sid"));
  identity.credential_id = read_text(claims.member("jti"));
  auto confirmation = read_confirmation(claims);
  if (!confirmation) return std::unexpected(confirmation.error());
  identity.confirmation = *confirmation;
  return identity;
}

base::Result<UnverifiedJwt> parse_jwt(std::string_view token) {
  auto parsed = parse_jws(token, base::Reason::credential_invalid);
  if (!parsed) return std::unexpected(parsed.error());
  // RFC 7519 §5.1, RFC 9068 §2.1. Other types (logout+jwt, dpop+jwt) are signed by the same keys for other
  // uses.
  if (parsed->header.root().member("typ") && !has_type(parsed->header, {"jwt", "at+jwt"})) {
    return refuse("the token is of another type");
  }
  UnverifiedJwt out{std::move(*parsed), {}};
  JsonValue issuer = out.claims.root().member("iss");
  if (!issuer.is(JsonKind::string)) return refuse("the token does not say who issued it");
  out.issuer = issuer.text();
  return out;
}

base::Result<> check_signature(const UnverifiedJws& token, const VerificationKey& key, AlgorithmSet allowed) {
  if (!allowed.has(token.algorithm)) return refuse("the token's algorithm is not accepted");
  if (!key.fits(token.algorithm)) return refuse("the token's algorithm does not fit its key");
  if (!key.key.verify(token.algorithm, token.signing_input, token.signature)) {
    return refuse("the token's signature is not valid");
  }
  return {};
}

base::Result<TokenTimes> check_times(JsonValue claims, base::Duration skew, base::WallTime now) {
  auto expires = parse_numeric_date(claims.member("exp"));
  if (!expires) return refuse("the token does not say when it expires");
  TokenTimes times{.expires = *expires, .valid_from = {0}, .valid_until = {expires->ns + skew.ns}};
  for (std::string_view name : {"nbf", "iat"}) {
    JsonValue claim = claims.member(name);
    if (!claim) continue;
    auto date = parse_numeric_date(claim);
    if (!date) return refuse("a date in the token cannot be read");
    times.valid_from = std::max(times.valid_from, base::WallTime{date->ns - skew.ns});
  }
  // RFC 7519 §4.1.4: "on or after which" it must not be accepted.
  if (now >= times.valid_until) return refuse("the token has expired");
  if (now < times.valid_from) return refuse("the token is not valid yet");
  return times;
}

bool has_audience(const JsonTree& claims, const std::vector<std::string>& any_of) {
  JsonValue audience = claims.root().member("aud");
  auto is_accepted = [&](JsonValue value) {
    return value.is(JsonKind::string) &&
           std::find(any_of.begin(), any_of.end(), value.text()) != any_of.end();
  };
  if (!audience.is(JsonKind::array)) return is_accepted(audience);
  for (JsonValue item = audience.first(); item; item = item.next()) {
    if (is_accepted(item)) return true;
  }
  return false;
}

base::Result<VerifiedJwt> verify_jwt(UnverifiedJwt& token, const VerificationKey& key,
                                     const JwtPolicy& policy, base::WallTime now) {
  auto signature = check_signature(token, key, policy.algorithms);
  if (!signature) return std::unexpected(signature.error());
  JsonValue claims = token.claims.root();
  if (token.issuer != policy.issuer) return refuse("the token's issuer is not accepted");
  if (!has_audience(token.claims, policy.audience)) return refuse("the token is for another audience");
  auto times = check_times(claims, policy.clock_skew, now);
  if (!times) return std::unexpected(times.error());
  auto identity = read_identity(claims, policy.provider, policy.claims);
  if (!identity) return std::unexpected(identity.error());
  auto binding = check_binding(identity->confirmation, policy.sender_constrained);
  if (!binding) return std::unexpected(binding.error());
  identity->expires = times->expires;
  identity->claims = std::move(token.claims);
  return VerifiedJwt{.identity = make_identity(std::move(*identity)),
                     .valid_from = times->valid_from,
                     .valid_until = times->valid_until};
}

}  // namespace auth
