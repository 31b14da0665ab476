// Opens the gate a command was pointed at: its folder, the chosen environment, loaded and compiled once.
// Shared by check, test, explain and keys; serves nothing.
#pragma once

#include <memory>
#include <string>

#include "cli/output.h"
#include "config/files.h"
#include "config/load.h"
#include "control/compile.h"

namespace cli {

// What every command that works on a gate takes.
struct GateOptions {
  std::string dir = ".";
  std::string env = "local";
  Output output = Output::text;
};

struct OpenedGate {
  explicit OpenedGate(const std::string& dir) : files(dir) {}
  config::DiskFiles files;
  config::LoadedGate loaded;
  control::Compiler compiler;
  control::Compiled compiled;
  config::Diagnostics diagnostics;  // of loading and compiling

  bool usable() const { return compiled.snapshot != nullptr; }
};

// Whether there is a gatehouse.yaml; the sentence to refuse with when not.
bool is_gate(const config::Files& files);
std::string no_gate_in(const std::string& dir);

// usable() unless the gate's own file or the environment is broken; diagnostics say why. Null: no gate there
// at all.
std::unique_ptr<OpenedGate> open_gate(const GateOptions& options, config::Loader::MissingSecrets secrets);

}  // namespace cli
