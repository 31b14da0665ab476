// Loading gatehouse.yaml and the environments.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/keys_file.h"
#include "config/loader_state.h"
#include "config/tables.h"

namespace config {

// --- gatehouse.yaml ---

std::vector<KnownProvider> list_providers(const Node& gate_root) {
  std::vector<KnownProvider> list;
  const Node* providers = gate_root.find("providers");
  if (!providers || providers->kind != Node::Kind::map) return list;
  for (size_t i = 0; i + 1 < providers->items.size(); i += 2) {
    KnownProvider& known = list.emplace_back();
    known.name = providers->items[i].text;
    const Node& provider = providers->items[i + 1];
    if (provider.kind != Node::Kind::map || provider.items.size() != 2) continue;
    known.mechanism = provider.items[0].text;
    known.has_secret = provider.items[1].find("client_secret") != nullptr;
  }
  return list;
}

bool Loader::State::refresh_gate_file(const Changes& changes) {
  if (!changes.has(kGateFile)) return false;
  std::string path(kGateFile);
  auto identity = files.identify(path);
  if (identity && identity == gate_identity && gate_document.file) return false;
  gate_identity = identity;
  gate_syntax.clear();
  if (!identity) {
    gate_document = Document{
        .file = std::make_shared<const std::string>(path), .text = {}, .root = {}, .readable = false};
    bool yml = files.identify("gatehouse.yml").has_value();
    gate_syntax.push_back(
        file_error(path, "the gate has no gatehouse.yaml",
                   yml ? "rename gatehouse.yml to gatehouse.yaml" : "write one, or name the gate's folder"));
    return true;
  }
  gate_document = parse_document(path, files.read(path, kFileBytesMax), gate_syntax);
  return true;
}

void Loader::State::decode_gate_settings() {
  gate_diagnostics.clear();
  gate_files.clear();
  gate_values.clear();
  gate.reset();
  gate_incomplete = false;
  if (!gate_document.readable) return;
  Decoder decoder(gate_document,
                  {.environment = environment,
                   .environments = outlines,
                   .missing_secrets_ignored = missing == MissingSecrets::ignored},
                  gate_diagnostics);
  decoder.known.service = "gate";
  decoder.known.files = &files;
  std::vector<KnownProvider> providers = list_providers(gate_document.root);
  decoder.known.providers = providers;
  auto settings = std::make_shared<GateSettings>();
  decode_gate(decoder, gate_document.root, *settings);
  if (const Node* defaults = gate_document.root.find("defaults")) {
    Decoder::At at(decoder, "defaults");
    check_defaults(decoder, *defaults);
  }
  gate_files = decoder.used_files();
  load_key_files(*settings);
  gate_values = decoder.used_values();
  gate_incomplete = decoder.incomplete();
  if (!has_errors(gate_diagnostics) && !has_errors(gate_syntax)) gate = std::move(settings);
}

void Loader::State::load_key_files(GateSettings& settings) {
  for (auth::ProviderSpec& provider : settings.providers) {
    if (provider.jwt && !provider.jwt->jwks.file.empty()) {
      const std::string& path = provider.jwt->jwks.file;
      gate_files.push_back({.path = path, .identity = files.identify(path)});
    }
    if (!provider.api_keys || provider.api_keys->file.empty()) continue;
    const std::string& path = provider.api_keys->file;
    gate_files.push_back({.path = path, .identity = files.identify(path)});
    if (!gate_files.back().identity) {
      Diagnostic warning{
          .severity = Severity::warning,
          .source = provider.source,
          .key = "providers." + provider.name,
          .message = fmt::format("the file `{}` does not exist yet, so the provider has no keys", path),
          .hint = fmt::format("make one with `gatehouse keys new --provider {}`", provider.name),
          .line = gate_document.line(provider.source.line),
          .width = static_cast<int>(provider.name.size())};
      gate_diagnostics.push_back(std::move(warning));
      continue;
    }
    provider.api_keys->keys = load_keys(files, path, gate_diagnostics);
  }
}

// --- Environments ---

void Loader::State::read_environment(const Document& document, const Node& body, std::string_view name,
                                     std::string_view key, const Diagnostics& syntax) {
  auto same = std::find_if(outlines.begin(), outlines.end(),
                           [&](const EnvironmentOutline& o) { return o.name == name; });
  if (same != outlines.end()) {
    Diagnostic twice =
        file_error(same->place,
                   fmt::format("the environment `{}` also stands in {}", name, document.source(body).text()),
                   "keep one of them");
    environment_diagnostics.push_back(std::move(twice));
    if (name == environment_name) environment_usable = false;
    return;
  }
  EnvironmentOutline outline{.name = std::string(name), .place = *document.file, .values = {}};
  bool chosen = name == environment_name;
  if (body.kind == Node::Kind::map) {
    for (size_t i = 0; i < body.items.size(); i += 2) outline.values.insert(body.items[i].text);
  }
  outlines.push_back(std::move(outline));
  // What is wrong with an environment nobody chose is for `check` to say.
  if (!chosen) return;
  environment_diagnostics.insert(environment_diagnostics.end(), syntax.begin(), syntax.end());
  environment = decode_environment(files, document, body, name, key, environment_diagnostics);
  environment_usable = document.readable && (body.kind == Node::Kind::map || body.is_null());
}

// Returns the names whose value is another than before.
std::set<std::string> Loader::State::refresh_environments() {
  Environment before =
      std::exchange(environment, Environment{.name = environment_name, .place = {}, .values = {}});
  outlines.clear();
  environment_diagnostics.clear();
  environment_files.clear();
  environment_usable = false;
  auto paths = list_definitions(files, kEnvironmentsFolder, environment_diagnostics);
  for (const std::string& path : paths.value_or(std::vector<std::string>{})) {
    environment_files.emplace_back(path, files.identify(path));
    Diagnostics syntax;
    Document document = parse_document(path, files.read(path, kFileBytesMax), syntax);
    read_environment(document, document.root, name_within(path, kEnvironmentsFolder), "", syntax);
  }
  const Node* inline_environments = gate_document.root.find("environments");
  if (inline_environments && inline_environments->kind == Node::Kind::map) {
    for (size_t i = 0; i < inline_environments->items.size(); i += 2) {
      const std::string& name = inline_environments->items[i].text;
      read_environment(gate_document, inline_environments->items[i + 1], name, "environments." + name, {});
    }
  } else if (inline_environments && !inline_environments->is_null()) {
    environment_diagnostics.push_back({.source = gate_document.source(*inline_environments),
                                       .key = "environments",
                                       .message = "must be a map of environments by name",
                                       .hint = "write `environments: { local: { name: value } }`",
                                       .line = gate_document.line(inline_environments->line)});
  }
  if (outlines.empty() && gate_document.readable) environment_usable = !has_errors(environment_diagnostics);
  if (!outlines.empty() && environment.place.empty() && !environment_usable && gate_document.readable) {
    std::vector<std::string_view> names;
    for (const EnvironmentOutline& outline : outlines) names.push_back(outline.name);
    std::string_view nearest = base::nearest_word(environment_name, names);
    std::string hint = "the environments are";
    for (size_t i = 0; i < names.size(); ++i) hint += fmt::format("{} `{}`", i == 0 ? "" : ",", names[i]);
    if (!nearest.empty()) hint = fmt::format("did you mean `{}`?", nearest);
    environment_diagnostics.push_back(
        file_error(fmt::format("{}/{}.yaml", kEnvironmentsFolder, environment_name),
                   fmt::format("the gate has no environment `{}`", environment_name), hint));
  }

  std::set<std::string> changed;
  for (const auto& [name, value] : environment.values) {
    auto found = before.values.find(name);
    if (found == before.values.end() || !same_value(found->second, value)) changed.insert(name);
  }
  for (const auto& [name, value] : before.values) {
    if (!environment.values.contains(name)) changed.insert(name);
  }
  return changed;
}

}  // namespace config
