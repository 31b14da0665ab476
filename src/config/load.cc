#include "config/load.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/loader_state.h"

namespace config {
namespace {

// What editors leave beside a file.
bool is_editor_file(std::string_view name) {
  return name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || name.ends_with(".swp") ||
         name.ends_with(".swo") || name.ends_with(".tmp") || name.ends_with(".bak");
}

}  // namespace

Diagnostic file_error(std::string_view path, std::string message, std::string hint) {
  return {.source = {std::make_shared<const std::string>(path), 1, 1},
          .key = {},
          .message = std::move(message),
          .hint = std::move(hint),
          .line = {}};
}

Document parse_document(const std::string& path, ReadText text, Diagnostics& diagnostics) {
  if (text) return parse_yaml(path, std::move(*text), diagnostics);
  bool too_large = text.error() == FileError::too_large;
  diagnostics.push_back(file_error(path, fmt::format("the file {}", words_of(text.error())),
                                   too_large ? fmt::format("{} MiB is the most", kFileBytesMax >> 20) : ""));
  Document document;
  document.file = diagnostics.back().source.file;
  return document;
}

std::string_view name_within(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder) || path.substr(folder.size()).find('/') != 0) return {};
  std::string_view name = path.substr(folder.size() + 1);
  if (name.find('/') != name.npos || is_editor_file(name) || !name.ends_with(".yaml")) return {};
  return name.substr(0, name.size() - 5);
}

std::string_view wrong_suffix(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (is_editor_file(name) || name.ends_with(".yaml")) return {};
  std::string_view suffix = name.substr(std::min(name.rfind('.'), name.size()));
  bool near = base::equals_ignoring_case(suffix, ".yaml") || base::equals_ignoring_case(suffix, ".yml");
  return near ? suffix : std::string_view{};
}

bool is_within(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

std::optional<std::vector<std::string>> list_definitions(const Files& files, std::string_view folder,
                                                         Diagnostics& diagnostics) {
  auto names = files.list(folder);
  if (!names) {
    diagnostics.push_back(file_error(folder, fmt::format("the folder {}", words_of(names.error())), {}));
    return std::nullopt;
  }
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (is_editor_file(name)) continue;
    std::string path = fmt::format("{}/{}", folder, name);
    if (std::string_view suffix = wrong_suffix(name); !suffix.empty()) {
      diagnostics.push_back(
          file_error(path, fmt::format("the file is not read, because its name ends in `{}`", suffix),
                     fmt::format("rename it to `{}.yaml`", name.substr(0, name.size() - suffix.size()))));
    } else if (name.ends_with(".yaml")) {
      paths.push_back(std::move(path));
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::set<std::string> Loader::State::changed_references(const Changes& changes) const {
  std::set<std::string> changed;
  for (const auto& [path, identity] : referenced) {
    if (changes.has(path) && files.identify(path) != identity) changed.insert(path);
  }
  return changed;
}

void Loader::State::remember_references() {
  referenced.clear();
  for (const FileUse& use : gate_files) referenced.emplace(use.path, use.identity);
  for (const auto& [name, value] : environment.values) {
    if (!value.file.empty()) referenced.emplace(value.file, files.identify(value.file));
  }
}

// Messages name places in the environment, which may have moved.
void Loader::State::decode_complaining_services() {
  for (auto& [name, entry] : services) {
    if (entry.settings || entry.path.empty() || !files.identify(entry.path)) continue;
    entry.identity = files.identify(entry.path);
    decode_entry(name, entry);
  }
}

LoadedGate Loader::State::refresh(const Changes& given) {
  // Whatever could not be looked at last time is looked at now.
  std::vector<std::string> paths(given.paths.begin(), given.paths.end());
  paths.insert(paths.end(), pending.begin(), pending.end());
  Changes changes{.everything = given.everything, .paths = paths};

  bool gate_changed = refresh_gate_file(changes);
  std::set<std::string> references = changed_references(changes);
  bool environments_changed = gate_changed || !references.empty() || changes.has_within(kEnvironmentsFolder);
  std::set<std::string> changed_values;
  if (environments_changed) changed_values = refresh_environments();
  bool gate_affected = std::any_of(gate_values.begin(), gate_values.end(),
                                   [&](const auto& v) { return changed_values.contains(v); }) ||
                       std::any_of(gate_files.begin(), gate_files.end(),
                                   [&](const FileUse& use) { return references.contains(use.path); });
  if (gate_changed || gate_affected || !gate) decode_gate_settings();
  remember_references();

  // A broken gatehouse.yaml must not touch what good services were decoded with. At start there are none, and
  // everything that is wrong is worth saying.
  bool services_wait = !gate_document.readable || !environment_usable || (!gate && context_is_good);
  if (services_wait) {
    pending.insert(given.paths.begin(), given.paths.end());
    for (const std::string& value : changed_values) lost_values.insert(value);
    if (given.everything) listed = false;
    return compose();
  }
  changed_values.insert(lost_values.begin(), lost_values.end());
  lost_values.clear();
  pending.clear();
  context_is_good = gate != nullptr;
  if (environments_changed) decode_complaining_services();
  refresh_services(changes, changed_values);
  return compose();
}

void Loader::State::report_unused_values(Diagnostics& out) const {
  for (const auto& [name, value] : environment.values) {
    if (gate_values.contains(name) || value_uses.contains(name)) continue;
    std::string key =
        environment.place == kGateFile ? fmt::format("environments.{}.{}", environment.name, name) : name;
    out.push_back({.severity = Severity::warning,
                   .source = value.source,
                   .key = std::move(key),
                   .message = "nothing uses this value",
                   .hint = "remove it, or write `${" + name + "}` where it belongs",
                   .line = {}});
  }
}

LoadedGate Loader::State::compose() {
  LoadedGate loaded;
  loaded.environment = environment_name;
  auto add = [&](const Diagnostics& more) {
    loaded.diagnostics.insert(loaded.diagnostics.end(), more.begin(), more.end());
  };
  add(gate_syntax);
  add(environment_diagnostics);
  for (const auto& [path, identity] : referenced) loaded.referenced_files.push_back(path);
  for (const auto& [path, uses] : file_uses) {
    if (!referenced.contains(path)) loaded.referenced_files.push_back(path);
  }
  std::ranges::sort(loaded.referenced_files);
  bool usable = gate_document.readable && environment_usable;
  bool services_known = usable && (gate || !context_is_good);
  // Without an environment every `${name}` would be reported: noise beside the one cause.
  if (usable) {
    add(gate_diagnostics);
    if (services_known) add(listing_diagnostics);
  }
  bool served = usable && gate && !has_errors(environment_diagnostics);
  loaded.incomplete = gate_incomplete;
  if (served) loaded.services.reserve(services.size());
  bool broken = false;
  for (const auto& [name, entry] : services) {
    if (!services_known) break;
    add(entry.diagnostics);
    loaded.incomplete |= entry.incomplete;
    broken |= entry.settings == nullptr;
    if (!served) continue;
    if (entry.settings) {
      loaded.services.push_back(entry.settings);
    } else {
      base::Source source{
          std::make_shared<const std::string>(entry.path.empty() ? kGateFile : std::string_view(entry.path)),
          1, 1};
      if (entry.path.empty()) source = gate_document.source(*entry.inline_node);
      loaded.broken.push_back({.name = name, .source = std::move(source)});
    }
  }
  if (served) loaded.gate = gate;
  if (served && !broken) report_unused_values(loaded.diagnostics);
  sort_diagnostics(loaded.diagnostics);
  return loaded;
}

Loader::Loader(const Files& files, std::string environment, MissingSecrets missing)
    : state_(std::make_unique<State>(files, std::move(environment), missing)) {}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;

LoadedGate Loader::load() { return state_->refresh({.everything = true, .paths = {}}); }

LoadedGate Loader::reload(std::span<const std::string> changed_paths) {
  if (!state_->gate_document.file) return load();
  return state_->refresh({.everything = false, .paths = changed_paths});
}

}  // namespace config
