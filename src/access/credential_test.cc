#include "access/credential.h"

#include <initializer_list>

#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;
using http::HeaderId;

struct Sent {
  HeaderId id;
  std::string_view value;
};
constexpr HeaderId kKey = HeaderId::x_api_key;
constexpr HeaderId kAuth = HeaderId::authorization;

http::Headers headers_of(std::initializer_list<Sent> sent) {
  http::Headers headers;
  headers.add({.name = "accept", .value = "*/*", .id = HeaderId::accept});
  for (const Sent& each : sent) headers.add({.name = "any", .value = each.value, .id = each.id});
  return headers;
}

TEST(FindCredential, FindsTheOne) {
  struct Case {
    std::initializer_list<Sent> sent;
    CredentialKind kind;
    std::string_view text;
  } const cases[] = {
      {{}, CredentialKind::none, ""},
      {{{kKey, "gh_abc"}}, CredentialKind::api_key, "gh_abc"},
      {{{kKey, "not-one-of-ours"}}, CredentialKind::api_key, "not-one-of-ours"},
      {{{kAuth, "Bearer a.b.c"}}, CredentialKind::bearer, "a.b.c"},
      {{{kAuth, "bearer a.b.c"}}, CredentialKind::bearer, "a.b.c"},
      {{{kAuth, "BEARER   a.b.c"}}, CredentialKind::bearer, "a.b.c"},
      {{{kAuth, "Bearer abc=="}}, CredentialKind::bearer, "abc=="},
      {{{kAuth, "Bearer gh_abc"}}, CredentialKind::api_key, "gh_abc"},
      {{{kAuth, "Bearer GH_abc"}}, CredentialKind::bearer, "GH_abc"},
      {{{kAuth, "DPoP a.b.c"}}, CredentialKind::dpop, "a.b.c"},
      {{{kAuth, "dpop  a.b.c"}}, CredentialKind::dpop, "a.b.c"},
      {{{kAuth, "DPoP gh_abc"}}, CredentialKind::dpop, "gh_abc"},
      {{{kAuth, "DPoPx abc"}}, CredentialKind::none, ""},
      {{{kAuth, "Basic dXNlcjpwYXNz"}}, CredentialKind::none, ""},
      {{{kAuth, "Bearerish abc"}}, CredentialKind::none, ""},
      {{{kAuth, "Bearer-x abc"}}, CredentialKind::none, ""},
      {{{kAuth, "Digest username=\"Bearer x\""}}, CredentialKind::none, ""},
      {{{kAuth, ""}}, CredentialKind::none, ""},
      {{{kAuth, "Basic dXNlcjpwYXNz"}, {kKey, "gh_abc"}}, CredentialKind::api_key, "gh_abc"},
  };
  for (const Case& c : cases) {
    auto found = find_credential(headers_of(c.sent));
    ASSERT_TRUE(found) << c.text;
    EXPECT_EQ(found->kind, c.kind) << c.text;
    EXPECT_EQ(found->text, c.text);
  }
}

TEST(FindCredential, RefusesWhatIsAmbiguous) {
  struct Case {
    const char* what;
    std::initializer_list<Sent> sent;
    Reason reason;
  } const cases[] = {
      {"two keys", {{kKey, "a"}, {kKey, "b"}}, Reason::credential_malformed},
      {"the same key twice", {{kKey, "a"}, {kKey, "a"}}, Reason::credential_malformed},
      {"an empty key", {{kKey, ""}}, Reason::credential_malformed},
      {"a list of keys", {{kKey, "a, b"}}, Reason::credential_malformed},
      {"a key with a space", {{kKey, "a b"}}, Reason::credential_malformed},
      {"two tokens", {{kAuth, "Bearer a"}, {kAuth, "Bearer b"}}, Reason::credential_malformed},
      {"a token in two ways", {{kAuth, "Bearer a"}, {kAuth, "DPoP a"}}, Reason::credential_malformed},
      {"no token behind DPoP", {{kAuth, "DPoP"}}, Reason::credential_malformed},
      {"two schemes", {{kAuth, "Basic a"}, {kAuth, "Bearer b"}}, Reason::credential_malformed},
      {"two schemes, other order", {{kAuth, "Bearer b"}, {kAuth, "Basic a"}}, Reason::credential_malformed},
      {"two foreign ones", {{kAuth, "Basic a"}, {kAuth, "Basic a"}}, Reason::credential_malformed},
      {"no token", {{kAuth, "Bearer"}}, Reason::credential_malformed},
      {"a tab", {{kAuth, "Bearer\ta"}}, Reason::credential_malformed},
      {"no space", {{kAuth, "Bearer,a"}}, Reason::credential_malformed},
      {"two in one", {{kAuth, "Bearer a b"}}, Reason::credential_malformed},
      {"a list in one", {{kAuth, "Bearer a, Bearer b"}}, Reason::credential_malformed},
      {"quoted", {{kAuth, "Bearer \"a\""}}, Reason::credential_malformed},
      {"padding inside", {{kAuth, "Bearer a=b"}}, Reason::credential_malformed},
      {"only padding", {{kAuth, "Bearer =="}}, Reason::credential_malformed},
      {"not ASCII", {{kAuth, "Bearer a\xC3\xA9"}}, Reason::credential_malformed},
      {"two API keys", {{kKey, "gh_a"}, {kAuth, "Bearer gh_a"}}, Reason::credential_malformed},
      {"a key and a token", {{kKey, "gh_a"}, {kAuth, "Bearer a.b.c"}}, Reason::credential_conflict},
      {"a key and a bound token", {{kKey, "gh_a"}, {kAuth, "DPoP a.b.c"}}, Reason::credential_conflict},
      {"a token and a key", {{kAuth, "Bearer a.b.c"}, {kKey, "gh_a"}}, Reason::credential_conflict},
  };
  for (const Case& c : cases) {
    auto found = find_credential(headers_of(c.sent));
    ASSERT_FALSE(found) << c.what;
    EXPECT_EQ(found.error().reason, c.reason) << c.what;
    EXPECT_EQ(found.error().side, base::Side::client) << c.what;
  }
}

}  // namespace
}  // namespace auth
