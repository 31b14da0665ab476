#include "cli/caller_text.h"

#include <gtest/gtest.h>

namespace {

TEST(CallerText, ReadsEveryPart) {
  auto caller = cli::parse_caller(
      " provider=partners sub='alice smith'  scopes=a,b groups=g claims.org.tenant=acme,x "
      "acr=urn:mfa amr=pwd,otp auth_age=5m");
  ASSERT_TRUE(caller) << caller.error();
  EXPECT_EQ(caller->provider, "partners");
  EXPECT_EQ(caller->subject, "alice smith");
  EXPECT_EQ(caller->scopes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(caller->groups, (std::vector<std::string>{"g"}));
  EXPECT_EQ(caller->acr, "urn:mfa");
  EXPECT_EQ(caller->amr, (std::vector<std::string>{"pwd", "otp"}));
  EXPECT_EQ(caller->auth_age, base::seconds(300));
  ASSERT_EQ(caller->claims.size(), 1u);
  EXPECT_EQ(caller->claims[0].path, "org.tenant");
  EXPECT_EQ(caller->claims[0].values, (std::vector<std::string>{"acme", "x"}));
}

TEST(CallerText, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "provider=NAME"},
      {"sub=alice", "provider=NAME"},
      {"provider=p scops=a", "`scopes`"},
      {"provider=p alice", "no value"},
      {"provider=p sub='alice", "not closed"},
      {"provider=p claims.=x", "claims."},
      {"provider=p auth_age=5", "not a duration"},
      {"provider=p arc=x", "`acr`"},
  };
  for (auto [text, said] : cases) {
    auto caller = cli::parse_caller(text);
    ASSERT_FALSE(caller) << text;
    EXPECT_NE(caller.error().find(said), std::string::npos) << text << ": " << caller.error();
  }
}

TEST(CallerText, DescribesACaller) {
  EXPECT_EQ(cli::describe_caller(nullptr), "nobody");
  auth::Identity alice;
  alice.subject = "alice";
  alice.provider = "partners";
  alice.scopes = {"a", "b"};
  EXPECT_EQ(cli::describe_caller(&alice), "alice of partners, scopes a b");
}

}  // namespace
