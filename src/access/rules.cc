#include "access/rules.h"

#include <algorithm>

#include "access/jws.h"
#include "access/rule_body.h"

namespace auth {
namespace {

constexpr std::string_view kClauseNames[] = {
    "none",  "method",   "path",  "from", "caller", "provider", "subject",       "group",
    "claim", "negation", "scope", "acr",  "amr",    "age",      "authenticated", "anyone"};

// How far the clock of whoever vouches for a login may be ahead.
constexpr base::Duration kClockAheadMax = base::seconds(60);

constexpr std::string_view kMethods[] = {"GET",   "HEAD",    "POST",    "PUT",  "DELETE",
                                         "PATCH", "OPTIONS", "CONNECT", "TRACE"};

bool any_in_common(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (const std::string& item : a) {
    if (contains_text(b, item)) return true;
  }
  return false;
}

// What the caller's login was. A claim that is missing says nothing, and satisfies nothing.
Clause failed_login_clause(const Who& who, const Identity& caller, base::WallTime now) {
  JsonValue claims = caller.claims.root();
  if (!who.acr.empty()) {
    JsonValue acr = claims.member("acr");
    if (!acr.is(JsonKind::string) || !contains_text(who.acr, acr.text())) return Clause::acr;
  }
  for (const std::string& method : who.amr) {
    if (!claims.member("amr").holds(method)) return Clause::amr;
  }
  if (who.max_age) {
    auto login = login_time(caller);
    bool recent = login && now.ns - login->ns <= who.max_age->ns && login->ns - now.ns <= kClockAheadMax.ns;
    if (!recent) return Clause::age;
  }
  return Clause::none;
}

// The first condition on who is calling that does not hold; none when all do.
Clause failed_clause(const Who& who, const Call& call) {
  const Identity* caller = call.caller;
  if (who.needs_caller && caller == nullptr) return Clause::caller;
  if (caller != nullptr) {
    if (!who.providers.empty() && !contains_text(who.providers, caller->provider)) return Clause::provider;
    if (!who.subjects.empty() && !contains_text(who.subjects, caller->subject)) return Clause::subject;
    if (!who.groups.empty() && !any_in_common(who.groups, caller->groups)) return Clause::group;
    for (const ClaimCondition& claim : who.claims) {
      if (!holds(claim, *caller)) return Clause::claim;
    }
  }
  if (who.none_of && failed_clause(*who.none_of, call) == Clause::none) return Clause::negation;
  if (caller == nullptr) return Clause::none;
  // Last, so that failing here means that nothing else is lacking: scopes (scope_insufficient), or with them
  // only a stronger or more recent login (step_up_required).
  if (!has_all_scopes(who, *caller)) return Clause::scope;
  return failed_login_clause(who, *caller, call.now);
}

bool has_method(const On& on, const PreparedCall& call) {
  if ((on.methods & call.method) == 0) return false;
  return call.method != kOtherMethod || on.methods == kEveryMethod ||
         contains_text(on.other_methods, call.call.method);
}

Clause failed_place(const Rule::Body& rule, const PreparedCall& call) {
  if (rule.on.empty()) return Clause::none;
  Clause nearest = Clause::method;
  for (const On& on : rule.on) {
    if (!has_method(on, call)) continue;
    // An allow is about the path as it is written, a deny about whatever a backend may take for it.
    bool covered = rule.effect == Effect::deny ? on.path.covers_any_spelling(call.call.path)
                                               : on.path.covers(call.call.path);
    if (covered) return Clause::none;
    nearest = Clause::path;
  }
  return nearest;
}

struct Matches {
  const Rule* enforced = nullptr;
  const Rule* observed = nullptr;
};

void find_denies(const RuleSet& rules, const PreparedCall& call, Matches& matches) {
  for (const Rule* rule : rules.denies()) {
    const Rule*& found = rule->observed() ? matches.observed : matches.enforced;
    if (found == nullptr && failed_clause(rule->body(), call) == Clause::none) found = rule;
    if (matches.enforced != nullptr) return;
  }
}

bool is_about_login(Clause clause) {
  return clause == Clause::acr || clause == Clause::amr || clause == Clause::age;
}

// Rules have no order, so of several that lack something the reason is what the nearest one lacks.
void note_lack(const Rule& rule, Clause failed, Verdict& verdict) {
  verdict.clause = std::max(verdict.clause, failed);
  if (failed == Clause::caller) {
    verdict.reason = base::Reason::credential_missing;
  } else if (is_about_login(failed) && verdict.step_up == nullptr) {
    verdict.reason = base::Reason::step_up_required;
    verdict.step_up = &rule;
    verdict.missing_scopes = nullptr;
  } else if (failed == Clause::scope && verdict.missing_scopes == nullptr && verdict.step_up == nullptr) {
    verdict.reason = base::Reason::scope_insufficient;
    verdict.missing_scopes = &rule;
  }
}

// Looks for an enforced and an observed allow; while there is none, notes in verdict what the nearest one
// lacked.
Matches find_allows(const RuleSet& rules, const PreparedCall& call, Verdict& verdict) {
  Matches matches;
  for (const Rule* rule : rules.allows()) {
    Clause failed = failed_clause(rule->body(), call);
    if (failed == Clause::none) {
      const Rule*& found = rule->observed() ? matches.observed : matches.enforced;
      if (found == nullptr) found = rule;
      if (matches.enforced != nullptr) return matches;
      continue;
    }
    if (!rule->observed()) note_lack(*rule, failed, verdict);
  }
  return matches;
}

Verdict decide(const RuleSet& gate_rules, const RuleSet& service_rules, const PreparedCall& call) {
  Matches denies;
  find_denies(gate_rules, call, denies);
  if (denies.enforced == nullptr) find_denies(service_rules, call, denies);
  if (denies.enforced != nullptr) {
    return {.allowed = false,
            .reason = base::Reason::rule_denied,
            .clause = denies.enforced->body().decisive,
            .rule = denies.enforced};
  }
  Verdict verdict;
  Matches allows = find_allows(service_rules, call, verdict);
  verdict.observed = denies.observed;
  if (allows.enforced != nullptr) {
    return {.allowed = true,
            .reason = base::Reason::none,
            .clause = allows.enforced->body().decisive,
            .rule = allows.enforced,
            .observed = denies.observed};
  }
  if (verdict.observed == nullptr) verdict.observed = allows.observed;
  return verdict;
}

}  // namespace

std::string_view clause_name(Clause clause) { return kClauseNames[static_cast<size_t>(clause)]; }

MethodSet method_bit(std::string_view method) {
  for (size_t i = 0; i < std::size(kMethods); ++i) {
    if (method == kMethods[i]) return static_cast<MethodSet>(1u << i);
  }
  return kOtherMethod;
}

bool contains_text(const std::vector<std::string>& list, std::string_view text) {
  for (const std::string& item : list) {
    if (item == text) return true;
  }
  return false;
}

bool has_all_scopes(const Who& who, const Identity& caller) {
  for (const std::string& scope : who.scopes) {
    if (!contains_text(caller.scopes, scope)) return false;
  }
  return true;
}

bool holds(const ClaimCondition& condition, const Identity& caller) {
  JsonValue claim = caller.claims.root().find(condition.path);
  if (!claim) return false;
  for (const std::string& value : condition.values) {
    if (claim.holds(value)) return true;
  }
  return false;
}

std::optional<base::WallTime> login_time(const Identity& caller) {
  return parse_numeric_date(caller.claims.root().member("auth_time"));
}

Clause failed_clause(const Rule::Body& rule, const PreparedCall& call) {
  if (Clause failed = failed_place(rule, call); failed != Clause::none) return failed;
  if (!rule.from.empty()) {
    bool inside = false;
    for (const base::Network& network : rule.from)
      inside = inside || base::contains(network, call.call.client);
    if (!inside) return Clause::from;
  }
  return failed_clause(rule.who, call.call);
}

Verdict check_access(const RuleSet& gate_rules, const RuleSet& service_rules, const Call& call,
                     Trace* trace) {
  PreparedCall prepared{.call = call, .method = method_bit(call.method)};
  if (trace != nullptr) {
    append_trace(*trace, gate_rules, prepared);
    append_trace(*trace, service_rules, prepared);
  }
  return decide(gate_rules, service_rules, prepared);
}

Rule::Rule(std::unique_ptr<const Body> body) : body_(std::move(body)) {}
Rule::Rule(Rule&&) noexcept = default;
Rule& Rule::operator=(Rule&&) noexcept = default;
Rule::~Rule() = default;

const std::string& Rule::name() const { return body_->name; }
Effect Rule::effect() const { return body_->effect; }
bool Rule::observed() const { return body_->observed; }
const base::Source& Rule::source() const { return body_->source; }
uint32_t Rule::index() const { return body_->index; }
const std::string& Rule::scope_text() const { return body_->scope_text; }
const StepUp& Rule::step_up() const { return body_->step_up; }

RuleSet::RuleSet(std::vector<Rule> rules) : rules_(std::move(rules)) {
  for (const Rule& rule : rules_) (rule.effect() == Effect::deny ? denies_ : allows_).push_back(&rule);
}

}  // namespace auth
