// What the admin listener answers with.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "control/expiry.h"
#include "control/server.h"
#include "control/version.h"
#include "telemetry/exposition.h"

namespace control {
namespace {

using base::json_quoted;

template <class Items, class Format>
std::string json_list(const Items& items, Format format) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += format(item);
  }
  return out + "]";
}

}  // namespace

AdminAnswer Server::admin_answer(std::string_view path) {
  if (path == "/healthz") return {.content_type = "text/plain", .body = "ok\n"};
  if (path == "/readyz") {
    if (ready_ && !draining_) return {.content_type = "text/plain", .body = "ready\n"};
    return {.status = 503, .content_type = "text/plain", .body = draining_ ? "draining\n" : "starting\n"};
  }
  if (path == "/metrics")
    return {.content_type = telemetry::kExpositionContentType, .body = format_metrics()};
  if (path == "/api/v1/status") return {.body = format_status()};
  if (path == "/api/v1/services") return {.body = format_services()};
  return {
      .status = 404,
      .content_type = "text/plain",
      .body = "nothing here; there are /healthz, /readyz, /metrics, /api/v1/status and /api/v1/services\n"};
}

std::string Server::format_metrics() const {
  std::vector<const telemetry::WorkerMetrics*> metrics;
  for (const auto& worker : workers_) metrics.push_back(&worker->worker().metrics());
  std::vector<std::string_view> services(current_.snapshot->services.size());
  for (const auto& service : current_.snapshot->services) {
    if (service != nullptr) services[service->slot] = service->name;
  }
  std::vector<std::string_view> listeners(next_listener_);
  for (const ListenerEntry& entry : listeners_) listeners[entry.number] = entry.configured;
  std::string text = telemetry::format_exposition(
      metrics, {.services = services, .routes = compiler_.route_labels(), .listeners = listeners},
      {.version = kVersion,
       .revision = kRevision,
       .generation = current_.number,
       .last_reload_successful = current_.last_reload_successful,
       .last_reload_success = last_success_,
       .services = serving_count(),
       .services_broken = current_.refused.size()});
  return text + format_expiry_metrics(compiled_listeners_);
}

uint64_t Server::serving_count() const {
  uint64_t count = 0;
  for (const auto& service : current_.snapshot->services) count += service != nullptr;
  return count;
}

std::string Server::format_status() const {
  std::string listeners = json_list(listeners_, [](const ListenerEntry& entry) {
    return fmt::format(R"({{"configured":{},"address":{}}})", json_quoted(entry.configured),
                       json_quoted(entry.bound));
  });
  std::string key_sets = json_list(keys_.status(), [](const KeySetKeeper::Status& status) {
    return fmt::format(R"({{"provider":{},"location":{},"keys":{},"problem":{}}})",
                       json_quoted(status.provider), json_quoted(status.location), status.keys,
                       json_quoted(status.problem));
  });
  std::string issuers = json_list(logins_.issuers().status(), [](const IssuerKeeper::Status& status) {
    return fmt::format(R"({{"provider":{},"issuer":{},"known":{},"problem":{}}})",
                       json_quoted(status.provider), json_quoted(status.issuer), status.known,
                       json_quoted(status.problem));
  });
  std::string sessions = "null";
  if (const SessionStore* store = logins_.store()) {
    SessionStore::Status status = store->status();
    sessions = fmt::format(R"({{"store":{},"location":{},"problem":{}}})", json_quoted(status.kind),
                           json_quoted(status.location), json_quoted(status.problem));
  }
  return fmt::format(
      R"({{"version":{},"environment":{},"generation":{},"generation_time":{},"ready":{},"draining":{},)"
      R"("uptime_seconds":{},"workers":{},"listeners":{},"admin":{},"services":{},"services_refused":{},)"
      R"("key_sets":{},"issuers":{},"sessions":{},"certificates":{},"last_reload":{{"successful":{},"duration_ms":{:.3f}}},"diagnostics":{}}})"
      "\n",
      json_quoted(kVersion), json_quoted(options_.environment), current_.number,
      json_quoted(base::format_rfc3339(current_.time.ns)), ready_, draining_,
      static_cast<int64_t>((loop_.now() - started_).seconds()), workers_.size(), listeners,
      json_quoted(admin_bound_), serving_count(),
      json_list(current_.refused, [](const std::string& name) { return json_quoted(name); }), key_sets,
      issuers, sessions, format_certificates(compiled_listeners_), current_.last_reload_successful,
      static_cast<double>(current_.reload_time.ns) / 1e6, config::format_json(current_.diagnostics));
}

std::string Server::format_services() const {
  std::map<std::string_view, const gate::Service*> by_name;
  for (const auto& service : current_.snapshot->services) {
    if (service != nullptr) by_name[service->name] = service.get();
  }
  std::string list = json_list(by_name, [this](const auto& entry) {
    const gate::Service& service = *entry.second;
    bool refused = std::ranges::find(current_.refused, service.name) != current_.refused.end();
    backends::EndpointListPtr endpoints =
        service.endpoints != nullptr ? service.endpoints : names_.endpoints_of(service.slot);
    std::string addresses =
        endpoints == nullptr ? "[]" : json_list(*endpoints, [](const backends::Endpoint& endpoint) {
          return json_quoted(endpoint.text);
        });
    std::string rules = json_list(service.rules->rules(), [&](const auth::Rule& rule) {
      return fmt::format(R"({{"name":{},"effect":"{}","observe":{},"place":{}}})", json_quoted(rule.name()),
                         rule.effect() == auth::Effect::allow ? "allow" : "deny", rule.observed(),
                         json_quoted(service.rule_places[rule.index()]));
    });
    return fmt::format(R"({{"name":{},"place":{},"generation":{},"state":"{}","endpoints":{},"rules":{}}})",
                       json_quoted(service.name), json_quoted(service.place), service.generation,
                       refused ? "last_good" : "serving", addresses, rules);
  });
  return "{\"services\":" + list + "}\n";
}

}  // namespace control
