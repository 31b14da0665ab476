#include "cli/gate_source.h"

#include <fmt/core.h>

#include <filesystem>

namespace cli {

bool is_gate(const config::Files& files) { return files.identify(config::kGateFile).has_value(); }

std::string no_gate_in(const std::string& dir) {
  std::error_code error;
  auto status = std::filesystem::status(dir, error);
  if (!std::filesystem::exists(status)) return fmt::format("there is no folder {}", dir);
  if (!std::filesystem::is_directory(status)) return fmt::format("{} is a file; name the gate's folder", dir);
  if (config::DiskFiles(dir).identify("gatehouse.yml")) return "rename gatehouse.yml to gatehouse.yaml";
  if (dir == ".") return fmt::format("there is no {} in this folder; name the gate's", config::kGateFile);
  return fmt::format("there is no {} in {}", config::kGateFile, dir);
}

std::unique_ptr<OpenedGate> open_gate(const GateOptions& options, config::Loader::MissingSecrets secrets) {
  auto gate = std::make_unique<OpenedGate>(options.dir);
  if (!is_gate(gate->files)) return nullptr;
  gate->loaded = config::Loader(gate->files, options.env, secrets).load();
  gate->diagnostics = gate->loaded.diagnostics;
  if (!gate->loaded.loaded()) return gate;
  gate->compiled = gate->compiler.compile(gate->loaded, 1);
  gate->diagnostics.insert(gate->diagnostics.end(), gate->compiled.diagnostics.begin(),
                           gate->compiled.diagnostics.end());
  config::attach_lines(gate->files, gate->diagnostics);
  config::sort_diagnostics(gate->diagnostics);
  return gate;
}

}  // namespace cli
