// `gatehouse run`: serves a gate until it is told to stop.
#pragma once

#include <string>

namespace cli {

struct RunOptions {
  std::string dir;
  std::string env;
  std::string ready_file;
};

// The exit status: 0 after a drain, 2 when it could not start.
int run_command(const RunOptions& options);

}  // namespace cli
