#include "config/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "config/decode.h"
#include "config/environment.h"
#include "config/keys_file.h"
#include "config/tables.h"
#include "config/yaml.h"

namespace config {
namespace {

constexpr std::string_view kServicesFolder = "services";
constexpr std::string_view kEnvironmentsFolder = "environments";

std::string_view words_of(FileError error) {
  switch (error) {
    case FileError::missing:
      return "does not exist";
    case FileError::unreadable:
      return "cannot be read";
    case FileError::too_large:
      break;
  }
  return "is too large";
}

Diagnostic file_error(std::string_view path, std::string message, std::string hint) {
  return {.source = {std::make_shared<const std::string>(path), 1, 1},
          .key = {},
          .message = std::move(message),
          .hint = std::move(hint),
          .line = {}};
}

// Reads and parses; a file that cannot be read is a document that is not readable, and a diagnostic.
Document read_document(const Files& files, const std::string& path, Diagnostics& diagnostics) {
  auto text = files.read(path, kFileBytesMax);
  if (text) return parse_yaml(path, std::move(*text), diagnostics);
  diagnostics.push_back(file_error(path, fmt::format("the file {}", words_of(text.error())), {}));
  Document document;
  document.file = diagnostics.back().source.file;
  return document;
}

// What editors leave beside a file.
bool is_editor_file(std::string_view name) {
  return name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || name.ends_with(".swp") ||
         name.ends_with(".swo") || name.ends_with(".tmp") || name.ends_with(".bak");
}

// "orders" of services/orders.yaml; empty for what is no definition.
std::string_view name_within(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder) || path.substr(folder.size()).find('/') != 0) return {};
  std::string_view name = path.substr(folder.size() + 1);
  if (name.find('/') != name.npos || is_editor_file(name) || !name.ends_with(".yaml")) return {};
  return name.substr(0, name.size() - 5);
}

bool is_within(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

// The paths of a folder's definitions, sorted; a `.yml` is reported.
std::vector<std::string> list_definitions(const Files& files, std::string_view folder,
                                          Diagnostics& diagnostics) {
  std::vector<std::string> paths;
  for (const std::string& name : files.list(folder)) {
    if (is_editor_file(name)) continue;
    std::string path = fmt::format("{}/{}", folder, name);
    if (name.ends_with(".yml")) {
      diagnostics.push_back(
          file_error(path, "the file is not read, because its name ends in `.yml`",
                     fmt::format("rename it to `{}.yaml`", name.substr(0, name.size() - 4))));
    } else if (name.ends_with(".yaml")) {
      paths.push_back(std::move(path));
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// One service as last decoded, good or broken.
struct ServiceEntry {
  std::string path;  // of its file; empty: inline in gatehouse.yaml
  std::optional<FileIdentity> identity;
  Node inline_node;
  std::shared_ptr<const ServiceSettings> settings;  // null: broken
  Diagnostics diagnostics;
  std::vector<std::string> used_values;
  bool incomplete = false;
};

// What decoding any service depends on beside its own file.
struct ServiceContext {
  Node defaults;
  std::vector<std::string> providers;
  std::vector<std::string> gate_rules;
  bool operator==(const ServiceContext&) const = default;
};

}  // namespace

struct Loader::State {
  State(const Files& files, std::string environment_name, MissingSecrets missing)
      : files(files), environment_name(std::move(environment_name)), missing(missing) {}

  const Files& files;
  std::string environment_name;
  MissingSecrets missing;

  // gatehouse.yaml
  std::optional<FileIdentity> gate_identity;
  Document gate_document;
  Diagnostics gate_syntax;
  std::shared_ptr<const GateSettings> gate;
  Diagnostics gate_diagnostics;
  std::set<std::string, std::less<>> gate_values;
  std::vector<std::string> gate_files;  // keys and key sets
  bool gate_incomplete = false;

  // environments
  std::vector<EnvironmentOutline> outlines;
  std::vector<std::pair<std::string, std::optional<FileIdentity>>> environment_files;
  Environment environment;
  Diagnostics environment_diagnostics;
  bool environment_usable = false;

  // services
  std::map<std::string, ServiceEntry, std::less<>> services;
  ServiceContext context;
  std::unordered_map<std::string, int> value_uses;
  Diagnostics listing_diagnostics;
  bool listed = false;
  bool context_is_good = false;  // the last decoding saw a good gatehouse.yaml
  // Changed while services could not be decoded: paths, and values.
  std::set<std::string> pending;
  std::set<std::string> lost_values;

  // identities of files named by settings and values
  std::map<std::string, std::optional<FileIdentity>> referenced;

  struct Changes {
    bool everything = false;
    std::span<const std::string> paths;
    bool has(std::string_view path) const {
      return everything || std::find(paths.begin(), paths.end(), path) != paths.end();
    }
    bool has_within(std::string_view folder) const {
      return everything || std::any_of(paths.begin(), paths.end(),
                                       [&](const std::string& p) { return is_within(p, folder); });
    }
  };

  LoadedGate refresh(const Changes& changes);
  bool refresh_gate_file(const Changes& changes);
  std::set<std::string> changed_references(const Changes& changes) const;
  std::set<std::string> refresh_environments();
  void read_environment(const Document& document, const Node& body, std::string_view name,
                        std::string_view key, const Diagnostics& syntax);
  void decode_gate_settings();
  void load_key_files(GateSettings& settings);
  ServiceContext make_context() const;
  void refresh_services(const Changes& changes, const std::set<std::string>& changed_values);
  std::map<std::string, const Node*> inline_services() const;
  void list_services();
  void refresh_file_service(const std::string& path, const std::string& name);
  void decode_entry(const std::string& name, ServiceEntry& entry);
  void forget_uses(const ServiceEntry& entry);
  void decode_complaining_services();
  void remember_references();
  void report_unused_values(Diagnostics& out) const;
  LoadedGate compose();
};

// --- gatehouse.yaml ---

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
  gate_document = read_document(files, path, gate_syntax);
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
  decoder.known.files = missing == MissingSecrets::ignored ? nullptr : &files;
  if (const Node* providers = gate_document.root.find("providers");
      providers && providers->kind == Node::Kind::map) {
    for (size_t i = 0; i < providers->items.size(); i += 2)
      decoder.known.providers.push_back(providers->items[i].text);
  }
  auto settings = std::make_shared<GateSettings>();
  decode_gate(decoder, gate_document.root, *settings);
  if (const Node* defaults = gate_document.root.find("defaults")) {
    Decoder::At at(decoder, "defaults");
    check_defaults(decoder, *defaults);
  }
  load_key_files(*settings);
  gate_values = decoder.used_values();
  gate_incomplete = decoder.incomplete();
  if (!has_errors(gate_diagnostics) && !has_errors(gate_syntax)) gate = std::move(settings);
}

void Loader::State::load_key_files(GateSettings& settings) {
  for (auth::ProviderSpec& provider : settings.providers) {
    if (provider.jwt && !provider.jwt->jwks.file.empty()) gate_files.push_back(provider.jwt->jwks.file);
    if (!provider.api_keys || provider.api_keys->file.empty()) continue;
    const std::string& path = provider.api_keys->file;
    gate_files.push_back(path);
    if (!files.identify(path)) {
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
  environment_usable = document.readable;
}

// Returns the names whose value is another than before.
std::set<std::string> Loader::State::refresh_environments() {
  Environment before =
      std::exchange(environment, Environment{.name = environment_name, .place = {}, .values = {}});
  outlines.clear();
  environment_diagnostics.clear();
  environment_files.clear();
  environment_usable = false;
  for (const std::string& path : list_definitions(files, kEnvironmentsFolder, environment_diagnostics)) {
    environment_files.emplace_back(path, files.identify(path));
    Diagnostics syntax;
    Document document = read_document(files, path, syntax);
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
  if (outlines.empty() && gate_document.readable) environment_usable = true;
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

// --- Services ---

ServiceContext Loader::State::make_context() const {
  ServiceContext made;
  if (const Node* defaults = gate_document.root.find("defaults")) made.defaults = *defaults;
  if (const Node* providers = gate_document.root.find("providers");
      providers && providers->kind == Node::Kind::map) {
    for (size_t i = 0; i < providers->items.size(); i += 2)
      made.providers.push_back(providers->items[i].text);
  }
  if (gate) {
    for (const auth::RuleSpec& rule : gate->access) made.gate_rules.push_back(rule.name);
  }
  return made;
}

void Loader::State::forget_uses(const ServiceEntry& entry) {
  for (const std::string& name : entry.used_values) {
    if (--value_uses[name] == 0) value_uses.erase(name);
  }
}

// From entry's file, or its inline node.
void Loader::State::decode_entry(const std::string& name, ServiceEntry& entry) {
  forget_uses(entry);
  entry.diagnostics.clear();
  entry.settings.reset();
  entry.used_values.clear();
  Document document;
  if (!entry.path.empty()) document = read_document(files, entry.path, entry.diagnostics);
  const Document& from = entry.path.empty() ? gate_document : document;
  const Node& body = entry.path.empty() ? entry.inline_node : document.root;
  if (!from.readable) return;

  Decoder decoder(from,
                  {.environment = environment,
                   .environments = outlines,
                   .missing_secrets_ignored = missing == MissingSecrets::ignored},
                  entry.diagnostics);
  decoder.known.service = name;
  decoder.known.providers.assign(context.providers.begin(), context.providers.end());
  decoder.known.gate_rules.assign(context.gate_rules.begin(), context.gate_rules.end());
  auto settings = std::make_shared<ServiceSettings>();
  std::optional<Decoder::At> at_services, at_name;
  if (entry.path.empty()) {
    at_services.emplace(decoder, "services");
    at_name.emplace(decoder, name);
  }
  if (!is_plain_name(name)) {
    decoder.error(body, fmt::format("`{}` cannot be the name of a service", name),
                  "use letters, digits, `_`, `-` and `.`");
  }
  bool has_defaults = context.defaults.kind == Node::Kind::map;
  decode_service(decoder, body,
                 {.document = &gate_document, .node = has_defaults ? &context.defaults : nullptr}, *settings);
  at_name.reset();
  at_services.reset();
  entry.used_values.assign(decoder.used_values().begin(), decoder.used_values().end());
  for (const std::string& value : entry.used_values) ++value_uses[value];
  entry.incomplete = decoder.incomplete();
  if (!has_errors(entry.diagnostics)) entry.settings = std::move(settings);
}

std::map<std::string, const Node*> Loader::State::inline_services() const {
  std::map<std::string, const Node*> found;
  const Node* map = gate_document.root.find("services");
  if (!map || map->kind != Node::Kind::map) return found;
  for (size_t i = 0; i < map->items.size(); i += 2) found.emplace(map->items[i].text, &map->items[i + 1]);
  return found;
}

// Brings `services` in line with one file's presence and identity.
void Loader::State::refresh_file_service(const std::string& path, const std::string& name) {
  auto found = services.find(name);
  auto identity = files.identify(path);
  if (found != services.end() && found->second.path.empty()) return;  // inline; list_services says so
  if (!identity) {
    if (found == services.end()) return;
    forget_uses(found->second);
    services.erase(found);
    return;
  }
  if (found != services.end() && found->second.identity == identity) return;
  ServiceEntry& entry = services[name];
  entry.path = path;
  entry.identity = identity;
  decode_entry(name, entry);
}

void Loader::State::list_services() {
  listing_diagnostics.clear();
  auto inlined = inline_services();
  std::vector<std::string> paths = list_definitions(files, kServicesFolder, listing_diagnostics);
  std::set<std::string, std::less<>> present;
  for (const std::string& path : paths) {
    std::string name(name_within(path, kServicesFolder));
    auto twin = inlined.find(name);
    if (twin != inlined.end()) {
      listing_diagnostics.push_back(file_error(
          path,
          fmt::format("the service `{}` also stands in {}", name, gate_document.source(*twin->second).text()),
          "keep one of them"));
      continue;
    }
    present.insert(name);
    refresh_file_service(path, name);
  }
  for (const auto& [name, node] : inlined) {
    present.insert(name);
    ServiceEntry& entry = services[name];
    bool same =
        entry.path.empty() && entry.inline_node == *node && entry.inline_node.line > 0 && entry.settings;
    if (same) continue;
    entry.path.clear();
    entry.identity.reset();
    entry.inline_node = *node;
    decode_entry(name, entry);
  }
  const Node* map = gate_document.root.find("services");
  if (map && map->kind != Node::Kind::map && !map->is_null()) {
    listing_diagnostics.push_back({.source = gate_document.source(*map),
                                   .key = "services",
                                   .message = "must be a map of services by name",
                                   .hint = "write `services: { NAME: { access: [...] } }`",
                                   .line = gate_document.line(map->line)});
  }
  std::erase_if(services, [&](const auto& item) {
    if (present.contains(item.first)) return false;
    forget_uses(item.second);
    return true;
  });
  listed = true;
}

void Loader::State::refresh_services(const Changes& changes, const std::set<std::string>& changed_values) {
  ServiceContext now = make_context();
  bool context_changed = !(now == context);
  context = std::move(now);
  // First those whose surroundings changed, then those whose file did: nothing is decoded twice for good.
  if (context_changed || !changed_values.empty()) {
    for (auto& [name, entry] : services) {
      bool affected = context_changed ||
                      std::any_of(entry.used_values.begin(), entry.used_values.end(),
                                  [&](const std::string& value) { return changed_values.contains(value); });
      if (!affected) continue;
      if (entry.path.empty()) {
        entry.inline_node = Node{};  // listing takes the present one
        entry.settings.reset();
      } else if (files.identify(entry.path)) {
        entry.identity = files.identify(entry.path);
        decode_entry(name, entry);
      }
    }
  }
  bool relist =
      changes.everything || !listed || changes.has(kGateFile) || !changed_values.empty() || context_changed;
  if (relist) {
    list_services();
    return;
  }
  for (const std::string& path : changes.paths) {
    std::string_view name = name_within(path, kServicesFolder);
    if (!name.empty()) {
      // A name that clashes with an inline service, or a `.yml` beside it, needs the whole picture.
      auto found = services.find(name);
      if (found != services.end() && found->second.path.empty()) return list_services();
      refresh_file_service(path, std::string(name));
    } else if (is_within(path, kServicesFolder) && path.ends_with(".yml")) {
      return list_services();
    }
  }
}

// --- All of it ---

std::set<std::string> Loader::State::changed_references(const Changes& changes) const {
  std::set<std::string> changed;
  for (const auto& [path, identity] : referenced) {
    if (changes.has(path) && files.identify(path) != identity) changed.insert(path);
  }
  return changed;
}

void Loader::State::remember_references() {
  referenced.clear();
  for (const std::string& path : gate_files) referenced.emplace(path, files.identify(path));
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
                                   [&](const auto& path) { return references.contains(path); });
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
      if (entry.path.empty()) source = gate_document.source(entry.inline_node);
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
