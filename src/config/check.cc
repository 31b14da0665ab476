// The one-shot uses of the loader: what the commands call.
#include <algorithm>
#include <map>
#include <utility>

#include "config/load.h"
#include "config/yaml.h"

namespace config {

LoadedGate load_gate(const Files& files, std::string_view environment) {
  return Loader(files, std::string(environment)).load();
}

std::vector<std::string> list_environments(const Files& files) {
  std::vector<std::string> names;
  for (const std::string& file : files.list("environments").value_or(std::vector<std::string>{})) {
    if (file.ends_with(".yaml") && !file.starts_with('.') && !file.starts_with('#')) {
      names.push_back(file.substr(0, file.size() - 5));
    }
  }
  Diagnostics ignored;  // the loader says what is wrong with the file
  if (auto text = files.read(kGateFile, kFileBytesMax)) {
    Document document = parse_yaml(kGateFile, std::move(*text), ignored);
    const Node* inlined = document.root.find("environments");
    for (size_t i = 0; inlined && inlined->kind == Node::Kind::map && i < inlined->items.size(); i += 2) {
      names.push_back(inlined->items[i].text);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

CheckedGate check_gate(const Files& files, std::string_view chosen_environment) {
  std::vector<std::string> names = list_environments(files);
  auto chosen = std::find(names.begin(), names.end(), chosen_environment);
  if (chosen != names.end()) std::rotate(names.begin(), chosen, chosen + 1);
  if (names.empty()) names.emplace_back(chosen_environment);
  CheckedGate checked;
  for (const std::string& name : names) {
    auto missing =
        name == chosen_environment ? Loader::MissingSecrets::refused : Loader::MissingSecrets::ignored;
    checked.environments.push_back(Loader(files, name, missing).load());
    const Diagnostics& found = checked.environments.back().diagnostics;
    checked.diagnostics.insert(checked.diagnostics.end(), found.begin(), found.end());
  }
  sort_diagnostics(checked.diagnostics);
  return checked;
}

void attach_lines(const Files& files, Diagnostics& diagnostics) {
  auto place = [](const Diagnostic& d) { return std::pair(std::string_view(*d.source.file), d.source.line); };
  // A line that was shown before is shown as it was: a secret in it is concealed.
  std::map<std::pair<std::string_view, int>, std::string> shown;
  for (const Diagnostic& d : diagnostics) {
    if (d.source.file && !d.line.empty()) shown.emplace(place(d), d.line);
  }
  std::map<std::string, Document> documents;
  for (Diagnostic& diagnostic : diagnostics) {
    if (!diagnostic.line.empty() || !diagnostic.source.file || diagnostic.source.line <= 0) continue;
    if (auto before = shown.find(place(diagnostic)); before != shown.end()) {
      diagnostic.line = before->second;
      continue;
    }
    auto [document, is_new] = documents.try_emplace(*diagnostic.source.file);
    if (is_new) {
      if (auto text = files.read(*diagnostic.source.file, kFileBytesMax))
        document->second.text = std::move(*text);
    }
    diagnostic.line = document->second.line(diagnostic.source.line);
  }
}

}  // namespace config
