#include "access/introspection.h"

#include <algorithm>

#include "access/jwt.h"
#include "access/proof.h"
#include "base/bytes.h"

namespace auth {
namespace {

using base::Reason;

constexpr JsonLimits kLimits{.bytes = kIntrospectionBytesMax, .depth = 16, .values = 2048};
// Given to the issuer's clock where a token is not valid yet. None is given at its end: nothing is kept
// beyond `exp`.
constexpr base::Duration kSkew = base::seconds(30);

std::unexpected<base::Error> refuse(const char* why) {
  return base::client_error(Reason::credential_invalid, why);
}
std::unexpected<base::Error> unreadable(const char* why) {
  return base::gate_error(Reason::introspection_unavailable, why);
}

bool is_one_of(JsonValue value, std::initializer_list<std::string_view> words) {
  return value.is(JsonKind::string) && std::ranges::any_of(words, [&](std::string_view word) {
           return base::equals_ignoring_case(value.text(), word);
         });
}

// Issuers call refresh tokens and ID tokens active too. `token_type` is the standard's (RFC 6749 §5.1);
// `token_use` and `typ` are what widespread issuers say instead.
bool is_access_token(JsonValue answer) {
  auto may_be = [&](std::string_view name, std::initializer_list<std::string_view> words) {
    JsonValue value = answer.member(name);
    return !value || value.is(JsonKind::null) || is_one_of(value, words);
  };
  if (!may_be("token_type", {"Bearer", "DPoP", "access_token"})) return false;
  if (!may_be("token_use", {"access_token", "access"})) return false;
  return !is_one_of(answer.member("typ"), {"Refresh", "Offline", "ID", "Logout", "logout+jwt"});
}

base::Result<> check_times(JsonValue answer, base::WallTime now, base::WallTime& expires) {
  if (JsonValue exp = answer.member("exp")) {
    auto date = parse_numeric_date(exp);
    if (!date) return refuse("the token does not say when it expires");
    expires = *date;
  }
  if (now >= expires) return refuse("the token has expired");
  if (JsonValue nbf = answer.member("nbf")) {
    auto date = parse_numeric_date(nbf);
    if (!date) return refuse("a date in the token cannot be read");
    if (now.ns < date->ns - kSkew.ns) return refuse("the token is not valid yet");
  }
  return {};
}

}  // namespace

base::Result<Introspected> read_introspection(std::string_view json, const IntrospectionPolicy& policy,
                                              base::WallTime now) {
  auto tree = parse_json(json, kLimits);
  if (!tree || !tree->root().is(JsonKind::object))
    return unreadable("the introspection endpoint's answer is no JSON object");
  JsonValue answer = tree->root();
  JsonValue active = answer.member("active");
  if (!active.is(JsonKind::boolean))
    return unreadable("the introspection endpoint does not say whether the token is active");
  // From here on what is wrong is the token's: whoever sends it must not make its issuer look broken.
  if (active.text() != "true") return refuse("the token is not active");
  const IntrospectionSpec& spec = policy.spec;
  // RFC 7662 §2.2: optional, and the endpoint is its issuer's own.
  JsonValue issuer = answer.member("iss");
  if (!spec.issuer.empty() && issuer && !(issuer.is(JsonKind::string) && issuer.text() == spec.issuer)) {
    return refuse("the token's issuer is not accepted");
  }
  if (!is_access_token(answer)) return refuse("the token is of another type");
  if (!has_audience(*tree, spec.audience)) return refuse("the token is for another audience");
  base::WallTime expires{INT64_MAX};
  if (auto valid = check_times(answer, now, expires); !valid) return std::unexpected(valid.error());
  auto identity = read_identity(answer, policy.provider, spec.claims);
  if (!identity) return std::unexpected(identity.error());
  auto binding = check_binding(identity->confirmation, spec.sender_constrained);
  if (!binding) return std::unexpected(binding.error());
  identity->expires = expires;
  identity->claims = std::move(*tree);
  return Introspected{.identity = make_identity(std::move(*identity)),
                      .valid_until = std::min(expires, base::WallTime{now.ns + spec.cache.ns})};
}

}  // namespace auth
