// `gatehouse check`: compiles a gate against every environment and prints every diagnostic.
#pragma once

#include "cli/gate_source.h"

namespace cli {

struct CheckOptions : GateOptions {
  bool env_named = false;  // by --env or $GATEHOUSE_ENV, so that it must exist
};

int check_command(const CheckOptions& options);

}  // namespace cli
