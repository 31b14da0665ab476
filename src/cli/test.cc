#include "cli/test.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/access_tests.h"
#include "cli/caller_text.h"
#include "io/clock.h"

namespace cli {
namespace {

// How many rules that nearly matched a failed test shows.
constexpr size_t kNearestRules = 3;

std::string_view effect_name(auth::Effect effect) { return effect == auth::Effect::allow ? "allow" : "deny"; }

std::string expectation(const config::TestSpec& spec) {
  std::string text(effect_name(spec.expect));
  if (!spec.by.empty()) text += fmt::format(" by \"{}\"", spec.by);
  return text;
}

std::string outcome(const control::Decision& decision) {
  std::string text =
      decision.allowed() ? "allow" : fmt::format("deny ({})", base::reason_name(decision.reason));
  if (const auth::Rule* rule = decision.verdict.rule) {
    text += fmt::format(" by \"{}\" at {}", rule->name(), decision.place_of(*rule));
  } else if (!decision.allowed()) {
    text += fmt::format(": {}", decision.detail);
  }
  return text;
}

// The rules that did not match but came furthest.
std::vector<const auth::TraceStep*> nearest_rules(const control::Decision& decision) {
  std::vector<const auth::TraceStep*> steps;
  for (const auth::TraceStep& step : decision.trace.steps) {
    if (!step.matched) steps.push_back(&step);
  }
  // As far as they came; those that came equally far as they are written.
  std::ranges::sort(steps, [](const auto* a, const auto* b) {
    return a->clause != b->clause ? a->clause > b->clause : a < b;
  });
  if (steps.size() > kNearestRules) steps.resize(kNearestRules);
  return steps;
}

std::string describe_failure(const AccessTest& test) {
  std::string out = fmt::format("FAILED {}: {}\n", test.spec->source.text(), test.spec->text);
  out += fmt::format("  request   {}\n", test.request);
  out += fmt::format("  caller    {}\n", describe_caller(test.decision.caller.get()));
  out += fmt::format("  expected  {}\n", expectation(*test.spec));
  out += fmt::format("  got       {}\n", outcome(test.decision));
  if (!test.problem.empty()) out += fmt::format("  because   {}\n", test.problem);
  for (const auth::TraceStep* step : nearest_rules(test.decision)) {
    out += fmt::format("  not by    \"{}\" at {}: {}\n", step->rule->name(),
                       test.decision.place_of(*step->rule), step->sentence);
  }
  return out + "\n";
}

std::string describe_run(const AccessTestRun& run, const OpenedGate& gate) {
  std::string out;
  for (const AccessTest& test : run.tests) {
    if (!test.passed) out += describe_failure(test);
  }
  for (const RuleReach& rule : run.rules) {
    if (!rule.reached)
      out += fmt::format("not reached by any test: \"{}\" at {}\n", rule.rule->name(), rule.place);
  }
  for (const std::string& name : gate.compiled.refused_services) {
    out += fmt::format("not run: the tests of `{}`, which is refused\n", name);
  }
  bool good = run.failed() == 0 && gate.compiled.refused_services.empty();
  out += run.failed() == 0 ? fmt::format("{}{} test{} passed", good ? "ok: " : "", run.tests.size(),
                                         run.tests.size() == 1 ? "" : "s")
                           : fmt::format("{} of {} tests failed", run.failed(), run.tests.size());
  return out + fmt::format("; {} of {} rules reached ({:.0f} %)\n", run.reached(), run.rules.size(),
                           run.coverage());
}

void append_test(JsonText& json, const AccessTest& test) {
  const control::Decision& decision = test.decision;
  json.open('{').key("passed").boolean(test.passed);
  json.key("service").text(test.service);
  json.key("source").text(test.spec->source.text());
  json.key("test").text(test.spec->text);
  json.key("request").text(test.request);
  json.key("expected").text(effect_name(test.spec->expect));
  if (!test.spec->by.empty()) json.key("expected_by").text(test.spec->by);
  json.key("verdict").text(decision.allowed() ? "allow" : "deny");
  if (!decision.allowed()) json.key("reason").text(base::reason_name(decision.reason));
  if (const auth::Rule* rule = decision.verdict.rule) {
    json.key("rule").text(rule->name()).key("rule_source").text(decision.place_of(*rule));
  }
  if (!test.problem.empty()) json.key("problem").text(test.problem);
  json.key("nearest").open('[');
  for (const auth::TraceStep* step :
       test.passed ? std::vector<const auth::TraceStep*>{} : nearest_rules(decision)) {
    json.open('{').key("rule").text(step->rule->name()).key("source").text(decision.place_of(*step->rule));
    json.key("clause").text(auth::clause_name(step->clause)).key("sentence").text(step->sentence).close('}');
  }
  json.close(']').close('}');
}

std::string as_json(const AccessTestRun& run, const OpenedGate& gate, bool good) {
  JsonText json;
  json.open('{').key("ok").boolean(good);
  json.key("passed").number(static_cast<int64_t>(run.tests.size() - run.failed()));
  json.key("failed").number(static_cast<int64_t>(run.failed()));
  json.key("tests").open('[');
  for (const AccessTest& test : run.tests) append_test(json, test);
  json.close(']').key("rules").open('{');
  json.key("total").number(static_cast<int64_t>(run.rules.size()));
  json.key("reached").number(static_cast<int64_t>(run.reached()));
  json.key("unreached").open('[');
  for (const RuleReach& rule : run.rules) {
    if (rule.reached) continue;
    json.open('{').key("service").text(rule.service).key("rule").text(rule.rule->name());
    json.key("source").text(rule.place).close('}');
  }
  json.close(']').close('}');
  json.key("coverage").raw(fmt::format("{:.1f}", run.coverage()));
  json.key("refused_services").texts(gate.compiled.refused_services);
  json.key("diagnostics").raw(config::format_json(gate.diagnostics)).close('}');
  return json.str() + "\n";
}

}  // namespace

int test_command(const TestOptions& options) {
  // Rules need no secrets: tests run where there are none.
  auto gate = open_gate(options, config::Loader::MissingSecrets::ignored);
  if (gate == nullptr) return refuse_to_run(no_gate_in(options.dir));
  print_diagnostics(gate->diagnostics);
  if (!gate->usable()) return refuse_to_run("the gate is broken, so that its tests cannot be run");
  AccessTestRun run = run_access_tests(*gate, io::system_clock().wall_now());
  // The tests of a service that is refused were not run, and so have not passed.
  bool good = run.failed() == 0 && !config::has_errors(gate->diagnostics);
  bool covered = !options.min_coverage || run.coverage() >= *options.min_coverage;
  print(options.output == Output::json ? as_json(run, *gate, good && covered) : describe_run(run, *gate));
  if (!covered) {
    complain(fmt::format("gatehouse: {:.1f} % of the rules are reached, and {:g} % are asked for\n",
                         run.coverage(), *options.min_coverage));
  }
  return good && covered ? kGood : kNo;
}

}  // namespace cli
