#include "cli/access_tests.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "routing/path_pattern.h"

namespace cli {
namespace {

// A host that the pattern covers.
std::string host_within(const std::string& pattern) {
  return pattern.starts_with("*.") ? "any" + pattern.substr(1) : pattern;
}

bool has_header(const config::TestSpec& test, std::string_view name) {
  auto same = [&](const config::HeaderValue& header) {
    return base::equals_ignoring_case(header.name, name);
  };
  return std::ranges::any_of(test.headers, same);
}

// The part of the service's place that the test is about: the first whose path fits, else the first.
const config::MatchSettings& match_of(const config::ServiceSettings& service, const config::TestSpec& test) {
  std::string_view path = std::string_view(test.target).substr(0, test.target.find('?'));
  for (const config::MatchSettings& match : service.matches) {
    auto pattern = routing::PathPattern::parse(match.path);
    bool method =
        match.methods.empty() || std::ranges::find(match.methods, test.method) != match.methods.end();
    if (method && pattern && pattern->covers(path)) return match;
  }
  return service.matches.front();
}

const auth::ProviderSpec* find_provider(const config::GateSettings& gate, std::string_view name) {
  for (const auth::ProviderSpec& provider : gate.providers) {
    if (provider.name == name) return &provider;
  }
  return nullptr;
}

// Whether the test got what it expects; says in test.problem what else is wrong.
bool judge(AccessTest& test) {
  const control::Decision& decision = test.decision;
  const config::TestSpec& spec = *test.spec;
  if (decision.service == nullptr && decision.reason == base::Reason::no_route) {
    test.problem = fmt::format("the request reaches no service, and so not `{}`", test.service);
    return false;
  }
  if (decision.own) {
    test.problem = "the gate itself answers at this address";
    return false;
  }
  if (decision.service != nullptr && decision.service->name != test.service) {
    test.problem = fmt::format("the request reaches the service `{}`", decision.service->name);
    return false;
  }
  bool as_expected = decision.allowed() == (spec.expect == auth::Effect::allow);
  if (!as_expected || spec.by.empty()) return as_expected;
  if (decision.verdict.rule != nullptr && decision.verdict.rule->name() == spec.by) return true;
  auto named = [&](const auth::TraceStep& step) { return step.rule->name() == spec.by; };
  if (std::ranges::none_of(decision.trace.steps, named))
    test.problem = fmt::format("no rule is called \"{}\"", spec.by);
  return false;
}

class Runner {
 public:
  Runner(const OpenedGate& gate, base::WallTime now)
      : gate_(gate), now_(now), decider_({gate.compiled, gate.files, gate.loaded.gate->fetch, now}) {}

  AccessTestRun run() {
    list_rules();
    for (const auto& settings : gate_.loaded.services) {
      if (!settings->enabled || is_refused(settings->name)) continue;
      for (const config::TestSpec& spec : settings->tests) run_one(*settings, spec);
    }
    return std::move(run_);
  }

 private:
  bool is_refused(const std::string& name) const {
    return std::ranges::binary_search(gate_.compiled.refused_services, name);
  }

  void list_rules() {
    const gate::Snapshot& snapshot = *gate_.compiled.snapshot;
    add_rules({}, *snapshot.gate_rules, snapshot.gate_rule_places);
    for (const auto& settings : gate_.loaded.services) {
      for (const auto& service : snapshot.services) {
        if (service == nullptr || service->name != settings->name) continue;
        add_rules(service->name, *service->rules, service->rule_places);
        break;
      }
    }
  }

  void add_rules(std::string_view service, const auth::RuleSet& rules,
                 const std::vector<std::string>& places) {
    for (const auth::Rule& rule : rules.rules()) {
      places_[&rule] = run_.rules.size();
      run_.rules.push_back({.service = std::string(service), .rule = &rule, .place = places[rule.index()]});
    }
  }

  void run_one(const config::ServiceSettings& settings, const config::TestSpec& spec) {
    AccessTest& test = run_.tests.emplace_back();
    test.service = settings.name;
    test.spec = &spec;
    control::RequestToDecide request = complete_request(settings, spec);
    if (spec.caller) {
      // Loading made sure that there is such a provider.
      const auth::ProviderSpec* provider = find_provider(*gate_.loaded.gate, spec.caller->provider);
      if (provider != nullptr) request.pretended = control::make_caller(*spec.caller, *provider, now_);
    }
    test.request = fmt::format("{} {}{}{}", request.method, request.authority.empty() ? "" : "http://",
                               request.authority, request.target);
    test.decision = decider_.decide(request);
    test.passed = judge(test);
    for (const auth::TraceStep& step : test.decision.trace.steps) {
      auto known = places_.find(step.rule);
      if (step.matched && known != places_.end()) run_.rules[known->second].reached = true;
    }
  }

  const OpenedGate& gate_;
  base::WallTime now_;
  control::Decider decider_;
  AccessTestRun run_;
  std::map<const auth::Rule*, size_t> places_;
};

}  // namespace

size_t AccessTestRun::failed() const {
  return static_cast<size_t>(
      std::ranges::count_if(tests, [](const AccessTest& test) { return !test.passed; }));
}

size_t AccessTestRun::reached() const {
  return static_cast<size_t>(
      std::ranges::count_if(rules, [](const RuleReach& rule) { return rule.reached; }));
}

double AccessTestRun::coverage() const {
  return rules.empty() ? 100.0 : 100.0 * static_cast<double>(reached()) / static_cast<double>(rules.size());
}

control::RequestToDecide complete_request(const config::ServiceSettings& service,
                                          const config::TestSpec& test) {
  control::RequestToDecide request{.method = test.method, .authority = test.host, .target = test.target};
  if (!test.scheme.empty()) request.scheme = test.scheme;
  request.headers = test.headers;
  if (test.from) request.client = *test.from;
  const config::MatchSettings& match = match_of(service, test);
  if (request.authority.empty()) {
    request.authority = match.hosts.empty() ? "any.example" : host_within(match.hosts.front());
  }
  for (const config::HeaderCondition& condition : match.headers) {
    if (has_header(test, condition.name)) continue;
    request.headers.push_back({condition.name, condition.values.empty() ? "any" : condition.values.front()});
  }
  return request;
}

AccessTestRun run_access_tests(const OpenedGate& gate, base::WallTime now) { return Runner(gate, now).run(); }

}  // namespace cli
