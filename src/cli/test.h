// `gatehouse test`: runs a gate's access tests and says which failed, why, and which rules none of them
// reached.
#pragma once

#include <optional>

#include "cli/gate_source.h"

namespace cli {

struct TestOptions : GateOptions {
  std::optional<double> min_coverage;  // per cent
};

int test_command(const TestOptions& options);

}  // namespace cli
