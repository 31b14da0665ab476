// compile_rules: checks what a user wrote for sense and turns it into what is evaluated, reporting everything
// that is wrong. What it lets through evaluates without failing.

#include <algorithm>

#include "access/rule_body.h"
#include "base/bytes.h"

namespace auth {
namespace {

bool has_conditions_beside_provider(const WhoSpec& spec) {
  return !spec.subjects.empty() || !spec.groups.empty() || !spec.scopes.empty() || !spec.claims.empty() ||
         !spec.acr.empty() || !spec.amr.empty() || spec.max_age;
}

bool has_conditions(const WhoSpec& spec) {
  return !spec.providers.empty() || has_conditions_beside_provider(spec);
}

// What can be named in a challenge (RFC 6750 §3) and, of several, stand with spaces between.
bool is_challenge_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\'; });
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

// RFC 9110 §5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return base::is_alpha(c) || base::is_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Clause decisive_clause(const WhoSpec& who) {
  if (who.max_age) return Clause::age;
  if (!who.amr.empty()) return Clause::amr;
  if (!who.acr.empty()) return Clause::acr;
  if (!who.scopes.empty()) return Clause::scope;
  if (!who.claims.empty()) return Clause::claim;
  if (!who.groups.empty()) return Clause::group;
  if (!who.subjects.empty()) return Clause::subject;
  if (!who.providers.empty()) return Clause::provider;
  if (who.none_of) return Clause::negation;
  return who.authenticated ? Clause::authenticated : Clause::anyone;
}

class RulesCompiler {
 public:
  explicit RulesCompiler(const RulesInput& input) : input_(input) {}

  std::expected<std::shared_ptr<const RuleSet>, std::vector<CompileError>> compile() {
    std::vector<Rule> rules;
    for (const RuleSpec& spec : input_.rules) {
      rules.emplace_back(compile_rule(spec, static_cast<uint32_t>(rules.size())));
    }
    if (!errors_.empty()) return std::unexpected(std::move(errors_));
    return std::make_shared<const RuleSet>(std::move(rules));
  }

 private:
  void report(const base::Source& source, std::string message) {
    errors_.push_back({.source = source, .message = std::move(message)});
  }

  std::unique_ptr<const Rule::Body> compile_rule(const RuleSpec& spec, uint32_t index) {
    if (input_.owner == RuleOwner::gate && spec.effect == Effect::allow) {
      report(spec.source,
             "the gate's own rules only deny; only a service's own definition can let anyone in");
    }
    auto body = std::make_unique<Rule::Body>();
    body->name = spec.name;
    body->effect = spec.effect;
    body->observed = spec.observe;
    body->source = spec.source;
    body->index = index;
    body->from = spec.from;
    body->decisive = decisive_clause(spec.who);
    body->who = compile_who(spec.who, spec);
    // `not` alone names whom a rule does not mean. For an allow that must not read as "everybody else on the
    // internet", so it needs a caller; for a deny it must, so it does not.
    if (spec.effect == Effect::allow && !spec.who.anyone) body->who.needs_caller = true;
    body->scope_text = joined(spec.who.scopes);
    body->step_up = {
        .acr_values = joined(spec.who.acr), .amr = joined(spec.who.amr), .max_age = spec.who.max_age};
    for (const OnSpec& on : spec.on) compile_on(on, *body);
    return body;
  }

  Who compile_who(const WhoSpec& spec, const RuleSpec& rule) {
    if (spec.anyone && (spec.authenticated || has_conditions(spec))) {
      report(rule.source, "`anyone` cannot stand beside conditions on who is calling");
    }
    if (!spec.anyone && !spec.authenticated && !has_conditions(spec) && !spec.none_of) {
      report(rule.source, "it does not say who: write `anyone`, `authenticated` or a condition");
    }
    for (const std::string& name : spec.providers) check_provider(name, rule);
    check_words(spec.scopes, "a scope", rule);
    check_words(spec.acr, "an `acr`", rule);
    check_words(spec.amr, "an `amr`", rule);
    if (spec.max_age && spec.max_age->ns <= 0) report(rule.source, "`max_age` has to be longer than nothing");
    Who who;
    who.needs_caller = spec.authenticated || has_conditions(spec);
    who.providers = spec.providers;
    who.subjects = spec.subjects;
    who.groups = spec.groups;
    who.scopes = spec.scopes;
    who.acr = spec.acr;
    who.amr = spec.amr;
    who.max_age = spec.max_age;
    for (const ClaimSpec& claim : spec.claims) {
      if (claim.path.empty() || claim.values.empty())
        report(claim.source, "a claim needs a name and a value");
      who.claims.push_back({.path = claim.path, .values = claim.values});
    }
    if (spec.none_of) {
      if (spec.none_of->anyone) report(rule.source, "`not: anyone` would match nobody");
      who.none_of = std::make_unique<const Who>(compile_who(*spec.none_of, rule));
    }
    return who;
  }

  void check_words(const std::vector<std::string>& words, std::string_view noun, const RuleSpec& rule) {
    if (std::all_of(words.begin(), words.end(), is_challenge_word)) return;
    report(rule.source, std::string(noun) + " is a word without spaces, quotes and backslashes");
  }

  void check_provider(const std::string& name, const RuleSpec& rule) {
    const auto& known = input_.provider_names;
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    std::vector<std::string_view> names(known.begin(), known.end());
    std::string message = "there is no provider " + base::json_quoted(name);
    std::string_view near = base::nearest_word(name, names);
    if (!near.empty()) message.append("; did you mean ").append(base::json_quoted(near)).append("?");
    report(rule.source, std::move(message));
  }

  void compile_on(const OnSpec& spec, Rule::Body& body) {
    auto path = routing::PathPattern::parse(spec.path);
    if (!path) {
      report(spec.source, path.error());
      return;
    }
    On on{.methods = spec.methods.empty() ? kEveryMethod : MethodSet{0},
          .other_methods = {},
          .path = std::move(*path)};
    for (const std::string& method : spec.methods) {
      if (method == "*") {
        on.methods = kEveryMethod;
      } else if (!is_token(method)) {
        report(spec.source, base::json_quoted(method) + " is not a method");
      } else if (std::any_of(method.begin(), method.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
        report(spec.source,
               "methods are written in upper case, and " + base::json_quoted(method) + " is not");
      } else {
        MethodSet bit = method_bit(method);
        on.methods |= bit;
        if (bit == kOtherMethod) on.other_methods.push_back(method);
      }
    }
    body.on.push_back(std::move(on));
  }

  const RulesInput& input_;
  std::vector<CompileError> errors_;
};

}  // namespace

bool can_meet(const WhoSpec& who, std::string_view provider) {
  auto names = [&](const WhoSpec& spec) {
    return std::find(spec.providers.begin(), spec.providers.end(), provider) != spec.providers.end();
  };
  if (!who.providers.empty() && !names(who)) return false;
  if (!who.none_of || !names(*who.none_of)) return true;
  // What else stands within `not` has to hold too for the caller to be left out.
  return has_conditions_beside_provider(*who.none_of);
}

std::expected<std::shared_ptr<const RuleSet>, std::vector<CompileError>> compile_rules(
    const RulesInput& input) {
  return RulesCompiler(input).compile();
}

}  // namespace auth
