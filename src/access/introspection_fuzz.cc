// Any bytes as an introspection endpoint's answer: who is let in was called active, for this audience, by
// this issuer, and not for longer than the answer says.
#include "access/introspection.h"

#include <cstdlib>

#include "access/test_tokens.h"

namespace {

using auth::testing::kNow;

void require(bool holds) {
  if (!holds) std::abort();
}

auth::IntrospectionPolicy make_policy() {
  auth::IntrospectionPolicy policy;
  policy.provider = "legacy";
  policy.spec.issuer = "https://id.example";
  policy.spec.audience = {"orders"};
  return policy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::IntrospectionPolicy policy = make_policy();
  auto read = auth::read_introspection({reinterpret_cast<const char*>(data), size}, policy, kNow);
  if (!read) {
    require(read.error().reason == base::Reason::credential_invalid ||
            read.error().reason == base::Reason::introspection_unavailable);
    return 0;
  }
  const auth::Identity& identity = *read->identity;
  auth::JsonValue answer = identity.claims.root();
  require(answer.member("active").is(auth::JsonKind::boolean) && answer.member("active").text() == "true");
  const auth::JsonValue issuer = answer.member("iss");
  require((!issuer || issuer.text() == "https://id.example") && answer.member("aud").holds("orders"));
  require(!identity.subject.empty() && auth::is_clean(identity.subject) && identity.provider == "legacy");
  require(read->valid_until > kNow && read->valid_until <= identity.expires &&
          read->valid_until.ns <= kNow.ns + policy.spec.cache.ns);
  return 0;
}
