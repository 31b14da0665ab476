// What a Loader keeps between loads, and the steps of a load; private to the loader's own files: load.cc (the
// order of the steps and the result), load_gate.cc (gatehouse.yaml and environments), load_services.cc.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/decode.h"
#include "config/environment.h"
#include "config/load.h"
#include "config/yaml.h"

namespace config {

inline constexpr std::string_view kServicesFolder = "services";
inline constexpr std::string_view kEnvironmentsFolder = "environments";

Diagnostic file_error(std::string_view path, std::string message, std::string hint);
using ReadText = std::expected<std::string, FileError>;
// A file that cannot be read is a document that is not readable, and a diagnostic.
Document parse_document(const std::string& path, ReadText text, Diagnostics& diagnostics);
// "orders" of services/orders.yaml; empty for what is no definition.
std::string_view name_within(std::string_view path, std::string_view folder);
bool is_within(std::string_view path, std::string_view folder);
// ".yml" or ".YAML", of what was meant as a definition and is none: rules that do nothing must be heard of.
std::string_view wrong_suffix(std::string_view path);
// The paths of a folder's definitions, sorted; those with a wrong suffix are reported.
std::optional<std::vector<std::string>> list_definitions(const Files& files, std::string_view folder,
                                                         Diagnostics& diagnostics);

// As they are written, whether or not they are right.
std::vector<KnownProvider> list_providers(const Node& gate_root);

// One service as last decoded, good or broken.
struct ServiceEntry {
  std::string path;  // of its file; empty: inline in gatehouse.yaml
  std::optional<FileIdentity> identity;
  size_t text_hash = 0;
  std::unique_ptr<const Node> inline_node;          // null for a file: 5,000 of these are kept
  std::shared_ptr<const ServiceSettings> settings;  // null: broken
  Diagnostics diagnostics;
  std::vector<std::string> used_values;
  std::vector<FileUse> used_files;
  bool incomplete = false;
};

// What decoding any service depends on beside its own file.
struct ServiceContext {
  Node defaults;
  std::vector<KnownProvider> providers;
  std::vector<std::string> gate_rules;
  bool operator==(const ServiceContext&) const = default;
};

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
  std::vector<FileUse> gate_files;  // keys, key sets and certificates
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
  std::unordered_map<std::string, int> file_uses;
  Diagnostics listing_diagnostics;
  bool listed = false;
  bool context_is_good = false;  // the last decoding saw a good gatehouse.yaml
  // Changed while services could not be decoded: paths, and values.
  std::set<std::string> pending;
  std::set<std::string> lost_values;

  // identities of files named by gatehouse.yaml and values; those named by services stand with them
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
  // told: someone saw the file change, so its identity proves nothing (clocks of file systems tick slowly).
  enum class Trust : uint8_t { identity, told };
  void refresh_file_service(const std::string& path, const std::string& name, Trust trust);
  void decode_entry(const std::string& name, ServiceEntry& entry);
  void decode_text(const std::string& name, ServiceEntry& entry, ReadText text);
  void decode_body(const std::string& name, ServiceEntry& entry, const Document& from, const Node& body);
  void forget_entry(ServiceEntry& entry);
  // Whether a file that the service names is another than the one it was decoded with.
  bool has_stale_file(const ServiceEntry& entry, const Changes& changes) const;
  void decode_complaining_services();
  void remember_references();
  void report_unused_values(Diagnostics& out) const;
  LoadedGate compose();
};

}  // namespace config
