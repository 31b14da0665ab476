#include "access/rules.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

using base::Reason;

const std::string kProviders[] = {"partners", "staff", "robots"};

WhoSpec anyone() { return {.anyone = true}; }
WhoSpec authenticated() { return {.authenticated = true}; }
WhoSpec scopes(std::vector<std::string> all) { return {.scopes = std::move(all)}; }
WhoSpec groups(std::vector<std::string> any) { return {.groups = std::move(any)}; }
WhoSpec provider(std::string name) { return {.providers = {std::move(name)}}; }
WhoSpec but_not(WhoSpec who, WhoSpec none_of) {
  who.none_of = std::make_unique<WhoSpec>(std::move(none_of));
  return who;
}

struct On2 {
  std::vector<std::string> methods;
  std::string path;
};

struct Make {
  std::string name = "r";
  WhoSpec who;
  std::vector<On2> on = {};
  std::vector<std::string> from = {};
  bool observe = false;
};

RuleSpec make(Effect effect, Make made) {
  RuleSpec spec;
  spec.name = std::move(made.name);
  spec.effect = effect;
  spec.who = std::move(made.who);
  for (On2& on : made.on)
    spec.on.push_back({.methods = std::move(on.methods), .path = std::move(on.path), .source = {}});
  for (const std::string& network : made.from) spec.from.push_back(*base::parse_network(network));
  spec.observe = made.observe;
  return spec;
}
RuleSpec allow(Make made) { return make(Effect::allow, std::move(made)); }
RuleSpec deny(Make made) { return make(Effect::deny, std::move(made)); }

template <class... Specs>
std::shared_ptr<const RuleSet> rules_of(Specs... specs) {
  std::vector<RuleSpec> list;
  (list.push_back(std::move(specs)), ...);
  auto compiled = compile_rules({.rules = list, .provider_names = kProviders});
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error()[0].message);
  return compiled ? *compiled : std::make_shared<const RuleSet>();
}

Identity partner(std::vector<std::string> with_scopes = {}) {
  Identity identity;
  identity.provider = "partners";
  identity.subject = "alice";
  identity.groups = {"eu", "support"};
  identity.scopes = std::move(with_scopes);
  identity.claims = *parse_json(R"({"tier":"gold","level":3,"active":true,"realm":{"roles":["a","b"]}})", {});
  return identity;
}

const RuleSet kNoRules;

Verdict check(const RuleSet& rules, std::string_view method, std::string_view path,
              const Identity* caller = nullptr, std::string_view client = "192.0.2.1") {
  return check_access(kNoRules, rules,
                      {.method = method, .path = path, .client = *base::parse_ip(client), .caller = caller});
}

TEST(Rules, NothingMatchesIsADeny) {
  Verdict verdict = check(kNoRules, "GET", "/");
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.reason, Reason::rule_denied);
  EXPECT_EQ(verdict.rule, nullptr);
  EXPECT_EQ(verdict.clause, Clause::none);
}

TEST(Rules, MethodsAndPaths) {
  auto rules = rules_of(allow(
      {.who = anyone(),
       .on = {{{"GET", "POST"}, "/orders"}, {{}, "/any"}, {{"*"}, "/star/**"}, {{"PURGE"}, "/cache"}}}));
  struct Case {
    std::string_view method;
    std::string_view path;
    bool allowed;
    Clause clause = Clause::anyone;
  } const cases[] = {
      {"GET", "/orders", true},
      {"POST", "/orders/7", true},
      {"PUT", "/orders", false, Clause::path},  // other places allow it
      {"get", "/orders", false, Clause::path},
      {"GET", "/orders-old", false, Clause::path},
      {"GET", "/Orders", false, Clause::path},
      {"DELETE", "/any/x", true},
      {"BREW", "/any", true},
      {"BREW", "/star", true},
      {"PURGE", "/cache", true},
      {"PURGEX", "/cache", false, Clause::path},
      {"GET", "/cache", false, Clause::path},
      {"", "/cache", false, Clause::path},
      {"GET", "*", false, Clause::path},
      {"GET", "", false, Clause::path},
  };
  for (const Case& c : cases) {
    Verdict verdict = check(*rules, c.method, c.path);
    EXPECT_EQ(verdict.allowed, c.allowed) << c.method << ' ' << c.path;
    EXPECT_EQ(verdict.clause, c.clause) << c.method << ' ' << c.path;
  }
  auto get_only = rules_of(allow({.who = anyone(), .on = {{{"GET"}, "/"}}}));
  EXPECT_EQ(check(*get_only, "POST", "/").clause, Clause::method);
}

TEST(Rules, ADenyHoldsHoweverThePathIsSpelt) {
  auto rules =
      rules_of(allow({.who = anyone(), .on = {{{"*"}, "/v1/**"}}}),
               allow({.who = anyone(), .on = {{{"*"}, "/exact:only"}}}),
               deny({.who = anyone(), .on = {{{"*"}, "/v1/{kind}/all:export"}, {{"*"}, "/v1/me%40home"}}}));
  struct {
    const char* path;
    bool allowed;
  } cases[] = {{"/v1/users/all:export", false},
               {"/v1/users/all%3Aexport", false},
               {"/v1/users/all%3Aexport/x", false},
               {"/v1/us%3Aers/all%3Aexport", false},
               {"/v1/me%40home", false},
               {"/v1/me@home", false},
               {"/v1/users/all:exports", true},
               {"/v1/users/all%3Aexports", true},
               {"/v1/users/all%3A", true},
               {"/v1/users%2Fall:export", false},
               {"/v1/users;x/all:export;y", false},
               {"/v1/;x/me@home", false},
               {"/exact:only", true},
               {"/exact:only;x", false},
               {"/exact:only%2Fx", false},
               {"/exact%3Aonly", false}};
  for (const auto& c : cases) EXPECT_EQ(check(*rules, "GET", c.path, nullptr).allowed, c.allowed) << c.path;
}

TEST(Rules, WhoIsCalling) {
  const Identity alice = partner({"orders:read", "orders:write"});
  struct Case {
    const char* what;
    WhoSpec who;
    bool nobody;  // is somebody without a credential allowed
    bool caller;  // is alice
    Clause clause;
  };
  std::vector<Case> cases;
  auto add = [&](const char* what, WhoSpec who, bool nobody, bool caller, Clause clause) {
    cases.push_back({what, std::move(who), nobody, caller, clause});
  };
  add("anyone", anyone(), true, true, Clause::anyone);
  add("authenticated", authenticated(), false, true, Clause::authenticated);
  add("provider", provider("partners"), false, true, Clause::provider);
  add("other provider", provider("staff"), false, false, Clause::provider);
  add("any of providers", {.providers = {"staff", "partners"}}, false, true, Clause::provider);
  add("subject", {.subjects = {"bob", "alice"}}, false, true, Clause::subject);
  add("other subject", {.subjects = {"Alice"}}, false, false, Clause::subject);
  add("any of groups", groups({"x", "support"}), false, true, Clause::group);
  add("no group", groups({"x", "suppor"}), false, false, Clause::group);
  add("scope", scopes({"orders:read"}), false, true, Clause::scope);
  add("all scopes", scopes({"orders:write", "orders:read"}), false, true, Clause::scope);
  add("one scope missing", scopes({"orders:write", "orders:delete"}), false, false, Clause::scope);
  add("claim", {.claims = {{.path = "tier", .values = {"silver", "gold"}}}}, false, true, Clause::claim);
  add("other claim", {.claims = {{.path = "tier", .values = {"Gold"}}}}, false, false, Clause::claim);
  add("number", {.claims = {{.path = "level", .values = {"3"}}}}, false, true, Clause::claim);
  add("boolean", {.claims = {{.path = "active", .values = {"true"}}}}, false, true, Clause::claim);
  add("in a list", {.claims = {{.path = "realm.roles", .values = {"b"}}}}, false, true, Clause::claim);
  add("an object is no value", {.claims = {{.path = "realm", .values = {""}}}}, false, false, Clause::claim);
  add("claim absent", {.claims = {{.path = "none", .values = {"null"}}}}, false, false, Clause::claim);
  add("all claims", {.claims = {{.path = "tier", .values = {"gold"}}, {.path = "level", .values = {"4"}}}},
      false, false, Clause::claim);
  add("all together",
      {.providers = {"partners"}, .subjects = {"alice"}, .groups = {"eu"}, .scopes = {"orders:read"}}, false,
      true, Clause::scope);
  add("one of all", {.providers = {"partners"}, .subjects = {"bob"}, .groups = {"eu"}}, false, false,
      Clause::subject);
  add("not", but_not(authenticated(), groups({"banned"})), false, true, Clause::negation);
  add("not, and is", but_not(authenticated(), groups({"eu"})), false, false, Clause::negation);
  add("not all of it", but_not(authenticated(), {.subjects = {"bob"}, .groups = {"eu"}}), false, true,
      Clause::negation);
  add("not alone needs a caller", but_not({}, groups({"banned"})), false, true, Clause::negation);
  add("anyone but", but_not(anyone(), groups({"eu"})), true, false, Clause::negation);
  add("not not", but_not(authenticated(), but_not({}, groups({"eu"}))), false, true, Clause::negation);
  for (Case& c : cases) {
    auto rules = rules_of(allow({.who = std::move(c.who)}));
    Verdict nobody = check(*rules, "GET", "/");
    EXPECT_EQ(nobody.allowed, c.nobody) << c.what;
    EXPECT_EQ(nobody.reason, c.nobody ? Reason::none : Reason::credential_missing) << c.what;
    Verdict caller = check(*rules, "GET", "/", &alice);
    EXPECT_EQ(caller.allowed, c.caller) << c.what;
    EXPECT_EQ(caller.clause, c.clause) << c.what;
    EXPECT_EQ(caller.rule != nullptr, c.caller) << c.what;
  }
}

TEST(Rules, ADenyWithOnlyNotMeansNobodyToo) {
  // "Deny all but staff" must not let the anonymous by.
  auto rules =
      rules_of(allow({.who = anyone()}), deny({.name = "staff only", .who = but_not({}, provider("staff"))}));
  const Identity alice = partner();
  Identity staff = partner();
  staff.provider = "staff";
  EXPECT_FALSE(check(*rules, "GET", "/").allowed);
  EXPECT_FALSE(check(*rules, "GET", "/", &alice).allowed);
  EXPECT_TRUE(check(*rules, "GET", "/", &staff).allowed);
}

TEST(Rules, Networks) {
  auto rules = rules_of(allow({.who = anyone(), .from = {"10.0.0.0/8", "2001:db8::/32"}}));
  EXPECT_TRUE(check(*rules, "GET", "/", nullptr, "10.1.2.3").allowed);
  EXPECT_TRUE(check(*rules, "GET", "/", nullptr, "::ffff:10.1.2.3").allowed);
  EXPECT_TRUE(check(*rules, "GET", "/", nullptr, "2001:db8::1").allowed);
  Verdict outside = check(*rules, "GET", "/", nullptr, "11.1.2.3");
  EXPECT_FALSE(outside.allowed);
  EXPECT_EQ(outside.clause, Clause::from);
  EXPECT_EQ(outside.reason, Reason::rule_denied);
}

TEST(Rules, ADenyWinsWhateverTheOrder) {
  const Identity alice = partner({"orders:read"});
  auto allow_rule = [] { return allow({.name = "yes", .who = authenticated()}); };
  auto deny_rule = [] { return deny({.name = "no", .who = groups({"eu"}), .on = {{{}, "/secret"}}}); };
  for (const auto& rules : {rules_of(allow_rule(), deny_rule()), rules_of(deny_rule(), allow_rule())}) {
    EXPECT_TRUE(check(*rules, "GET", "/open", &alice).allowed);
    Verdict denied = check(*rules, "GET", "/secret/x", &alice);
    EXPECT_FALSE(denied.allowed);
    EXPECT_EQ(denied.reason, Reason::rule_denied);
    EXPECT_EQ(denied.rule->name(), "no");
    EXPECT_EQ(denied.clause, Clause::group);
  }
}

TEST(Rules, TheGateOnlyDenies) {
  auto gate = [] {
    std::vector<RuleSpec> list;
    list.push_back(deny({.name = "banned", .who = groups({"banned"})}));
    return *compile_rules({.rules = list, .owner = RuleOwner::gate, .provider_names = kProviders});
  }();
  auto service = rules_of(allow({.who = authenticated()}));
  Identity alice = partner();
  Call call{.method = "GET", .path = "/", .client = {}, .caller = &alice};
  EXPECT_TRUE(check_access(*gate, *service, call).allowed);
  alice.groups.push_back("banned");
  Verdict denied = check_access(*gate, *service, call);
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.rule->name(), "banned");
  EXPECT_FALSE(check_access(*gate, kNoRules, call).allowed);

  for (bool observe : {false, true}) {
    std::vector<RuleSpec> wrong;
    wrong.push_back(allow({.who = anyone(), .observe = observe}));
    EXPECT_FALSE(compile_rules({.rules = wrong, .owner = RuleOwner::gate}));
  }
}

TEST(Rules, TheReasonSaysWhatWouldHelp) {
  auto rules = rules_of(allow({.name = "read", .who = scopes({"orders:read"}), .on = {{{"GET"}, "/orders"}}}),
                        allow({.name = "write",
                               .who = {.providers = {"partners"}, .scopes = {"orders:write", "x"}},
                               .on = {{{"POST"}, "/orders"}}}),
                        allow({.name = "staff", .who = groups({"staff"}), .on = {{{}, "/admin"}}}),
                        deny({.name = "closed", .who = anyone(), .on = {{{}, "/orders/closed"}}}));
  const Identity reader = partner({"orders:read"});
  Identity robot = partner();
  robot.provider = "robots";
  struct Case {
    std::string_view method;
    std::string_view path;
    const Identity* caller;
    Reason reason;
    std::string_view scopes = "";
  } const cases[] = {
      {"GET", "/orders", nullptr, Reason::credential_missing},
      {"GET", "/orders", &reader, Reason::none},
      {"GET", "/orders", &robot, Reason::scope_insufficient, "orders:read"},
      {"POST", "/orders", &reader, Reason::scope_insufficient, "orders:write x"},
      {"POST", "/orders", &robot, Reason::rule_denied},  // lacks more than scopes
      {"PUT", "/orders", nullptr, Reason::rule_denied},  // no credential would help
      {"PUT", "/orders", &reader, Reason::rule_denied},
      {"GET", "/admin", &reader, Reason::rule_denied},
      {"GET", "/admin", nullptr, Reason::credential_missing},
      {"GET", "/orders/closed", nullptr, Reason::rule_denied},
      {"GET", "/orders/closed", &robot, Reason::rule_denied},
      {"GET", "/elsewhere", nullptr, Reason::rule_denied},
  };
  for (const Case& c : cases) {
    Verdict verdict = check(*rules, c.method, c.path, c.caller);
    EXPECT_EQ(verdict.reason, c.reason) << c.method << ' ' << c.path;
    EXPECT_EQ(verdict.allowed, c.reason == Reason::none);
    EXPECT_EQ(verdict.missing_scopes != nullptr, !c.scopes.empty()) << c.method << ' ' << c.path;
    if (verdict.missing_scopes != nullptr) EXPECT_EQ(verdict.missing_scopes->scope_text(), c.scopes);
  }
}

TEST(Rules, ObservedRulesDecideNothing) {
  const Identity alice = partner();
  struct Case {
    const char* what;
    std::shared_ptr<const RuleSet> rules;
    bool allowed;
    std::string_view observed;  // empty: none
  } const cases[] = {
      {"an allow is not enforced", rules_of(allow({.name = "o", .who = anyone(), .observe = true})), false,
       "o"},
      {"a deny is not enforced",
       rules_of(allow({.who = anyone()}), deny({.name = "o", .who = anyone(), .observe = true})), true, "o"},
      {"an allow beside another changes nothing",
       rules_of(allow({.who = anyone()}), allow({.name = "o", .who = anyone(), .observe = true})), true, ""},
      {"a deny beside another changes nothing",
       rules_of(deny({.who = anyone()}), deny({.name = "o", .who = anyone(), .observe = true})), false, ""},
      {"of both the deny would decide",
       rules_of(allow({.name = "oa", .who = anyone(), .observe = true}),
                deny({.name = "od", .who = anyone(), .observe = true})),
       false, "od"},
      {"one that does not match",
       rules_of(allow({.who = anyone()}), deny({.name = "o", .who = groups({"x"}), .observe = true})), true,
       ""},
  };
  for (const Case& c : cases) {
    Verdict verdict = check(*c.rules, "GET", "/", &alice);
    EXPECT_EQ(verdict.allowed, c.allowed) << c.what;
    EXPECT_EQ(verdict.observed != nullptr ? verdict.observed->name() : "", c.observed) << c.what;
    EXPECT_TRUE(verdict.rule == nullptr || !verdict.rule->observed()) << c.what;
  }
  // Nor does an observed allow promise that a credential or scope would help.
  auto only = rules_of(allow({.who = scopes({"a"}), .observe = true}));
  EXPECT_EQ(check(*only, "GET", "/").reason, Reason::rule_denied);
  EXPECT_EQ(check(*only, "GET", "/", &alice).reason, Reason::rule_denied);
}

TEST(Rules, TheTraceTellsWhatEachRuleLacked) {
  auto rules = rules_of(allow({.name = "a", .who = anyone(), .on = {{{"GET"}, "/health"}}}),
                        allow({.name = "b", .who = scopes({"orders:write"}), .on = {{{"*"}, "/orders"}}}),
                        allow({.name = "c", .who = provider("staff")}),
                        allow({.name = "d", .who = groups({"admin", "root"})}),
                        allow({.name = "e", .who = {.claims = {{.path = "tier", .values = {"silver"}}}}}),
                        allow({.name = "f", .who = {.subjects = {"bob"}}}),
                        allow({.name = "g", .who = anyone(), .from = {"10.0.0.0/8"}}),
                        allow({.name = "h", .who = but_not(anyone(), groups({"eu"}))}),
                        allow({.name = "i", .who = {.claims = {{.path = "absent", .values = {"1", "2"}}}}}),
                        deny({.name = "j", .who = anyone(), .on = {{{"POST"}, "/"}}}),
                        deny({.name = "k", .who = anyone(), .on = {{{"GET"}, "/orders"}}, .observe = true}),
                        allow({.name = "l", .who = authenticated()}));
  const Identity alice = partner({"orders:read"});
  Trace trace;
  Call call{.method = "GET", .path = "/orders", .client = *base::parse_ip("192.0.2.1"), .caller = &alice};
  Verdict verdict = check_access(kNoRules, *rules, call, &trace);
  EXPECT_TRUE(verdict.allowed);
  EXPECT_EQ(verdict.rule->name(), "l");
  struct Case {
    Clause clause;
    std::string_view sentence;
  } const expected[] = {
      {Clause::path, "is about /health; the path is /orders"},
      {Clause::scope, "needs scope orders:write; the caller has orders:read"},
      {Clause::provider, "needs provider staff; the caller's is partners"},
      {Clause::group, "needs group admin or root; the caller has eu, support"},
      {Clause::claim, "needs claim tier = silver; the caller has gold"},
      {Clause::subject, "needs subject bob; the caller is alice"},
      {Clause::from, "is about calls from 10.0.0.0/8; the client is 192.0.2.1"},
      {Clause::negation, "its `not` holds"},
      {Clause::claim, "needs claim absent = 1 or 2; the caller has no such claim"},
      {Clause::method, "is not about GET"},
      {Clause::anyone, "would deny (observed only)"},
      {Clause::authenticated, "allows"},
  };
  ASSERT_EQ(trace.steps.size(), std::size(expected));
  for (size_t i = 0; i < trace.steps.size(); ++i) {
    EXPECT_EQ(trace.steps[i].clause, expected[i].clause) << i;
    EXPECT_EQ(trace.steps[i].sentence, expected[i].sentence) << i;
    EXPECT_EQ(trace.steps[i].rule->index(), i);
    EXPECT_EQ(trace.steps[i].matched, i >= 10) << i;
  }
  Trace again;
  call.caller = nullptr;
  check_access(kNoRules, *rules, call, &again);
  EXPECT_EQ(again.steps[1].sentence, "needs a caller; no credential was sent");
}

TEST(CompileRules, RefusesWhatMakesNoSense) {
  struct Case {
    RuleSpec spec;
    std::string_view message;
  };
  std::vector<Case> cases;
  auto add = [&](RuleSpec spec, std::string_view message) { cases.push_back({std::move(spec), message}); };
  add(allow({}), "it does not say who: write `anyone`, `authenticated` or a condition");
  WhoSpec both = anyone();
  both.groups = {"x"};
  add(allow({.who = std::move(both)}), "`anyone` cannot stand beside conditions on who is calling");
  add(allow({.who = but_not(authenticated(), anyone())}), "`not: anyone` would match nobody");
  add(allow({.who = provider("partner")}), "there is no provider \"partner\"; did you mean \"partners\"?");
  add(allow({.who = but_not(authenticated(), provider("zzzzzzzz"))}), "there is no provider \"zzzzzzzz\"");
  add(allow({.who = scopes({"a b"})}), "a scope is a word without spaces, quotes and backslashes");
  add(allow({.who = {.claims = {{.path = "a", .values = {}}}}}), "a claim needs a name and a value");
  add(allow({.who = anyone(), .on = {{{"get"}, "/"}}}),
      "methods are written in upper case, and \"get\" is not");
  add(allow({.who = anyone(), .on = {{{"G T"}, "/"}}}), "\"G T\" is not a method");
  add(allow({.who = anyone(), .on = {{{""}, "/"}}}), "\"\" is not a method");
  add(allow({.who = anyone(), .on = {{{}, "orders"}}}), "a path begins with '/'");
  for (Case& c : cases) {
    std::vector<RuleSpec> list;
    list.push_back(std::move(c.spec));
    auto compiled = compile_rules({.rules = list, .provider_names = kProviders});
    ASSERT_FALSE(compiled) << c.message;
    ASSERT_EQ(compiled.error().size(), 1u) << c.message;
    EXPECT_EQ(compiled.error()[0].message, c.message);
  }
}

TEST(Clause, EveryClauseHasItsName) {
  EXPECT_EQ(clause_name(Clause::none), "none");
  EXPECT_EQ(clause_name(Clause::caller), "caller");
  EXPECT_EQ(clause_name(Clause::scope), "scope");
  EXPECT_EQ(clause_name(Clause::age), "age");
  EXPECT_EQ(clause_name(Clause::anyone), "anyone");
}

}  // namespace
}  // namespace auth
