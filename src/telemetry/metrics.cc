#include "telemetry/metrics.h"

namespace telemetry {
namespace {

size_t find_bucket(int64_t ns) {
  size_t bucket = 0;
  while (bucket < kDurationBoundsNs.size() && ns > kDurationBoundsNs[bucket]) ++bucket;
  return bucket;
}

template <class Series>
void observe(typename Series::Values& values, base::Duration duration) {
  int64_t ns = duration.ns > 0 ? duration.ns : 0;
  Series::add(values[find_bucket(ns)], 1);
  Series::add(values[kSumIndex], static_cast<uint64_t>(ns));
}

SeriesKey key_of(const ExchangeRecord& record) {
  return {.service = record.service,
          .route = record.route,
          .status = record.status,
          .method = static_cast<uint8_t>(record.method),
          .reason = static_cast<uint8_t>(record.reason),
          .protocol = static_cast<uint8_t>(record.protocol),
          .scheme = static_cast<uint8_t>(record.scheme),
          .verdict = static_cast<uint8_t>(record.verdict)};
}

void record_attempt(ClientSeries& series, const ExchangeRecord& record, const Attempt& attempt) {
  if (attempt.total == kNotReached) return;
  // Backends are spoken to in HTTP/1.1 without TLS, so protocol and scheme say nothing more.
  auto& values = series.find_or_add({.service = record.service,
                                     .route = kNoRoute,
                                     .status = attempt.status,
                                     .method = static_cast<uint8_t>(record.method),
                                     .reason = static_cast<uint8_t>(attempt.outcome),
                                     .protocol = static_cast<uint8_t>(http::Version::http11)});
  observe<ClientSeries>(values, attempt.total);
}

}  // namespace

WorkerMetrics::WorkerMetrics(const Limits& limits)
    : server_(limits.server_series_max),
      client_(limits.client_series_max),
      backend_connections_(limits.services_max),
      grpc_(limits.grpc_series_max) {}

void WorkerMetrics::backend_connection_opened(uint32_t service) {
  GaugeSeries::add(backend_connections_.find_or_add({.service = service})[0], 1);
}

void WorkerMetrics::backend_connection_closed(uint32_t service) {
  GaugeSeries::add(backend_connections_.find_or_add({.service = service})[0], uint64_t(-1));
}

void WorkerMetrics::forget_service(uint32_t service) {
  server_.forget_service(service);
  client_.forget_service(service);
  backend_connections_.forget_service(service);
  grpc_.forget_service(service);
}

void record_exchange(WorkerMetrics& metrics, const ExchangeRecord& record) {
  auto& values = metrics.server_.find_or_add(key_of(record));
  observe<ServerSeries>(values, record.phases.total());
  ServerSeries::add(values[kBytesReceivedIndex], record.bytes_received);
  ServerSeries::add(values[kBytesSentIndex], record.bytes_sent);
  if (record.grpc_status) metrics.grpc_.count(record);
  for (uint32_t i = 0; i < record.attempts_kept(); ++i) {
    record_attempt(metrics.client_, record, record.attempts[i]);
  }
  metrics.count(Counter::exchanges_recorded);
}

}  // namespace telemetry
