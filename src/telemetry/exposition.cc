#include "telemetry/exposition.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "telemetry/metrics_text.h"

namespace telemetry {
namespace {

using Workers = std::span<const WorkerMetrics* const>;

constexpr std::string_view kOverflowService = "_overflow";

template <size_t ValueCount>
struct Row {
  SeriesKey key;
  std::array<uint64_t, ValueCount> values{};
};

auto order_of(const SeriesKey& key) {
  return std::tie(key.overflow, key.service, key.route, key.method, key.status, key.reason, key.protocol,
                  key.scheme, key.verdict);
}

std::string_view text_at(std::span<const std::string_view> texts, uint32_t number) {
  return number < texts.size() ? texts[number] : std::string_view{};
}

std::string_view service_text(const SeriesKey& key, const LabelTexts& texts) {
  return key.overflow != 0 ? kOverflowService : text_at(texts.services, key.service);
}

// A service that is gone has no name; exchanges that found no service, and the overflow, are shown without
// one.
bool is_shown(const SeriesKey& key, const LabelTexts& texts) {
  return key.service == kNoService || !text_at(texts.services, key.service).empty();
}

template <size_t ValueCount>
void append_rows(std::vector<Row<ValueCount>>& rows, const SeriesTable<ValueCount>& series,
                 const LabelTexts& texts) {
  series.for_each([&](const SeriesKey& key, const std::array<uint64_t, ValueCount>& values) {
    if (is_shown(key, texts)) rows.push_back({key, values});
  });
}

// Rows that show the same labels become one. project leaves in the key what a family shows.
template <size_t ValueCount, class Project>
std::vector<Row<ValueCount>> merge_rows(const std::vector<Row<ValueCount>>& rows, Project project) {
  std::vector<Row<ValueCount>> projected;
  projected.reserve(rows.size());
  for (const auto& row : rows) projected.push_back({project(row.key), row.values});
  std::ranges::sort(projected,
                    [](const auto& a, const auto& b) { return order_of(a.key) < order_of(b.key); });
  std::vector<Row<ValueCount>> merged;
  for (const auto& row : projected) {
    if (merged.empty() || !(merged.back().key == row.key)) {
      merged.push_back(row);
      continue;
    }
    for (size_t i = 0; i < ValueCount; ++i) merged.back().values[i] += row.values[i];
  }
  return merged;
}

std::string status_text(uint16_t status) { return status == 0 ? std::string() : std::to_string(status); }

// OpenTelemetry HTTP conventions, error.type: our reason, else the status where it is an error by itself;
// that is from 500 for a server and from 400 for a client.
std::string error_type(const SeriesKey& key, uint16_t error_status_min) {
  auto reason = static_cast<base::Reason>(key.reason);
  if (reason != base::Reason::none) return std::string(base::reason_name(reason));
  return key.status >= error_status_min ? status_text(key.status) : std::string();
}

std::string_view version_text(uint8_t protocol) {
  static constexpr std::string_view kNames[] = {"1.0", "1.1", "2"};
  return kNames[protocol];
}

std::string_view scheme_text(uint8_t scheme) {
  return static_cast<Scheme>(scheme) == Scheme::https ? "https" : "http";
}

Labels exchange_labels(const SeriesKey& key, const LabelTexts& texts, uint16_t error_status_min) {
  Labels labels;
  labels.add("service", service_text(key, texts));
  if (key.overflow != 0) return labels;
  labels.add("http_request_method", http::method_name(static_cast<http::Method>(key.method)))
      .add("url_scheme", scheme_text(key.scheme))
      .add("http_route", text_at(texts.routes, key.route))
      .add("http_response_status_code", status_text(key.status))
      .add("error_type", error_type(key, error_status_min))
      .add("network_protocol_version", version_text(key.protocol));
  return labels;
}

Labels service_label(const SeriesKey& key, const LabelTexts& texts) {
  return Labels().add("service", service_text(key, texts));
}

template <size_t ValueCount>
HistogramValues histogram_of(const std::array<uint64_t, ValueCount>& values) {
  return {.bounds_ns = kDurationBoundsNs,
          .buckets = std::span(values).template first<kBucketCount>(),
          .sum_ns = values[kSumIndex]};
}

uint64_t exchanges_in(std::span<const uint64_t> values) {
  uint64_t sum = 0;
  for (uint64_t bucket : values.first(kBucketCount)) sum += bucket;
  return sum;
}

void write_state(MetricsText& text, const GateState& state) {
  text.begin_gauge("gatehouse_build_info", "Always 1; what is running.");
  text.sample(Labels().add("version", state.version).add("revision", state.revision), uint64_t{1});
  text.begin_gauge("gatehouse_config_generation", "The generation of settings that is served.");
  text.sample({}, state.generation);
  text.begin_gauge("gatehouse_config_last_reload_successful",
                   "1 when the last reload took every file, else 0.");
  text.sample({}, uint64_t{state.last_reload_successful});
  text.begin_gauge("gatehouse_config_last_reload_success_timestamp_seconds", "When a reload last succeeded.");
  text.sample({}, static_cast<double>(state.last_reload_success.ns) / 1e9);
  text.begin_gauge("gatehouse_config_services", "Services that are served.");
  text.sample({}, state.services);
  text.begin_gauge("gatehouse_config_services_broken", "Services whose definition is refused.");
  text.sample({}, state.services_broken);
}

void write_counters(MetricsText& text, Workers workers) {
  struct Family {
    Counter counter;
    std::string_view name;
    std::string_view help;
  };
  static constexpr Family kFamilies[kCounterCount] = {
      {Counter::connections_accepted, "gatehouse_connections_accepted_total", "Client connections accepted."},
      {Counter::connections_refused, "gatehouse_connections_refused_total",
       "Client connections refused since max_connections were open."},
      {Counter::exchanges_accepted, "gatehouse_exchanges_accepted_total", "Exchanges begun."},
      {Counter::exchanges_recorded, "gatehouse_exchanges_recorded_total",
       "Exchanges ended with their record."},
      {Counter::log_lines_dropped, "gatehouse_log_lines_dropped_total",
       "Access log lines lost to a full ring."},
      {Counter::token_cache_hits, "gatehouse_token_cache_hits_total", "Tokens found verified in the cache."},
      {Counter::token_cache_misses, "gatehouse_token_cache_misses_total", "Tokens that had to be verified."},
      {Counter::tls_handshakes_full, "gatehouse_tls_handshakes_full_total",
       "Clients' TLS handshakes done in full."},
      {Counter::tls_handshakes_resumed, "gatehouse_tls_handshakes_resumed_total",
       "Clients' TLS handshakes that resumed a session."},
      {Counter::tls_handshakes_failed, "gatehouse_tls_handshakes_failed_total",
       "Clients' TLS handshakes that failed."},
      {Counter::proxy_headers_refused, "gatehouse_proxy_headers_refused_total",
       "Connections closed for want of a good PROXY header."},
  };
  for (const Family& family : kFamilies) {
    uint64_t sum = 0;
    for (const WorkerMetrics* worker : workers) sum += worker->value(family.counter);
    text.begin_counter(family.name, family.help);
    text.sample({}, sum);
  }
}

void write_connections(MetricsText& text, Workers workers, const LabelTexts& texts) {
  text.begin_gauge("gatehouse_connections_open", "Client connections open.");
  for (uint32_t i = 0; i < texts.listeners.size() && i < kListenersMax; ++i) {
    if (texts.listeners[i].empty()) continue;
    int64_t open = 0;
    for (const WorkerMetrics* worker : workers) open += worker->connections_open(i);
    text.sample(Labels().add("listener", texts.listeners[i]), open);
  }
  std::vector<Row<1>> rows;
  for (const WorkerMetrics* worker : workers) append_rows(rows, worker->backend_connections(), texts);
  text.begin_gauge("gatehouse_backend_connections_open", "Connections open to a service's endpoints.");
  for (const auto& row : merge_rows(rows, [](const SeriesKey& key) { return key; })) {
    text.sample(service_label(row.key, texts), static_cast<int64_t>(row.values[0]));
  }
}

using ServerRows = std::vector<Row<kBucketCount + 3>>;

void write_services(MetricsText& text, const ServerRows& rows, const LabelTexts& texts) {
  text.begin_counter("gatehouse_requests_total", "Exchanges by what was decided.");
  auto by_verdict = [](const SeriesKey& key) {
    return SeriesKey{.service = key.service, .verdict = key.verdict, .overflow = key.overflow};
  };
  for (const auto& row : merge_rows(rows, by_verdict)) {
    Labels labels = service_label(row.key, texts);
    labels.add("verdict", verdict_name(static_cast<Verdict>(row.key.verdict)));
    text.sample(labels, exchanges_in(row.values));
  }

  text.begin_counter("gatehouse_denied_total", "Exchanges denied, by reason.");
  ServerRows denied;
  std::ranges::copy_if(rows, std::back_inserter(denied), [](const auto& row) {
    return static_cast<Verdict>(row.key.verdict) == Verdict::deny;
  });
  auto by_reason = [](const SeriesKey& key) {
    return SeriesKey{.service = key.service, .reason = key.reason};
  };
  for (const auto& row : merge_rows(denied, by_reason)) {
    Labels labels = service_label(row.key, texts);
    labels.add("reason", base::reason_name(static_cast<base::Reason>(row.key.reason)));
    text.sample(labels, exchanges_in(row.values));
  }

  auto by_service = [](const SeriesKey& key) {
    return SeriesKey{.service = key.service, .overflow = key.overflow};
  };
  ServerRows services = merge_rows(rows, by_service);
  text.begin_counter("gatehouse_request_bytes_total", "Bytes received from clients.");
  for (const auto& row : services)
    text.sample(service_label(row.key, texts), row.values[kBytesReceivedIndex]);
  text.begin_counter("gatehouse_response_bytes_total", "Bytes sent to clients.");
  for (const auto& row : services) text.sample(service_label(row.key, texts), row.values[kBytesSentIndex]);
}

void write_server_durations(MetricsText& text, const ServerRows& rows, const LabelTexts& texts) {
  text.begin_histogram("http_server_request_duration_seconds", "Duration of requests served.");
  auto without_verdict = [](SeriesKey key) {
    key.verdict = 0;
    return key;
  };
  for (const auto& row : merge_rows(rows, without_verdict)) {
    text.sample(exchange_labels(row.key, texts, 500), histogram_of(row.values));
  }
}

void write_client_durations(MetricsText& text, Workers workers, const LabelTexts& texts) {
  std::vector<Row<kBucketCount + 1>> rows;
  for (const WorkerMetrics* worker : workers) append_rows(rows, worker->client_series(), texts);
  text.begin_histogram("http_client_request_duration_seconds",
                       "Duration of requests to backends, one an attempt.");
  for (const auto& row : merge_rows(rows, [](const SeriesKey& key) { return key; })) {
    text.sample(exchange_labels(row.key, texts, 400), histogram_of(row.values));
  }
}

void write_grpc(MetricsText& text, Workers workers, const LabelTexts& texts) {
  struct Calls {
    SeriesKey service;
    GrpcSeries::Counts counts{};
  };
  std::map<std::pair<std::string, std::string>, Calls> by_method;  // of a service
  for (const WorkerMetrics* worker : workers) {
    worker->grpc_series().for_each([&](const GrpcSeries::Method& method, const GrpcSeries::Counts& counts) {
      const SeriesKey service{.service = method.service, .overflow = method.overflow};
      if (!is_shown(service, texts)) return;
      Calls& calls = by_method[{std::string(service_text(service, texts)), std::string(method.name)}];
      calls.service = service;
      for (size_t i = 0; i < counts.size(); ++i) calls.counts[i] += counts[i];
    });
  }
  text.begin_counter("gatehouse_grpc_requests_total", "gRPC calls by method and status.");
  for (const auto& [names, calls] : by_method) {
    for (size_t i = 0; i < calls.counts.size(); ++i) {
      if (calls.counts[i] == 0) continue;
      Labels labels = service_label(calls.service, texts);
      labels.add("grpc_method", names.second)
          .add("grpc_status", http::grpc_status_name(static_cast<http::GrpcStatus>(i)));
      text.sample(labels, calls.counts[i]);
    }
  }
}

}  // namespace

std::string format_exposition(Workers workers, const LabelTexts& texts, const GateState& state) {
  ServerRows rows;
  for (const WorkerMetrics* worker : workers) append_rows(rows, worker->server_series(), texts);
  MetricsText text;
  write_state(text, state);
  write_counters(text, workers);
  write_connections(text, workers, texts);
  write_services(text, rows, texts);
  write_server_durations(text, rows, texts);
  write_client_durations(text, workers, texts);
  write_grpc(text, workers, texts);
  return text.take();
}

}  // namespace telemetry
