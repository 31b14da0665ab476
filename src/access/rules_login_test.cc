// Conditions on the caller's login: how strong it was and how long ago. What nobody says satisfies nothing.
#include "access/rules.h"
#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;

constexpr base::WallTime kNow{1'800'000'000'000'000'000};
const std::string kProviders[] = {"staff"};
const RuleSet kNoRules;

std::shared_ptr<const RuleSet> rules_of(std::vector<RuleSpec> specs) {
  auto compiled = compile_rules({.rules = specs, .provider_names = kProviders});
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error()[0].message);
  return compiled ? *compiled : std::make_shared<const RuleSet>();
}

RuleSpec rule(Effect effect, std::string name, WhoSpec who) {
  RuleSpec spec;
  spec.name = std::move(name);
  spec.effect = effect;
  spec.who = std::move(who);
  return spec;
}
RuleSpec allow(std::string name, WhoSpec who) { return rule(Effect::allow, std::move(name), std::move(who)); }

template <class... Specs>
std::shared_ptr<const RuleSet> rules_with(Specs... specs) {
  std::vector<RuleSpec> list;
  (list.push_back(std::move(specs)), ...);
  return rules_of(std::move(list));
}

Identity caller_with(std::string_view claims, std::vector<std::string> scopes = {}) {
  Identity identity;
  identity.provider = "staff";
  identity.subject = "alice";
  identity.scopes = std::move(scopes);
  identity.claims = *parse_json(claims, {});
  return identity;
}

Verdict check(const RuleSet& rules, const Identity* caller, Trace* trace = nullptr) {
  return check_access(kNoRules, rules, {.method = "GET", .path = "/", .caller = caller, .now = kNow}, trace);
}

TEST(LoginRules, HoldOnlyForWhatTheLoginSays) {
  const base::Duration quarter = base::seconds(900);
  struct Case {
    WhoSpec who;
    std::string_view claims;
    Clause clause;
  };
  std::vector<Case> cases;
  auto add = [&](WhoSpec who, std::string_view claims, Clause clause) {
    cases.push_back({std::move(who), claims, clause});
  };
  add({.acr = {"urn:mfa"}}, R"({"acr":"urn:mfa"})", Clause::acr);
  add({.acr = {"urn:hw", "urn:mfa"}}, R"({"acr":"urn:mfa"})", Clause::acr);
  add({.amr = {"mfa", "otp"}}, R"({"amr":["pwd","otp","mfa"]})", Clause::amr);
  add({.amr = {"mfa"}}, R"({"amr":"mfa"})", Clause::amr);
  add({.max_age = quarter}, R"({"auth_time":1799999100})", Clause::age);
  add({.max_age = quarter}, R"({"auth_time":1800000000})", Clause::age);
  add({.max_age = quarter}, R"({"auth_time":1800000060})", Clause::age);  // its clock is ahead
  add({.acr = {"a"}, .amr = {"b"}, .max_age = quarter}, R"({"acr":"a","amr":["b"],"auth_time":1799999999.5})",
      Clause::age);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.claims);
    Identity caller = caller_with(c.claims);
    std::vector<RuleSpec> list;
    list.push_back(allow("r", {.acr = c.who.acr, .amr = c.who.amr, .max_age = c.who.max_age}));
    Verdict verdict = check(*rules_of(std::move(list)), &caller);
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.clause, c.clause);
  }

  std::vector<Case> lacking;
  auto lack = [&](WhoSpec who, std::string_view claims, Clause clause) {
    lacking.push_back({std::move(who), claims, clause});
  };
  for (std::string_view claims :
       {R"({})", R"({"acr":"urn:pwd"})", R"({"acr":"URN:MFA"})", R"({"acr":["urn:mfa"]})", R"({"acr":null})",
        R"({"x":{"acr":"urn:mfa"}})", R"({"acr":"urn:mfa urn:x"})"}) {
    lack({.acr = {"urn:mfa"}}, claims, Clause::acr);
  }
  for (std::string_view claims :
       {R"({})", R"({"amr":[]})", R"({"amr":["mfa"]})", R"({"amr":["otp"]})", R"({"amr":"mfa otp"})",
        R"({"amr":{"mfa":1,"otp":1}})", R"({"amr":null})"}) {
    lack({.amr = {"mfa", "otp"}}, claims, Clause::amr);
  }
  for (std::string_view claims :
       {R"({})", R"({"auth_time":1799999099})", R"({"auth_time":"1800000000"})", R"({"auth_time":null})",
        R"({"auth_time":0})", R"({"auth_time":1800000061})", R"({"auth_time":1800000000000})",
        R"({"iat":1800000000})"}) {
    lack({.max_age = quarter}, claims, Clause::age);
  }
  for (const Case& c : lacking) {
    SCOPED_TRACE(c.claims);
    Identity caller = caller_with(c.claims);
    std::vector<RuleSpec> list;
    list.push_back(allow("r", {.acr = c.who.acr, .amr = c.who.amr, .max_age = c.who.max_age}));
    auto rules = rules_of(std::move(list));
    Verdict verdict = check(*rules, &caller);
    EXPECT_FALSE(verdict.allowed);
    EXPECT_EQ(verdict.reason, Reason::step_up_required);
    EXPECT_EQ(verdict.clause, c.clause);
    EXPECT_EQ(verdict.step_up, &rules->rules()[0]);
  }
}

TEST(LoginRules, SayWhatALoginHasToBe) {
  auto rules = rules_with(
      allow("r", {.acr = {"urn:a", "urn:b"}, .amr = {"mfa", "hwk"}, .max_age = base::seconds(60)}));
  const StepUp& step_up = rules->rules()[0].step_up();
  EXPECT_EQ(step_up.acr_values, "urn:a urn:b");
  EXPECT_EQ(step_up.amr, "mfa hwk");
  EXPECT_EQ(step_up.max_age, base::seconds(60));
  EXPECT_TRUE(rules_with(allow("r", {.authenticated = true}))->rules()[0].step_up().is_empty());
}

// In both orders, since rules are a set.
TEST(LoginRules, TheReasonIsWhatTheNearestRuleLacks) {
  auto strong = [] { return allow("strong", {.scopes = {"read"}, .acr = {"urn:mfa"}}); };
  auto scoped = [] { return allow("scoped", {.scopes = {"write"}}); };
  auto other = [] { return allow("other", {.groups = {"x"}, .acr = {"urn:mfa"}}); };
  struct Case {
    Identity caller;
    Reason reason;
    std::string_view step_up, missing_scopes;
  };
  std::vector<Case> cases;
  cases.push_back({caller_with("{}", {"read"}), Reason::step_up_required, "strong", ""});
  cases.push_back({caller_with(R"({"acr":"urn:mfa"})", {"none"}), Reason::scope_insufficient, "", "strong"});
  cases.push_back({caller_with("{}", {"none"}), Reason::scope_insufficient, "", "strong"});
  auto name = [](const Rule* rule) { return rule == nullptr ? std::string() : rule->name(); };
  for (const Case& c : cases) {
    Verdict first = check(*rules_with(strong(), scoped(), other()), &c.caller);
    EXPECT_EQ(first.reason, c.reason);
    auto reversed = rules_with(other(), scoped(), strong());
    Verdict last = check(*reversed, &c.caller);
    EXPECT_EQ(last.reason, c.reason);
    EXPECT_EQ(name(last.step_up), c.step_up);
    EXPECT_EQ(last.missing_scopes != nullptr, !c.missing_scopes.empty());
    EXPECT_EQ(last.clause, first.clause);
  }
  auto rules = rules_with(strong());
  EXPECT_EQ(check(*rules, nullptr).reason, Reason::credential_missing);
  auto reader = caller_with("{}", {"read"});
  auto allowed = rules_with(strong(), allow("all", {.authenticated = true}));
  EXPECT_TRUE(check(*allowed, &reader).allowed);
}

// A deny holds for what a login says, so that it is passed by with a login that says nothing; the deny that
// holds for everybody else is written with `not`.
TEST(LoginRules, InADeny) {
  const Identity weak = caller_with(R"({"acr":"urn:pwd"})");
  const Identity silent = caller_with("{}");
  const Identity strong = caller_with(R"({"acr":"urn:mfa","auth_time":1800000000})");
  auto all = [] { return allow("all", {.anyone = true}); };
  auto denies_weak = rules_with(all(), rule(Effect::deny, "d", {.acr = {"urn:pwd"}}));
  EXPECT_FALSE(check(*denies_weak, &weak).allowed);
  EXPECT_TRUE(check(*denies_weak, &silent).allowed);
  EXPECT_TRUE(check(*denies_weak, nullptr).allowed);

  WhoSpec all_but_strong;
  all_but_strong.none_of =
      std::make_unique<WhoSpec>(WhoSpec{.acr = {"urn:mfa"}, .max_age = base::seconds(60)});
  auto keeps_out = rules_with(all(), rule(Effect::deny, "d", std::move(all_but_strong)));
  EXPECT_TRUE(check(*keeps_out, &strong).allowed);
  for (const Identity* caller : {&weak, &silent, static_cast<const Identity*>(nullptr)}) {
    Verdict verdict = check(*keeps_out, caller);
    EXPECT_FALSE(verdict.allowed);
    EXPECT_EQ(verdict.reason, Reason::rule_denied);
    EXPECT_EQ(verdict.step_up, nullptr);
  }
}

TEST(LoginRules, InWords) {
  auto rules = rules_with(allow("a", {.acr = {"urn:a", "urn:b"}}), allow("b", {.amr = {"mfa", "hwk"}}),
                          allow("c", {.max_age = base::seconds(900)}));
  struct Case {
    std::string_view claims;
    std::string_view sentences[3];
  } const cases[] = {
      {"{}",
       {"needs acr urn:a or urn:b; the caller's login says none",
        "needs amr mfa and hwk; the caller's login says none",
        "needs a login of the last 900 s; the caller's does not say when it was"}},
      {R"({"acr":"urn:c","amr":["pwd","mfa"],"auth_time":1799998000})",
       {"needs acr urn:a or urn:b; the caller's login was urn:c",
        "needs amr mfa and hwk; the caller's login was by pwd, mfa",
        "needs a login of the last 900 s; the caller's was 2000 s ago"}},
  };
  for (const Case& c : cases) {
    Identity caller = caller_with(c.claims);
    Trace trace;
    check(*rules, &caller, &trace);
    ASSERT_EQ(trace.steps.size(), 3u);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(trace.steps[i].sentence, c.sentences[i]);
  }
}

TEST(LoginRules, WhatCannotStandInAChallengeIsRefused) {
  struct Case {
    WhoSpec who;
    std::string_view message;
  };
  std::vector<Case> cases;
  cases.push_back({{.acr = {"a b"}}, "an `acr` is a word without spaces, quotes and backslashes"});
  cases.push_back({{.amr = {"a\"b"}}, "an `amr` is a word without spaces, quotes and backslashes"});
  cases.push_back({{.max_age = base::seconds(0)}, "`max_age` has to be longer than nothing"});
  for (Case& c : cases) {
    std::vector<RuleSpec> list;
    list.push_back(allow("r", std::move(c.who)));
    auto compiled = compile_rules({.rules = list, .provider_names = kProviders});
    ASSERT_FALSE(compiled) << c.message;
    EXPECT_EQ(compiled.error()[0].message, c.message);
  }
}

}  // namespace
}  // namespace auth
