#include "control/compile.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "control/caller_policies.h"
#include "tls/certificate.h"

namespace control {
namespace {

// Several values for several headers are a route for each combination.
constexpr size_t kRoutesOfMatchMax = 256;

config::Diagnostic error_at(const base::Source& source, std::string message, std::string hint = {}) {
  return {.source = source, .key = {}, .message = std::move(message), .hint = std::move(hint), .line = {}};
}

void report(const std::vector<auth::CompileError>& errors, config::Diagnostics& diagnostics) {
  for (const auth::CompileError& error : errors) diagnostics.push_back(error_at(error.source, error.message));
}

std::vector<std::string> places_of(const auth::RuleSet& rules) {
  std::vector<std::string> places;
  places.reserve(rules.rules().size());
  for (const auth::Rule& rule : rules.rules()) places.push_back(rule.source().text());
  return places;
}

// What Host says to a backend that wants its own name.
std::string authority_of(const config::Address& address) {
  if (!address.unix_path.empty()) return "localhost";
  std::string text = address.text();
  bool https = address.scheme == config::Address::Scheme::https;
  if (address.port == (https ? 443 : 80)) text.resize(text.rfind(':'));
  return text;
}

gate::NamedValue named_value(std::string_view name, std::string_view value) {
  return {.name = std::string(name), .value = std::string(value), .id = http::find_header_id(name)};
}

gate::HeaderEdits edits_of(const config::HeaderChanges& changes) {
  gate::HeaderEdits edits;
  for (const std::string& name : changes.remove) edits.remove.push_back(named_value(name, {}));
  for (const config::HeaderValue& header : changes.set)
    edits.set.push_back(named_value(header.name, header.value));
  for (const config::HeaderValue& header : changes.add)
    edits.add.push_back(named_value(header.name, header.value));
  return edits;
}

// Null when a name among them has to be looked up.
backends::EndpointListPtr literal_endpoints(const std::vector<config::Address>& addresses,
                                            const WirePtr& wire) {
  auto endpoints = std::make_shared<backends::EndpointList>();
  for (const config::Address& address : addresses) {
    auto endpoint = literal_endpoint(address, wire);
    if (!endpoint) return nullptr;
    endpoints->push_back(std::move(*endpoint));
  }
  return endpoints;
}

// Each header's any-of becomes one route a value, all combinations of them.
std::vector<std::vector<routing::HeaderCondition>> combine(
    const std::vector<config::HeaderCondition>& conditions) {
  std::vector<std::vector<routing::HeaderCondition>> all(1);
  for (const config::HeaderCondition& condition : conditions) {
    std::vector<std::vector<routing::HeaderCondition>> longer;
    for (const auto& begun : all) {
      size_t choices = std::max<size_t>(condition.values.size(), 1);
      if (longer.size() + choices > kRoutesOfMatchMax) return {};
      for (size_t i = 0; i < choices; ++i) {
        longer.push_back(begun);
        routing::HeaderCondition& added =
            longer.back().emplace_back(routing::HeaderCondition{.name = condition.name});
        if (!condition.values.empty()) added.value = condition.values[i];
      }
    }
    all = std::move(longer);
  }
  return all;
}

bool same_place(const routing::RouteSpec& a, const routing::RouteSpec& b) {
  auto same_host = [](const auto& x, const auto& y) { return x.text() == y.text(); };
  auto same_header = [](const auto& x, const auto& y) { return x.name == y.name && x.value == y.value; };
  return a.path.text() == b.path.text() && a.methods == b.methods &&
         std::ranges::equal(a.hosts, b.hosts, same_host) &&
         std::ranges::equal(a.headers, b.headers, same_header);
}

// Whether the gate can make its own calls; reports why not.
bool check_fetch(const config::FetchSettings& fetch, config::Diagnostics& diagnostics) {
  if (fetch.ca.text.empty()) return true;  // not written, or not at hand
  auto trust = tls::TrustStore::from_pem(fetch.ca.text);
  if (trust) return true;
  diagnostics.push_back(error_at(fetch.ca.source, fmt::format("{}: {}", fetch.ca.file, trust.error())));
  diagnostics.back().key = "fetch.ca";
  return false;
}

bool same_source(const base::Source& a, const base::Source& b) {
  return a.line == b.line && a.column == b.column &&
         (a.file == b.file || (a.file && b.file && *a.file == *b.file));
}

}  // namespace

std::optional<backends::Endpoint> literal_endpoint(const config::Address& address, const WirePtr& wire) {
  backends::Endpoint endpoint;
  if (!address.unix_path.empty()) {
    endpoint.address.kind = io::Address::Kind::unix_path;
    endpoint.address.path = address.unix_path;
  } else {
    auto ip = base::parse_ip(address.host);
    if (!ip) return std::nullopt;
    endpoint.address.ip = *ip;
    endpoint.address.port = address.port;
    endpoint.server_name = address.host;
  }
  endpoint.text = io::format_address(endpoint.address);
  endpoint.authority = authority_of(address);
  endpoint.wire = wire;
  return endpoint;
}

backends::Endpoint resolved_endpoint(const config::Address& address, const base::IpAddress& ip,
                                     const WirePtr& wire) {
  backends::Endpoint endpoint;
  endpoint.address.ip = ip;
  endpoint.address.port = address.port;
  endpoint.text = io::format_address(endpoint.address);
  endpoint.authority = authority_of(address);
  endpoint.server_name = address.host;
  endpoint.wire = wire;
  return endpoint;
}

Compiler::Compiler(io::Clock& clock, std::shared_ptr<const tls::TicketKeys> ticket_keys)
    : clock_(clock), ticket_keys_(std::move(ticket_keys)) {}
Compiler::~Compiler() = default;

Compiled Compiler::compile(const config::LoadedGate& loaded, uint64_t generation) {
  Compiled out;
  generation_ = generation;
  using enum WireCompiler::MissingFiles;
  missing_files_ = loaded.incomplete ? ignored : refused;
  ProviderNames names = ProviderNames::same;
  if (loaded.gate != gate_.settings) {
    GateParts parts;
    if (!compile_gate(loaded, parts, out.diagnostics)) return out;
    if (parts.provider_names != gate_.provider_names || parts.login_providers != gate_.login_providers ||
        parts.token_providers != gate_.token_providers) {
      names = ProviderNames::changed;
    }
    gate_ = std::move(parts);
  }
  out.listeners = gate_.listeners;
  std::ranges::copy(gate_.listener_diagnostics, std::back_inserter(out.diagnostics));
  choose_definitions(loaded, names, out);
  routing::Table routes = compile_routes(out);
  finish(out);
  out.snapshot = make_snapshot(generation, std::move(routes));
  std::ranges::sort(out.refused_services);
  auto repeated = std::ranges::unique(out.refused_services);
  out.refused_services.erase(repeated.begin(), repeated.end());
  config::sort_diagnostics(out.diagnostics);
  return out;
}

bool Compiler::compile_gate(const config::LoadedGate& loaded, GateParts& parts,
                            config::Diagnostics& diagnostics) const {
  parts.settings = loaded.gate;
  for (const auth::ProviderSpec& spec : loaded.gate->providers) {
    parts.provider_names.push_back(spec.name);
    if (spec.oidc) parts.login_providers.push_back(spec.name);
  }
  parts.token_providers = auth::token_providers_of(loaded.gate->providers);
  auto rules = auth::compile_rules(
      {.rules = loaded.gate->access, .owner = auth::RuleOwner::gate, .provider_names = parts.provider_names});
  if (rules) {
    parts.rules = *rules;
    parts.rule_places = places_of(**rules);
  } else {
    report(rules.error(), diagnostics);
  }
  bool fetch_is_good = check_fetch(loaded.gate->fetch, diagnostics);
  if (loaded.incomplete) {
    // Checked without its secrets: providers may lack what they cannot do without.
    parts.providers = std::make_shared<const auth::Providers>();
    compile_gate_listeners(loaded, parts);
    return rules.has_value() && fetch_is_good;
  }
  auto providers = auth::compile_providers(loaded.gate->providers, gate_.providers.get());
  if (providers) {
    parts.providers = *providers;
  } else {
    report(providers.error(), diagnostics);
  }
  compile_gate_listeners(loaded, parts);
  bool good = rules && providers && fetch_is_good;
  if (!good) std::ranges::copy(parts.listener_diagnostics, std::back_inserter(diagnostics));
  return good;
}

// A refused listener is alone in it: denials and providers that came with it hold at once.
void Compiler::compile_gate_listeners(const config::LoadedGate& loaded, GateParts& parts) const {
  CompiledListeners compiled =
      compile_listeners({.loaded = loaded, .ticket_keys = ticket_keys_, .now = clock_.wall_now()});
  parts.listeners = std::move(compiled.list);
  parts.listener_diagnostics = std::move(compiled.diagnostics);
  std::vector<std::string> names = listener_names(*loaded.gate);
  for (size_t i = 0; i < parts.listeners.size(); ++i) {
    if (parts.listeners[i] != nullptr) continue;
    for (const CompiledListenerPtr& before : gate_.listeners) {
      if (before != nullptr && before->name == names[i]) parts.listeners[i] = before;
    }
  }
}

// For each service what it would be served as, if its routes are free.
void Compiler::choose_definitions(const config::LoadedGate& loaded, ProviderNames names, Compiled& out) {
  for (Entry& entry : entries_) entry.next = nullptr;
  for (const auto& settings : loaded.services) {
    if (!settings->enabled) continue;
    Entry& entry = entry_of(settings->name);
    entry.next = entry.served;
    bool known = entry.served != nullptr && entry.served->settings == settings &&
                 (names == ProviderNames::same || has_same_providers(*entry.served->service, *settings));
    if (known) {
      // Only names can have made its rules wrong; the object stays, and with it whatever refers to it.
      if (names == ProviderNames::changed && compile_service_rules(*settings, out.diagnostics) == nullptr) {
        out.refused_services.push_back(settings->name);
      }
      continue;
    }
    if (DefinitionPtr definition = compile_service(entry, settings, out.diagnostics)) {
      entry.next = std::move(definition);
    } else {
      out.refused_services.push_back(settings->name);
    }
  }
  for (const config::BrokenService& broken : loaded.broken) {
    out.refused_services.push_back(broken.name);
    auto slot = slots_.find(broken.name);
    if (slot != slots_.end()) entries_[slot->second].next = entries_[slot->second].served;
  }
}

// Whether the gate's providers are to the service what they were.
bool Compiler::has_same_providers(const gate::Service& service,
                                  const config::ServiceSettings& settings) const {
  return service.login_providers == login_providers_of(settings.access, gate_.login_providers) &&
         service.tokens == token_terms_of(settings, gate_.token_providers);
}

std::shared_ptr<const auth::RuleSet> Compiler::compile_service_rules(const config::ServiceSettings& settings,
                                                                     config::Diagnostics& diagnostics) const {
  auto rules = auth::compile_rules({.rules = settings.access, .provider_names = gate_.provider_names});
  if (rules) return *rules;
  report(rules.error(), diagnostics);
  return nullptr;
}

Compiler::DefinitionPtr Compiler::compile_service(
    const Entry& entry, const std::shared_ptr<const config::ServiceSettings>& settings,
    config::Diagnostics& diagnostics) {
  auto definition = std::make_shared<Definition>();
  definition->settings = settings;
  auto rules = compile_service_rules(*settings, diagnostics);
  bool has_wire = find_wire(entry, *definition, diagnostics);
  if (!add_routes(*settings, *definition, diagnostics) || rules == nullptr || !has_wire) return nullptr;

  const config::ForwardSettings& forward = settings->forward;
  auto service = std::make_shared<gate::Service>();
  service->name = settings->name;
  service->slot = entry.slot;
  service->generation = generation_;
  service->place = settings->source.text();
  service->endpoints = literal_endpoints(forward.to, definition->wire);
  bool same_backends = entry.served != nullptr && entry.served->settings->forward.to == forward.to &&
                       entry.served->wire == definition->wire;
  service->backends_generation = same_backends ? entry.served->service->backends_generation : generation_;
  service->strip_prefix = forward.strip_prefix;
  service->host =
      forward.host == config::HostSent::backend ? gate::HostSent::backend : gate::HostSent::preserve;
  service->client_cert_sent = forward.client_cert == config::ClientCertSent::header
                                  ? gate::ClientCertSent::header
                                  : gate::ClientCertSent::off;
  service->connect_timeout = forward.connect_timeout;
  service->response_timeout = forward.response_timeout;
  service->rule_places = places_of(*rules);
  service->rules = std::move(rules);
  service->request_headers = edits_of(settings->headers.request);
  service->response_headers = edits_of(settings->headers.response);
  service->body_bytes_max = settings->limits.body_bytes_max;
  service->head_bytes_max = settings->limits.head_bytes_max;
  service->accepts_encoded_slash = settings->paths.encoded_slash == config::PathChoice::keep;
  service->accepts_parameters = settings->paths.parameters == config::PathChoice::keep;
  for (const std::string& text : settings->websocket.origins) {
    auto origin = websocket::OriginPattern::parse(text);
    if (!origin) {  // the loader has parsed it before
      diagnostics.push_back(error_at(settings->source, std::move(origin.error())));
      return nullptr;
    }
    service->websocket.origins.push_back(std::move(*origin));
  }
  service->websocket.idle_patience = settings->websocket.idle_timeout;
  service->login_providers = login_providers_of(settings->access, gate_.login_providers);
  service->csrf = csrf_policy_of(settings->csrf);
  service->token = token_policy_of(settings->token);
  service->tokens = token_terms_of(*settings, gate_.token_providers);
  definition->service = std::move(service);
  return definition;
}

// The same object as before while the words are the same, so that connections stay.
bool Compiler::find_wire(const Entry& entry, Definition& definition, config::Diagnostics& diagnostics) {
  const config::ForwardSettings& forward = definition.settings->forward;
  if (entry.served != nullptr && same_wire(entry.served->settings->forward, forward)) {
    definition.wire = entry.served->wire;
    return true;
  }
  auto wire = wires_.compile(forward, missing_files_);
  if (!wire) {
    diagnostics.push_back(std::move(wire.error()));
    return false;
  }
  definition.wire = std::move(*wire);
  return true;
}

bool Compiler::add_routes(const config::ServiceSettings& settings, Definition& definition,
                          config::Diagnostics& diagnostics) {
  size_t errors_before = diagnostics.size();
  for (const config::MatchSettings& match : settings.matches) {
    routing::RouteSpec route;
    route.source = match.source.file ? match.source : settings.source;
    for (const std::string& text : match.hosts) {
      auto host = routing::HostPattern::parse(text);
      if (!host) {
        diagnostics.push_back(error_at(route.source, std::move(host.error())));
        continue;
      }
      route.hosts.push_back(std::move(*host));
    }
    auto path = routing::PathPattern::parse(match.path);
    if (!path) {
      diagnostics.push_back(error_at(route.source, std::move(path.error())));
      continue;
    }
    route.path = std::move(*path);
    for (const std::string& method : match.methods) route.methods.push_back(http::parse_method(method));
    route.label = label_of(route.path.text());
    auto combinations = combine(match.headers);
    if (combinations.empty()) {
      diagnostics.push_back(error_at(
          route.source, fmt::format("the headers' values make more than {} combinations", kRoutesOfMatchMax),
          "list fewer values, or match on fewer headers"));
      continue;
    }
    for (auto& headers : combinations) {
      route.headers = std::move(headers);
      definition.routes.push_back(route);
    }
  }
  return diagnostics.size() == errors_before;
}

// Until no two services claim one place. Every round refuses a newcomer, so there is an end.
routing::Table Compiler::compile_routes(Compiled& out) {
  for (;;) {
    std::vector<routing::ServiceRoutes> services;
    services.reserve(entries_.size());
    for (const Entry& entry : entries_) {
      if (entry.next != nullptr) services.push_back({.service = entry.slot, .routes = entry.next->routes});
    }
    auto table = routing::Table::compile(services);
    if (table) return std::move(*table);
    refuse_newcomers(table.error(), out);
  }
}

// Whoever held the place before keeps it; of two that are new to it, neither gets it. The refused go on with
// what they were served as, if they were.
void Compiler::refuse_newcomers(std::span<const routing::Conflict> conflicts, Compiled& out) {
  std::set<uint32_t> refused;
  auto refuse = [&](const Entry& entry, const base::Source& own, const Entry& other,
                    const base::Source& others, const routing::Conflict& conflict) {
    refused.insert(entry.slot);
    std::string where = conflict.host.empty() ? conflict.path : conflict.host + conflict.path;
    std::string outcome =
        entry.served != nullptr ? "its last good version goes on serving" : "it is not served";
    out.diagnostics.push_back(error_at(
        own,
        fmt::format("the service `{}` claims {}, which the service `{}` claims at {}; {}",
                    entry.next->settings->name, where, other.next->settings->name, others.text(), outcome),
        "give one of them another host, path, method or header"));
  };
  for (const routing::Conflict& conflict : conflicts) {
    const Entry& first = entries_[conflict.first_service];
    const Entry& second = entries_[conflict.second_service];
    bool first_is_new = !already_serves(first, conflict.first);
    bool second_is_new = !already_serves(second, conflict.second);
    if (first_is_new) refuse(first, conflict.first, second, conflict.second, conflict);
    // What is served now has no conflicts, so one of the two is new; were it not so, the second gives way.
    if (second_is_new || !first_is_new) refuse(second, conflict.second, first, conflict.first, conflict);
  }
  for (uint32_t slot : refused) {
    Entry& entry = entries_[slot];
    out.refused_services.push_back(entry.next->settings->name);
    entry.next = entry.next == entry.served ? nullptr : entry.served;
  }
}

// Whether the routes written at that place are ones the service has already. A change of something else, a
// rule say, must not lose to somebody who claims the place only now.
bool Compiler::already_serves(const Entry& entry, const base::Source& route) const {
  if (entry.served == nullptr || entry.next == entry.served) return entry.served != nullptr;
  for (const routing::RouteSpec& wanted : entry.next->routes) {
    if (!same_source(wanted.source, route)) continue;
    auto same = [&](const routing::RouteSpec& held) { return same_place(held, wanted); };
    if (std::ranges::none_of(entry.served->routes, same)) return false;
  }
  return true;
}

void Compiler::finish(Compiled& out) {
  for (Entry& entry : entries_) {
    if (entry.served != nullptr && entry.next == nullptr) out.removed_slots.push_back(entry.slot);
    entry.served = std::move(entry.next);
    entry.next = nullptr;
    if (entry.served != nullptr && entry.served->service->endpoints == nullptr) {
      out.names_to_resolve.push_back({.slot = entry.slot,
                                      .generation = entry.served->service->backends_generation,
                                      .settings = entry.served->settings,
                                      .wire = entry.served->wire});
    }
  }
  wires_.sweep();
}

std::shared_ptr<gate::Snapshot> Compiler::make_snapshot(uint64_t generation, routing::Table routes) const {
  auto snapshot = std::make_shared<gate::Snapshot>();
  snapshot->generation = generation;
  snapshot->routes = std::move(routes);
  snapshot->services.resize(entries_.size());
  uint32_t& head_bytes_max = snapshot->server_limits.head.head_bytes_max;
  for (const Entry& entry : entries_) {
    if (entry.served == nullptr) continue;
    snapshot->services[entry.slot] = entry.served->service;
    // A head is read before its service is known: up to the most that any of them takes.
    head_bytes_max = std::max(head_bytes_max, entry.served->service->head_bytes_max);
  }
  snapshot->gate_rules = gate_.rules;
  snapshot->gate_rule_places = gate_.rule_places;
  snapshot->providers = gate_.providers;
  snapshot->session_limits = gate_.settings->sessions.limits;
  snapshot->identity_headers = gate_.settings->identity.headers;
  const config::TimeoutSettings& timeouts = gate_.settings->timeouts;
  snapshot->server_limits.head_timeout = timeouts.head;
  snapshot->server_limits.idle_timeout = timeouts.idle;
  snapshot->timeouts = {.body = timeouts.body, .send = timeouts.send};
  return snapshot;
}

Compiler::Entry& Compiler::entry_of(const std::string& name) {
  auto [at, is_new] = slots_.try_emplace(name, static_cast<uint32_t>(entries_.size()));
  if (is_new) entries_.push_back({.slot = at->second, .served = nullptr, .next = nullptr});
  return entries_[at->second];
}

uint32_t Compiler::label_of(const std::string& pattern) {
  if (auto known = label_numbers_.find(pattern); known != label_numbers_.end()) return known->second;
  auto number = static_cast<uint32_t>(labels_.size());
  const std::string& kept = labels_.emplace_back(pattern);
  label_texts_.push_back(kept);
  label_numbers_.emplace(kept, number);
  return number;
}

}  // namespace control
