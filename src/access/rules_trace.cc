// The sentences of `explain` and of failed access tests: each rule in words, with the clause that failed and
// what was found instead. Reads the same clauses as the decision; never decides.

#include "access/rule_body.h"

namespace auth {
namespace {

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

std::string join_or_none(const std::vector<std::string>& words) {
  return words.empty() ? std::string("none") : join(words, ", ");
}

std::string describe_places(const Rule::Body& rule) {
  std::string out;
  for (const On& on : rule.on) {
    if (!out.empty()) out += ", ";
    out += on.path.text();
  }
  return out;
}

std::string describe_networks(const Rule::Body& rule) {
  std::string out;
  for (const base::Network& network : rule.from) {
    if (!out.empty()) out += ", ";
    out += base::format_network(network);
  }
  return out;
}

std::string describe_claim(const Who& who, const Identity& caller) {
  for (const ClaimCondition& condition : who.claims) {
    if (holds(condition, caller)) continue;
    std::string out =
        "needs claim " + condition.path + " = " + join(condition.values, " or ") + "; the caller";
    JsonValue claim = caller.claims.root().find(condition.path);
    if (!claim) return out + " has no such claim";
    if (claim.kind() < JsonKind::array) return out.append(" has ").append(claim.text());
    return out + " has another";
  }
  return "a claim does not hold";
}

std::string describe_acr(const Who& who, const Identity& caller) {
  JsonValue acr = caller.claims.root().member("acr");
  return "needs acr " + join(who.acr, " or ") + "; the caller's login " +
         (acr.is(JsonKind::string) ? "was " + std::string(acr.text()) : "says none");
}

std::string describe_amr(const Who& who, const Identity& caller) {
  JsonValue amr = caller.claims.root().member("amr");
  std::string has(amr.text());
  for (JsonValue item = amr.first(); item; item = item.next()) {
    has.append(has.empty() ? "" : ", ").append(item.text());
  }
  return "needs amr " + join(who.amr, " and ") + "; the caller's login " +
         (has.empty() ? "says none" : "was by " + has);
}

std::string seconds_text(base::Duration time) { return std::to_string(time.ns / 1'000'000'000) + " s"; }

std::string describe_age(const Who& who, const Call& call) {
  std::string out = "needs a login of the last " + seconds_text(*who.max_age) + "; the caller's ";
  auto login = login_time(*call.caller);
  if (!login) return out + "does not say when it was";
  // Rounded up: what is too late by a moment is told as too late.
  return out + "was " + seconds_text({call.now.ns - login->ns + 999'999'999}) + " ago";
}

std::string describe_scopes(const Who& who, const Identity& caller) {
  std::vector<std::string> missing;
  for (const std::string& scope : who.scopes) {
    if (!contains_text(caller.scopes, scope)) missing.push_back(scope);
  }
  return std::string("needs scope ") + join(missing, ", ") + "; the caller has " +
         join_or_none(caller.scopes);
}

std::string describe_failure(const Rule::Body& rule, const Call& call, Clause failed) {
  const Who& who = rule.who;
  switch (failed) {
    case Clause::method:
      return "is not about " + std::string(call.method);
    case Clause::path:
      return "is about " + describe_places(rule) + "; the path is " + std::string(call.path);
    case Clause::from:
      return "is about calls from " + describe_networks(rule) + "; the client is " +
             base::format_ip(call.client);
    case Clause::caller:
      return "needs a caller; no credential was sent";
    case Clause::provider:
      return "needs provider " + join(who.providers, " or ") + "; the caller's is " + call.caller->provider;
    case Clause::subject:
      return "needs subject " + join(who.subjects, " or ") + "; the caller is " + call.caller->subject;
    case Clause::group:
      return "needs group " + join(who.groups, " or ") + "; the caller has " +
             join_or_none(call.caller->groups);
    case Clause::claim:
      return describe_claim(who, *call.caller);
    case Clause::negation:
      return "its `not` holds";
    case Clause::scope:
      return describe_scopes(who, *call.caller);
    case Clause::acr:
      return describe_acr(who, *call.caller);
    case Clause::amr:
      return describe_amr(who, *call.caller);
    case Clause::age:
      return describe_age(who, call);
    case Clause::none:
    case Clause::authenticated:
    case Clause::anyone:
      break;
  }
  return {};
}

std::string describe_match(const Rule::Body& rule) {
  std::string out = rule.effect == Effect::allow ? "allows" : "denies";
  if (rule.observed)
    out = rule.effect == Effect::allow ? "would allow (observed only)" : "would deny (observed only)";
  return out;
}

}  // namespace

void append_trace(Trace& trace, const RuleSet& rules, const PreparedCall& call) {
  for (const Rule& rule : rules.rules()) {
    Clause failed = failed_clause(rule.body(), call);
    bool matched = failed == Clause::none;
    trace.steps.push_back({.rule = &rule,
                           .matched = matched,
                           .clause = matched ? rule.body().decisive : failed,
                           .sentence = matched ? describe_match(rule.body())
                                               : describe_failure(rule.body(), call.call, failed)});
  }
}

}  // namespace auth
