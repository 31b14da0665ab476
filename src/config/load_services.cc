// Loading services, each on its own.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/loader_state.h"
#include "config/tables.h"

namespace config {

// --- Services ---

ServiceContext Loader::State::make_context() const {
  ServiceContext made;
  if (const Node* defaults = gate_document.root.find("defaults")) made.defaults = *defaults;
  made.providers = list_providers(gate_document.root);
  if (gate) {
    for (const auth::RuleSpec& rule : gate->access) made.gate_rules.push_back(rule.name);
  }
  return made;
}

void Loader::State::forget_entry(ServiceEntry& entry) {
  for (const std::string& name : entry.used_values) {
    if (--value_uses[name] == 0) value_uses.erase(name);
  }
  for (const FileUse& use : entry.used_files) {
    if (--file_uses[use.path] == 0) file_uses.erase(use.path);
  }
  entry.used_values.clear();
  entry.used_files.clear();
  entry.diagnostics.clear();
  entry.settings.reset();
  entry.incomplete = false;
}

void Loader::State::decode_entry(const std::string& name, ServiceEntry& entry) {
  if (!entry.path.empty()) return decode_text(name, entry, files.read(entry.path, kFileBytesMax));
  forget_entry(entry);
  decode_body(name, entry, gate_document, *entry.inline_node);
}

void Loader::State::decode_text(const std::string& name, ServiceEntry& entry, ReadText text) {
  forget_entry(entry);
  entry.text_hash = text ? std::hash<std::string>()(*text) : 0;
  Document document = parse_document(entry.path, std::move(text), entry.diagnostics);
  if (document.readable) decode_body(name, entry, document, document.root);
}

void Loader::State::decode_body(const std::string& name, ServiceEntry& entry, const Document& from,
                                const Node& body) {
  Decoder decoder(from,
                  {.environment = environment,
                   .environments = outlines,
                   .missing_secrets_ignored = missing == MissingSecrets::ignored},
                  entry.diagnostics);
  decoder.known.service = name;
  decoder.known.files = &files;
  decoder.known.providers = context.providers;
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
  entry.used_values.assign(decoder.used_values().begin(), decoder.used_values().end());
  for (const std::string& value : entry.used_values) ++value_uses[value];
  entry.used_files = decoder.used_files();
  for (const FileUse& use : entry.used_files) ++file_uses[use.path];
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
void Loader::State::refresh_file_service(const std::string& path, const std::string& name, Trust trust) {
  auto found = services.find(name);
  auto identity = files.identify(path);
  if (found != services.end() && found->second.path.empty()) return;  // inline; list_services says so
  if (!identity) {
    if (found == services.end()) return;
    forget_entry(found->second);
    services.erase(found);
    return;
  }
  bool known = found != services.end();
  if (known && trust == Trust::identity && found->second.identity == identity) return;
  auto text = files.read(path, kFileBytesMax);
  size_t text_hash = text ? std::hash<std::string>()(*text) : 0;
  if (known) found->second.identity = identity;
  if (known && text && found->second.text_hash == text_hash) return;
  ServiceEntry& entry = services[name];
  entry.path = path;
  entry.identity = identity;
  decode_text(name, entry, std::move(text));
}

void Loader::State::list_services() {
  listing_diagnostics.clear();
  auto inlined = inline_services();
  // One that moved from here into a file of its own must not hide that file.
  for (auto& [name, entry] : services) {
    if (!entry.path.empty() || inlined.contains(name)) continue;
    forget_entry(entry);
    entry.path = fmt::format("{}/{}.yaml", kServicesFolder, name);
    entry.identity.reset();
    entry.text_hash = 0;
  }
  auto paths = list_definitions(files, kServicesFolder, listing_diagnostics);
  std::set<std::string, std::less<>> present;
  if (!paths) {  // what was there may still be: nothing is taken away on a guess
    for (const auto& [name, entry] : services) {
      if (!entry.path.empty()) present.insert(name);
    }
  }
  for (const std::string& path : paths.value_or(std::vector<std::string>{})) {
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
    refresh_file_service(path, name, Trust::identity);
  }
  for (const auto& [name, node] : inlined) {
    present.insert(name);
    ServiceEntry& entry = services[name];
    bool same = entry.path.empty() && entry.inline_node && *entry.inline_node == *node && entry.settings;
    if (same) continue;
    entry.path.clear();
    entry.identity.reset();
    entry.inline_node = std::make_unique<Node>(*node);
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
  for (auto item = services.begin(); item != services.end();) {
    if (present.contains(item->first)) {
      ++item;
      continue;
    }
    forget_entry(item->second);
    item = services.erase(item);
  }
  listed = true;
}

bool Loader::State::has_stale_file(const ServiceEntry& entry, const Changes& changes) const {
  return std::ranges::any_of(entry.used_files, [&](const FileUse& use) {
    return changes.has(use.path) && files.identify(use.path) != use.identity;
  });
}

void Loader::State::refresh_services(const Changes& changes, const std::set<std::string>& changed_values) {
  ServiceContext now = make_context();
  bool context_changed = !(now == context);
  context = std::move(now);
  // First those whose surroundings changed, then those whose file did: nothing is decoded twice for good.
  Changes seen = changes;
  seen.everything |= !listed;  // whatever changed while services had to wait
  auto is_named = [&](const std::string& path) { return file_uses.contains(path); };
  bool files_changed = seen.everything ? !file_uses.empty() : std::ranges::any_of(seen.paths, is_named);
  bool inlined_affected = false;
  if (context_changed || files_changed || !changed_values.empty()) {
    for (auto& [name, entry] : services) {
      bool affected = context_changed || (files_changed && has_stale_file(entry, seen)) ||
                      std::any_of(entry.used_values.begin(), entry.used_values.end(),
                                  [&](const std::string& value) { return changed_values.contains(value); });
      if (!affected) continue;
      if (entry.path.empty()) {
        inlined_affected = true;
        entry.inline_node.reset();  // listing takes the present one
        entry.settings.reset();
      } else if (files.identify(entry.path)) {
        entry.identity = files.identify(entry.path);
        decode_entry(name, entry);
      }
    }
  }
  bool relist = seen.everything || changes.has(kGateFile) || !changed_values.empty() || context_changed ||
                inlined_affected;
  if (relist) {
    list_services();
    return;
  }
  for (const std::string& path : changes.paths) {
    std::string_view name = name_within(path, kServicesFolder);
    if (!name.empty()) {
      // A name that clashes with an inline service, or a wrong suffix, needs the whole picture.
      auto found = services.find(name);
      if (found != services.end() && found->second.path.empty()) return list_services();
      refresh_file_service(path, std::string(name), Trust::told);
    } else if (is_within(path, kServicesFolder) && !wrong_suffix(path).empty()) {
      return list_services();
    }
  }
}

}  // namespace config
