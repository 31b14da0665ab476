// `gatehouse echo`: a small backend that answers every request with what it received, as JSON. For trying a
// gate out, for examples and for tests; not a server for anything else.
#pragma once

#include <string>

namespace cli {

struct EchoOptions {
  std::string address = "127.0.0.1:9001";
  std::string name = "echo";
};

// Serves until SIGTERM or SIGINT.
int echo_command(const EchoOptions& options);

}  // namespace cli
