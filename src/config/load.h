// From a gate's folder to settings: once for the commands, again and again for the running gate. control/ and
// cli/ call it. A broken service is refused alone; a broken gatehouse.yaml or a broken chosen environment
// refuses the whole load, and the caller goes on with what it has. Conflicts between services are not found
// here: routing finds them when control/ compiles.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/files.h"
#include "config/settings.h"

namespace config {

inline constexpr std::string_view kGateFile = "gatehouse.yaml";

struct BrokenService {
  std::string name;
  base::Source source;
};

struct LoadedGate {
  std::string environment;
  std::shared_ptr<const GateSettings> gate;  // null: refused as a whole, and services is empty
  std::vector<std::shared_ptr<const ServiceSettings>> services;  // the good ones by name, disabled ones too
  std::vector<BrokenService> broken;                             // by name
  // Files read, or named, outside the standard places (keys, key sets, values): watch these as well.
  std::vector<std::string> referenced_files;
  // A secret was passed over (MissingSecrets::ignored): what needs it is empty, so compile rules and routes
  // only.
  bool incomplete = false;
  Diagnostics diagnostics;  // sorted

  bool loaded() const { return gate != nullptr; }
};

// Keeps what it decoded, so that a change of one file among thousands costs that file. A service whose file,
// used values and defaults did not change is the very same object in the next LoadedGate; so is the gate.
// One thread. files must outlive it.
class Loader {
 public:
  // MissingSecrets::ignored is for checking an environment on a machine that does not have its secrets.
  enum class MissingSecrets : uint8_t { refused, ignored };

  Loader(const Files& files, std::string environment, MissingSecrets missing = MissingSecrets::refused);
  ~Loader();
  Loader(Loader&&) noexcept;

  // Looks at every file's identity and decodes what changed.
  LoadedGate load();
  // Looks only at these paths (as a watcher saw them change, appear or go). Whatever else changed stays
  // unseen.
  LoadedGate reload(std::span<const std::string> changed_paths);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

LoadedGate load_gate(const Files& files, std::string_view environment);

struct CheckedGate {
  std::vector<LoadedGate> environments;  // one each, the chosen one first; at least one
  Diagnostics diagnostics;               // of all, sorted; the same one once
};

// Against every environment. Secrets must exist only for the chosen one.
CheckedGate check_gate(const Files& files, std::string_view chosen_environment);

// Names of the environments of a gate, sorted; nothing when gatehouse.yaml is broken.
std::vector<std::string> list_environments(const Files& files);

// Fills in the source line of diagnostics made elsewhere from settings' sources. Those of loading are among
// them: a line with a secret in clear has a warning, and is shown as in that.
void attach_lines(const Files& files, Diagnostics& diagnostics);

}  // namespace config
