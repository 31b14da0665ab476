// What is counted. Each worker owns one WorkerMetrics and is its only writer; the control thread reads all of
// them at a scrape, at any time, without a lock (exposition.h). Recording is a probe of a small table and a
// few plain increments; memory grows only when a combination of labels is seen for the first time, up to a
// bound. Labels are small numbers; no value that a client chooses becomes a label (grpc_series.h has the
// names of methods that backends answer to).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "telemetry/grpc_series.h"
#include "telemetry/record.h"
#include "telemetry/series_table.h"

namespace telemetry {

// Counters without labels.
enum class Counter : uint8_t {
  connections_accepted,
  connections_refused,
  exchanges_accepted,
  exchanges_recorded,
  log_lines_dropped,
  token_cache_hits,
  token_cache_misses,
  tls_handshakes_full,
  tls_handshakes_resumed,
  tls_handshakes_failed,
  proxy_headers_refused,
};
inline constexpr int kCounterCount = 11;

inline constexpr uint32_t kListenersMax = 64;  // gauges for further listeners are counted under the last

// http.server.request.duration and http.client.request.duration (OpenTelemetry HTTP conventions).
inline constexpr std::array<int64_t, 14> kDurationBoundsNs = {
    5'000'000,   10'000'000,  25'000'000,    50'000'000,    75'000'000,    100'000'000,   250'000'000,
    500'000'000, 750'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 7'500'000'000, 10'000'000'000};
inline constexpr size_t kBucketCount = kDurationBoundsNs.size() + 1;  // the last one is +Inf

// Where the values of a series stand.
inline constexpr size_t kSumIndex = kBucketCount;             // nanoseconds
inline constexpr size_t kBytesReceivedIndex = kSumIndex + 1;  // server series only
inline constexpr size_t kBytesSentIndex = kSumIndex + 2;
using ServerSeries = SeriesTable<kBucketCount + 3>;
using ClientSeries = SeriesTable<kBucketCount + 1>;
using GaugeSeries = SeriesTable<1>;

class WorkerMetrics {
 public:
  struct Limits {
    uint32_t server_series_max = 65'536;
    uint32_t client_series_max = 65'536;
    uint32_t services_max = 65'536;
    uint32_t grpc_series_max = 65'536;
  };
  WorkerMetrics() : WorkerMetrics(Limits{}) {}
  explicit WorkerMetrics(const Limits& limits);

  // The worker only. ---------------------------------------------------------------------------------------
  void count(Counter counter, uint64_t n = 1) { add(counters_[static_cast<size_t>(counter)], n); }
  void connection_opened(uint32_t listener) { add(connections_[clamp(listener)], 1); }
  void connection_closed(uint32_t listener) { add(connections_[clamp(listener)], uint64_t(-1)); }
  void backend_connection_opened(uint32_t service);
  void backend_connection_closed(uint32_t service);
  // A service was removed and its last exchange has ended: its series go. The number must not be given to
  // another service before.
  void forget_service(uint32_t service);

  // Any thread. --------------------------------------------------------------------------------------------
  uint64_t value(Counter counter) const {
    return counters_[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }
  int64_t connections_open(uint32_t listener) const {
    return static_cast<int64_t>(connections_[clamp(listener)].load(std::memory_order_relaxed));
  }
  const ServerSeries& server_series() const { return server_; }
  const ClientSeries& client_series() const { return client_; }
  const GaugeSeries& backend_connections() const { return backend_connections_; }
  const GrpcSeries& grpc_series() const { return grpc_; }

 private:
  friend void record_exchange(WorkerMetrics& metrics, const ExchangeRecord& record);

  static uint32_t clamp(uint32_t listener) { return listener < kListenersMax ? listener : kListenersMax - 1; }
  // A single writer, so no locked instruction is needed.
  static void add(std::atomic<uint64_t>& value, uint64_t n) {
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, kCounterCount> counters_{};
  std::array<std::atomic<uint64_t>, kListenersMax> connections_{};
  ServerSeries server_;
  ClientSeries client_;
  GaugeSeries backend_connections_;
  GrpcSeries grpc_;
};

// The one place that turns a record into counters, exchanges_recorded included. The worker only.
void record_exchange(WorkerMetrics& metrics, const ExchangeRecord& record);

}  // namespace telemetry
