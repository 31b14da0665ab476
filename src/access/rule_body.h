// A rule as it is evaluated, and the single function that says whether it matches. Private to access/:
// rules.cc decides with it, rules_compile.cc makes it, rules_trace.cc puts it into words.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/rules.h"
#include "routing/path_pattern.h"

namespace auth {

// A bit for each method with a name of its own here; others share kOtherMethod and compare as text.
using MethodSet = uint16_t;
inline constexpr MethodSet kOtherMethod = 1u << 15;
inline constexpr MethodSet kEveryMethod = 0xFFFF;
MethodSet method_bit(std::string_view method);

struct On {
  MethodSet methods = kEveryMethod;
  std::vector<std::string> other_methods;  // looked at when methods has kOtherMethod but is not kEveryMethod
  routing::PathPattern path;
};

struct ClaimCondition {
  std::string path;
  std::vector<std::string> values;
};

struct Who {
  bool needs_caller = false;
  std::vector<std::string> providers;
  std::vector<std::string> subjects;
  std::vector<std::string> groups;
  std::vector<std::string> scopes;
  std::vector<ClaimCondition> claims;
  std::vector<std::string> acr;
  std::vector<std::string> amr;
  std::optional<base::Duration> max_age;
  std::unique_ptr<const Who> none_of;
};

struct Rule::Body {
  std::string name;
  Effect effect = Effect::allow;
  bool observed = false;
  base::Source source;
  uint32_t index = 0;
  std::string scope_text;
  StepUp step_up;
  std::vector<On> on;  // empty: the whole service
  std::vector<base::Network> from;
  Who who;
  Clause decisive = Clause::none;  // its most particular condition
};

// A call with what every rule would work out again.
struct PreparedCall {
  const Call& call;
  MethodSet method;
};

// The first clause that does not hold, in the order of Clause; none when the rule matches.
Clause failed_clause(const Rule::Body& rule, const PreparedCall& call);

bool contains_text(const std::vector<std::string>& list, std::string_view text);
bool has_all_scopes(const Who& who, const Identity& caller);
// When the caller logged in (`auth_time`, OpenID Connect Core §2); nullopt: nobody says.
std::optional<base::WallTime> login_time(const Identity& caller);
bool holds(const ClaimCondition& condition, const Identity& caller);

void append_trace(Trace& trace, const RuleSet& rules, const PreparedCall& call);

}  // namespace auth
