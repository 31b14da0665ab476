// Runs the access tests that stand beside a gate's rules, by the decision code of live traffic, and counts
// which rules they reached. Prints nothing: `gatehouse test` does.
#pragma once

#include <string>
#include <vector>

#include "cli/gate_source.h"
#include "control/decide.h"

namespace cli {

struct AccessTest {
  std::string service;
  const config::TestSpec* spec = nullptr;
  std::string request;  // as it was sent: "GET http://api.example.com/orders/1"
  bool passed = false;
  std::string problem;  // what is wrong besides the verdict: "no rule is called ..."; may be empty
  control::Decision decision;
};

struct RuleReach {
  std::string service;  // empty: a rule of the gate itself
  const auth::Rule* rule = nullptr;
  std::string place;
  bool reached = false;
};

struct AccessTestRun {
  std::vector<AccessTest> tests;
  std::vector<RuleReach> rules;

  size_t failed() const;
  size_t reached() const;
  double coverage() const;  // per cent of the rules; 100 when there are none
};

// gate.usable(); it outlives the result. Tests of refused services are left out: nobody would answer them.
AccessTestRun run_access_tests(const OpenedGate& gate, base::WallTime now);

// The request a test describes. What a short test leaves out (the host, the headers that lead to its service)
// is taken from the service's own match.
control::RequestToDecide complete_request(const config::ServiceSettings& service,
                                          const config::TestSpec& test);

}  // namespace cli
