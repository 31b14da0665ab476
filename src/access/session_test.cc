#include "access/session.h"

#include "base/bytes.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;

constexpr base::WallTime kNow{1'800'000'000'000'000'000};
constexpr SessionPlace kPlace{.provider = "staff", .host = "a.example"};

Sealer make_sealer(uint8_t first = 1) {
  crypto::AeadKey key;
  key.bytes[0] = first;
  return Sealer({key});
}

Session make_session() {
  return {.id = "0123456789abcdefghijkl",
          .provider = "staff",
          .host = "a.example",
          .version = 3,
          .signed_in = kNow,
          .seen = kNow + base::seconds(600),
          .tokens_from = kNow + base::seconds(300),
          .tokens_until = kNow + base::seconds(3900),
          .ends = kNow + base::seconds(12 * 3600),
          .renewal = Renewal::possible,
          .claims_in_store = false,
          .provider_session = "sid-1",
          .claims = R"({"sub":"alice","groups":["support"],"email":"a@x.example","sid":"sid-1","scope":"x"})",
          .scopes = {"openid", "orders:read"},
          .asked = "acr=mfa"};
}

TEST(SessionId, Is128RandomBits) {
  crypto::SystemRandom random;
  const std::string id = make_session_id(random);
  EXPECT_EQ(id.size(), 22u);
  EXPECT_EQ(base::base64url_decode(id)->size(), 16u);
  EXPECT_NE(make_session_id(random), id);
}

TEST(SessionCookie, HoldsTheWholeSession) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  const Session session = make_session();
  const std::string cookie = seal_session(session, sealer, random);
  EXPECT_EQ(cookie.find("alice"), std::string::npos);
  const auto opened = open_session(cookie, kPlace, sealer);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(*opened, session);
}

TEST(SessionCookie, CountsOnlyWhereAndAsItWasSealed) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  const std::string cookie = seal_session(make_session(), sealer, random);
  const auto reason = [](const base::Result<Session>& result) {
    return result ? Reason::none : result.error().reason;
  };
  EXPECT_EQ(reason(open_session(cookie, {"staff", "b.example"}, sealer)), Reason::session_invalid);
  EXPECT_EQ(reason(open_session(cookie, {"partners", "a.example"}, sealer)), Reason::session_invalid);
  EXPECT_EQ(reason(open_session(cookie, {"staff", "a.example", "another"}, sealer)), Reason::session_invalid);
  EXPECT_EQ(reason(open_session(cookie, kPlace, make_sealer(2))), Reason::session_invalid);
  EXPECT_EQ(reason(open_session("", kPlace, sealer)), Reason::session_invalid);
  EXPECT_EQ(reason(open_session(cookie + "A", kPlace, sealer)), Reason::session_invalid);
  EXPECT_EQ(reason(open_session(encode_session(make_session()), kPlace, sealer)), Reason::session_invalid);
  // Sealed for this place, but for another purpose or with a session of another place inside.
  const std::string plain = encode_session(make_session());
  EXPECT_EQ(reason(open_session(sealer.seal(plain, {"login", "staff", "a.example"}, random), kPlace, sealer)),
            Reason::session_invalid);
  for (const SessionPlace& other : {SessionPlace{"staff", "b.example"}, SessionPlace{"crew", "a.example"}}) {
    const std::string sealed = sealer.seal(plain, {"session", other.provider, other.host}, random);
    EXPECT_EQ(reason(open_session(sealed, other, sealer)), Reason::session_invalid);
  }
}

TEST(SessionCookie, LeavesLargeClaimsInTheStore) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  Session session = make_session();
  const size_t rest = encode_session(session).size() - session.claims.size() + 1;  // a longer length
  session.claims.assign((kSealedSessionBytesMax / 4 * 3) - 4 - crypto::kAeadOverhead - rest, ' ');
  EXPECT_TRUE(fits_cookie(session));
  EXPECT_EQ(seal_session(session, sealer, random).size(), kSealedSessionBytesMax);
  EXPECT_FALSE(open_session(seal_session(session, sealer, random), kPlace, sealer)->claims_in_store);

  // One byte more.
  session.claims += ' ';
  EXPECT_FALSE(fits_cookie(session));
  session.claims_in_store = true;
  const std::string cookie = seal_session(session, sealer, random);
  EXPECT_LT(cookie.size(), 250u);
  const auto opened = open_session(cookie, kPlace, sealer);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->claims_in_store);
  EXPECT_EQ(opened->claims, "");
  EXPECT_EQ(opened->scopes, std::vector<std::string>());
  EXPECT_EQ(opened->provider_session, "");
  EXPECT_EQ(opened->asked, "");
  EXPECT_EQ(identity_of(*opened, {}).error().reason, Reason::session_invalid);

  // The store has the whole; what the cookie says of times and versions is newer.
  Session newer = *opened;
  newer.seen = newer.seen + base::seconds(60);
  newer.version = 4;
  const auto whole = complete_session(newer, *decode_session(encode_session(session)));
  ASSERT_TRUE(whole);
  Session expected = session;
  expected.seen = newer.seen;
  expected.version = 4;
  EXPECT_EQ(*whole, expected);
  for (std::string Session::* field : {&Session::id, &Session::provider, &Session::host}) {
    Session other = session;
    other.*field += "x";
    EXPECT_EQ(complete_session(newer, other).error().reason, Reason::session_invalid);
  }
}

TEST(SessionCookie, NeverLargerThanABrowserKeeps) {
  crypto::SystemRandom random;
  const Sealer sealer = make_sealer();
  Session session = make_session();
  session.scopes.assign(500, "https://scopes.example/orders:read");
  session.provider_session.assign(5000, 's');
  EXPECT_FALSE(fits_cookie(session));
  EXPECT_LT(seal_session(session, sealer, random).size(), 250u);
}

TEST(EncodedSession, IsReadStrictly) {
  const Session session = make_session();
  const std::string text = encode_session(session);
  EXPECT_EQ(*decode_session(text), session);
  EXPECT_EQ(*decode_session(encode_session(Session())), Session());
  for (size_t size = 0; size < text.size(); ++size) {
    const auto cut = decode_session(text.substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().reason, Reason::session_invalid);
  }
  EXPECT_FALSE(decode_session(text + '\0'));
  // Another form than this release's.
  std::string other = text;
  other[0] = 3;
  EXPECT_FALSE(decode_session(other));
  // A choice that there is not, at either place.
  Session last = Session();
  const std::string plain = encode_session(last);  // ends with renewal, claims_in_store, four empty values
  for (size_t from_end : {5u, 6u}) {
    std::string wrong = plain;
    wrong[wrong.size() - from_end] = 2;
    EXPECT_FALSE(decode_session(wrong)) << from_end;
    wrong[wrong.size() - from_end] = 1;
    EXPECT_TRUE(decode_session(wrong)) << from_end;
  }
}

TEST(SessionIdentity, IsWhatTheClaimsSay) {
  const auto identity = identity_of(make_session(), {});
  ASSERT_TRUE(identity) << identity.error().detail;
  EXPECT_EQ((*identity)->provider, "staff");
  EXPECT_EQ((*identity)->subject, "alice");
  EXPECT_EQ((*identity)->groups, std::vector<std::string>{"support"});
  EXPECT_EQ((*identity)->email, "a@x.example");
  EXPECT_EQ((*identity)->session_id, "sid-1");
  EXPECT_EQ((*identity)->credential_id, "0123456789abcdefghijkl");
  EXPECT_EQ((*identity)->expires, make_session().ends);
  EXPECT_EQ((*identity)->claims.root().member("sub").text(), "alice");
  // Granted by the issuer, whatever a claim says.
  EXPECT_EQ((*identity)->scopes, (std::vector<std::string>{"openid", "orders:read"}));
}

TEST(SessionIdentity, IsReadByTheProvidersNames) {
  Session session = make_session();
  session.claims = R"({"oid":"7","realm":{"roles":"a b"}})";
  ClaimNames names{.subject = "oid", .scopes = "scope", .groups = "realm.roles", .groups_separator = " "};
  const auto identity = identity_of(session, names);
  ASSERT_TRUE(identity);
  EXPECT_EQ((*identity)->subject, "7");
  EXPECT_EQ((*identity)->groups, (std::vector<std::string>{"a", "b"}));
}

TEST(SessionIdentity, EndsWithTheTokensThatNothingRenews) {
  Session session = make_session();
  session.renewal = Renewal::none;
  EXPECT_EQ((*identity_of(session, {}))->expires, session.tokens_until);
  session.tokens_until = session.ends + base::seconds(1);
  EXPECT_EQ((*identity_of(session, {}))->expires, session.ends);
}

TEST(SessionIdentity, IsNobodyWhenClaimsCannotBeRead) {
  for (std::string_view claims :
       {"", "null", "[]", "{", R"({"sub":""})", R"({"sub":7})", R"({"groups":["a"]})",
        R"({"sub":"a","sub":"b"})", R"({"sub":"a\n"})", R"({"sub":"a","groups":7})"}) {
    Session session = make_session();
    session.claims = claims;
    const auto identity = identity_of(session, {});
    ASSERT_FALSE(identity) << claims;
    EXPECT_EQ(identity.error().reason, Reason::session_invalid);
  }
  Session session = make_session();
  session.scopes.push_back("a\nb");
  EXPECT_EQ(identity_of(session, {}).error().reason, Reason::session_invalid);
  session = make_session();
  session.claims = R"({"sub":")" + std::string(kSessionClaimsBytesMax, 'a') + R"("})";
  EXPECT_EQ(identity_of(session, {}).error().reason, Reason::session_invalid);
}

// Times are seconds after the login.
struct TimeCase {
  int64_t now;
  std::string_view ended;  // beginning of the detail; empty: goes on
};

Session timed_session(Renewal renewal) {
  Session session = make_session();
  session.renewal = renewal;
  session.seen = kNow + base::seconds(1000);
  session.tokens_from = kNow;
  session.tokens_until = kNow + base::seconds(2000);
  session.ends = kNow + base::seconds(3000);
  return session;
}

void expect_ends(const Session& session, const SessionLimits& limits, std::vector<TimeCase> cases) {
  for (const TimeCase& c : cases) {
    const auto result = check_session(session, limits, kNow + base::seconds(c.now));
    EXPECT_EQ(result.has_value(), c.ended.empty()) << c.now;
    if (result) continue;
    EXPECT_EQ(result.error().reason, Reason::session_ended);
    EXPECT_EQ(std::string_view(result.error().detail).substr(0, c.ended.size()), c.ended) << c.now;
  }
}

TEST(CheckSession, EndsByLifetimeIdleTimeOrTokens) {
  const SessionLimits wide{.lifetime = base::seconds(100000), .idle = base::seconds(100000)};
  expect_ends(timed_session(Renewal::none), wide,
              {{0, ""}, {1999, ""}, {2000, "the session's tokens"}, {3000, "the session has reached"}});
  expect_ends(timed_session(Renewal::possible), wide,
              {{1999, ""}, {2000, ""}, {2999, ""}, {3000, "the session has reached"}});
  expect_ends(timed_session(Renewal::possible), {.lifetime = wide.lifetime, .idle = base::seconds(500)},
              {{1499, ""}, {1500, "the session was not used"}, {2500, "the session was not used"}});
  // A lifetime that became shorter since.
  expect_ends(timed_session(Renewal::possible), {.lifetime = base::seconds(1200), .idle = wide.idle},
              {{1199, ""}, {1200, "the session has reached"}});
  // Clocks of two gates that differ.
  expect_ends(timed_session(Renewal::possible), wide, {{-5, ""}});
}

TEST(Renewal, IsDueAQuarterOfTheTokensLifeAheadAndAtMostFiveMinutes) {
  struct Case {
    int64_t life, due;  // seconds
  } const cases[] = {{4, 3}, {60, 45}, {1200, 900}, {3600, 3300}, {86400 / 2, 86400 / 2 - 300},
                     {0, 0}, {-5, -5}};
  for (const Case& c : cases) {
    Session session = timed_session(Renewal::possible);
    session.ends = kNow + base::seconds(86400);
    session.tokens_from = kNow + base::seconds(100);
    session.tokens_until = session.tokens_from + base::seconds(c.life);
    const base::WallTime due = session.tokens_from + base::seconds(c.due);
    EXPECT_FALSE(renewal_is_due(session, due + base::nanoseconds(-1))) << c.life;
    EXPECT_TRUE(renewal_is_due(session, due)) << c.life;
    EXPECT_FALSE(renewal_is_overdue(session, session.tokens_until + base::nanoseconds(-1)));
    EXPECT_TRUE(renewal_is_overdue(session, session.tokens_until));
    EXPECT_TRUE(renewal_is_due(session, session.tokens_until + base::seconds(60)));
    session.renewal = Renewal::none;
    EXPECT_FALSE(renewal_is_due(session, session.tokens_until));
    EXPECT_FALSE(renewal_is_overdue(session, session.tokens_until));
  }
}

TEST(Renewal, IsNotDueForTokensThatOutliveTheSession) {
  Session session = timed_session(Renewal::possible);
  session.tokens_until = session.ends;
  EXPECT_FALSE(renewal_is_due(session, session.ends + base::nanoseconds(-1)));
  session.tokens_until = session.ends + base::nanoseconds(-1);
  EXPECT_TRUE(renewal_is_due(session, session.tokens_until));
}

TEST(Reseal, IsDueAfterATenthOfTheIdleTime) {
  const Session session = timed_session(Renewal::possible);
  const SessionLimits limits{.lifetime = base::seconds(100000), .idle = base::seconds(600)};
  EXPECT_FALSE(reseal_is_due(session, limits, session.seen));
  EXPECT_FALSE(reseal_is_due(session, limits, session.seen + base::nanoseconds(59'999'999'999)));
  EXPECT_TRUE(reseal_is_due(session, limits, session.seen + base::seconds(60)));
  EXPECT_FALSE(reseal_is_due(session, limits, session.seen + base::seconds(-60)));
}

}  // namespace
}  // namespace auth
