// Access rules and the one decision function that traffic, `test` and `explain` share (stage "authorise").
// Rules are a set: order never matters, a deny wins, no match denies. Compiled once per service; deciding
// does not allocate, cannot fail and has no other inputs than its arguments.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "access/providers.h"
#include "access/spec.h"
#include "access/step_up.h"
#include "base/ip.h"
#include "base/reason.h"
#include "base/time.h"

namespace auth {

// In the order they are checked. `caller`: the rule needs one and there is none. `age`: of the login. The
// last two stand only where a rule matched that has no condition on who is calling.
enum class Clause : uint8_t {
  none,
  method,
  path,
  from,
  caller,
  provider,
  subject,
  group,
  claim,
  negation,
  scope,
  acr,
  amr,
  age,
  authenticated,
  anyone,
};
std::string_view clause_name(Clause clause);

class Rule {
 public:
  const std::string& name() const;
  Effect effect() const;
  bool observed() const;  // decides nothing, only records
  const base::Source& source() const;
  uint32_t index() const;                 // within its set, from 0: for counters kept elsewhere
  const std::string& scope_text() const;  // the scopes it needs, space-separated (RFC 6750 §3)
  const StepUp& step_up() const;          // what it asks of the caller's login

  struct Body;
  explicit Rule(std::unique_ptr<const Body> body);
  Rule(Rule&&) noexcept;
  Rule& operator=(Rule&&) noexcept;
  ~Rule();
  const Body& body() const { return *body_; }

 private:
  std::unique_ptr<const Body> body_;
};

// Who wrote the rules decides what they may do: the gate's own only deny.
enum class RuleOwner : uint8_t { gate, service };

class RuleSet {
 public:
  RuleSet() = default;
  explicit RuleSet(std::vector<Rule> rules);
  const std::vector<Rule>& rules() const { return rules_; }  // as written
  std::span<const Rule* const> denies() const { return denies_; }
  std::span<const Rule* const> allows() const { return allows_; }

 private:
  std::vector<Rule> rules_;
  std::vector<const Rule*> denies_;
  std::vector<const Rule*> allows_;
};

// provider_names: those that exist; a rule that names another is an error. All errors are reported.
struct RulesInput {
  std::span<const RuleSpec> rules;
  RuleOwner owner = RuleOwner::service;
  std::span<const std::string> provider_names;
};
std::expected<std::shared_ptr<const RuleSet>, std::vector<CompileError>> compile_rules(
    const RulesInput& input);

// Whether a caller of the provider may meet the condition, whatever else is said of it. Its name alone
// decides.
bool can_meet(const WhoSpec& who, std::string_view provider);

struct Call {
  std::string_view method;  // as sent
  std::string_view path;    // as normalised by http/target.h
  base::IpAddress client;
  const Identity* caller = nullptr;  // null: nobody
  base::WallTime now;                // what a login's age is counted to
};

// Pointers live as long as the rule sets.
struct Verdict {
  bool allowed = false;
  base::Reason reason = base::Reason::rule_denied;  // none when allowed
  // With a rule: the condition that decided. Without: how far the nearest allow rule got.
  Clause clause = Clause::none;
  const Rule* rule = nullptr;            // null: nothing matched
  const Rule* missing_scopes = nullptr;  // scope_insufficient: the rule that would allow with its scopes
  const Rule* step_up = nullptr;         // step_up_required: the rule that would allow after such a login
  const Rule* observed = nullptr;        // an `observe` rule that would have decided: by its effect
};

// Only for explain and test; null on the data plane.
struct TraceStep {
  const Rule* rule = nullptr;
  bool matched = false;
  Clause clause = Clause::none;  // the one that failed, or that decided
  std::string sentence;          // "needs scope orders:write; the caller has orders:read"
};
struct Trace {
  std::vector<TraceStep> steps;  // every rule: the gate's first, each set as written
};

Verdict check_access(const RuleSet& gate_rules, const RuleSet& service_rules, const Call& call,
                     Trace* trace = nullptr);

}  // namespace auth
