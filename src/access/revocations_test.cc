#include "access/revocations.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

constexpr base::WallTime kNow{1'800'000'000'000'000'000};
constexpr base::Duration kTick = base::nanoseconds(1);

Session make_session() {
  Session session;
  session.id = "0123456789abcdefghijkl";
  session.provider = "staff";
  session.signed_in = kNow;
  session.provider_session = "sid-1";
  return session;
}

Revocation revoked(RevokedBy by, std::string provider, std::string name, base::WallTime before = kNow) {
  return {.by = by,
          .provider = std::move(provider),
          .name = std::move(name),
          .before = before,
          .until = kNow + base::seconds(3600)};
}

TEST(Revocations, CoverWhatTheyName) {
  const base::WallTime earlier = kNow + base::nanoseconds(-1);
  struct Case {
    Revocation revocation;
    bool covered;
  } const cases[] = {
      {revoked(RevokedBy::session, "staff", "0123456789abcdefghijkl"), true},
      {revoked(RevokedBy::provider_session, "staff", "sid-1"), true},
      {revoked(RevokedBy::subject, "staff", "alice"), true},
      // Sessions signed in later are others, unless they are named by their id.
      {revoked(RevokedBy::session, "staff", "0123456789abcdefghijkl", earlier), true},
      {revoked(RevokedBy::provider_session, "staff", "sid-1", earlier), false},
      {revoked(RevokedBy::subject, "staff", "alice", earlier), false},
      // Another provider's, another name, another kind.
      {revoked(RevokedBy::session, "crew", "0123456789abcdefghijkl"), false},
      {revoked(RevokedBy::provider_session, "crew", "sid-1"), false},
      {revoked(RevokedBy::subject, "crew", "alice"), false},
      {revoked(RevokedBy::session, "staff", "0123456789abcdefghijk"), false},
      {revoked(RevokedBy::session, "staff", "0123456789abcdefghijkl0"), false},
      {revoked(RevokedBy::provider_session, "staff", "sid-"), false},
      {revoked(RevokedBy::subject, "staff", "alice "), false},
      {revoked(RevokedBy::subject, "staff", "Alice"), false},
      {revoked(RevokedBy::subject, "staff", "sid-1"), false},
      {revoked(RevokedBy::subject, "staff", "0123456789abcdefghijkl"), false},
      {revoked(RevokedBy::provider_session, "staff", "alice"), false},
      {revoked(RevokedBy::session, "staff", "alice"), false},
      {revoked(RevokedBy::subject, "staffa", "lice"), false},
      {revoked(RevokedBy::subject, "", "staffalice"), false},
  };
  for (const Case& c : cases) {
    Revocations revocations;
    EXPECT_FALSE(revocations.covers(make_session(), "alice"));
    revocations.add(c.revocation);
    EXPECT_EQ(revocations.covers(make_session(), "alice"), c.covered)
        << static_cast<int>(c.revocation.by) << c.revocation.provider << " " << c.revocation.name;
    // Many others change nothing.
    for (int i = 0; i < 100; ++i) revocations.add(revoked(RevokedBy::subject, "staff", std::to_string(i)));
    EXPECT_EQ(revocations.covers(make_session(), "alice"), c.covered);
  }
}

TEST(Revocations, WithoutASidNoneIsCoveredByIt) {
  Revocations revocations;
  revocations.add(revoked(RevokedBy::provider_session, "staff", ""));
  Session session = make_session();
  session.provider_session.clear();
  EXPECT_FALSE(revocations.covers(session, "alice"));
}

TEST(Revocations, OneNameKeepsTheLaterTimes) {
  const Revocation late = {RevokedBy::subject, "staff", "alice", kNow, kNow + base::seconds(20)};
  const Revocation early = {RevokedBy::subject, "staff", "alice", kNow + base::seconds(-60),
                            kNow + base::seconds(10)};
  for (bool late_first : {true, false}) {
    Revocations revocations;
    revocations.add(late_first ? late : early);
    revocations.add(late_first ? early : late);
    EXPECT_EQ(revocations.size(), 1u);
    EXPECT_EQ(revocations.version(), late_first ? 1u : 2u);
    revocations.forget_passed(kNow + base::seconds(15));
    EXPECT_TRUE(revocations.covers(make_session(), "alice"));
  }
}

TEST(Revocations, AreForgottenWhenTheirSessionsHaveEnded) {
  Revocations revocations;
  revocations.add(revoked(RevokedBy::subject, "staff", "alice"));
  Revocation longer = revoked(RevokedBy::subject, "staff", "bob");
  longer.until = longer.until + kTick;
  revocations.add(longer);
  revocations.forget_passed(kNow + base::seconds(3600) + base::nanoseconds(-1));
  EXPECT_EQ(revocations.size(), 2u);
  revocations.forget_passed(kNow + base::seconds(3600));
  EXPECT_EQ(revocations.size(), 1u);
  EXPECT_TRUE(revocations.covers(make_session(), "bob"));
  revocations.forget_passed(kNow + base::seconds(3600) + kTick);
  EXPECT_EQ(revocations.size(), 0u);
  EXPECT_FALSE(revocations.covers(make_session(), "bob"));
}

TEST(EncodedRevocation, IsReadStrictly) {
  for (RevokedBy by : {RevokedBy::session, RevokedBy::provider_session, RevokedBy::subject}) {
    const Revocation revocation = revoked(by, "staff", std::string("a\0b", 3));
    const std::string text = encode_revocation(revocation);
    EXPECT_EQ(decode_revocation(text), revocation);
    for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(decode_revocation(text.substr(0, size)));
    EXPECT_FALSE(decode_revocation(text + '\0'));
    std::string wrong = text;
    wrong[0] = 2;  // another form
    EXPECT_FALSE(decode_revocation(wrong));
    wrong = text;
    wrong[1] = 3;  // no kind
    EXPECT_FALSE(decode_revocation(wrong));
  }
}

}  // namespace
}  // namespace auth
