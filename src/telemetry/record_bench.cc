// What recording costs an exchange: its id, its line into the ring, its counters.
#include <benchmark/benchmark.h>

#include <vector>

#include "telemetry/access_log.h"
#include "telemetry/log_ring.h"
#include "telemetry/metrics.h"

namespace telemetry {
namespace {

ExchangeRecord make_record() {
  ExchangeRecord record;
  record.id = RequestIdGenerator({1, 2, 3, 4}).next();
  record.time = {1'769'851'800'123'000'000};
  record.generation = 12;
  record.client = "203.0.113.9";
  record.listener = ":8080";
  record.method = http::Method::get;
  record.method_text = "GET";
  record.host = "api.example.com";
  record.path = "/orders/7/lines/12";
  record.user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
  record.service = 3;
  record.route = 5;
  record.service_name = "orders";
  record.route_pattern = "/orders";
  record.provider = "partners";
  record.subject = "alice@partner.example";
  record.verdict = Verdict::allow;
  record.rule_source = "services/orders.yaml:4:5";
  record.rule_name = "partners read";
  record.status = 200;
  record.bytes_received = 345;
  record.bytes_sent = 6789;
  record.phases.start({1});
  int64_t now = 1;
  for (Phase phase : {Phase::route, Phase::authenticate, Phase::authorise, Phase::limit, Phase::connect,
                      Phase::send, Phase::wait, Phase::relay, Phase::done}) {
    record.phases.enter(phase, {now += 12'345});
  }
  record.phases.finish({now});
  Attempt& attempt = record.add_attempt();
  attempt.endpoint = "127.0.0.1:9001";
  attempt.connection = Connection::reused;
  attempt.status = 200;
  attempt.connect = {0};
  attempt.wait = {345'678};
  attempt.total = {400'000};
  return record;
}

void format_line(benchmark::State& state) {
  ExchangeRecord record = make_record();
  AccessLogFormat format;
  std::vector<char> out(kLogLineBytesMax);
  size_t size = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(record);
    size = format.format(record, out);
    benchmark::ClobberMemory();
  }
  state.counters["line_bytes"] = static_cast<double>(size);
}
BENCHMARK(format_line);

void line_into_ring(benchmark::State& state) {
  ExchangeRecord record = make_record();
  AccessLogFormat format;
  LogRing ring;
  for (auto _ : state) {
    auto room = ring.reserve(kLogLineBytesMax);
    ring.commit(format.format(record, room));
    benchmark::DoNotOptimize(ring.needs_wake());
    ring.release(ring.peek().size());
  }
}
BENCHMARK(line_into_ring);

void record_one_service(benchmark::State& state) {
  ExchangeRecord record = make_record();
  WorkerMetrics metrics;
  for (auto _ : state) record_exchange(metrics, record);
}
BENCHMARK(record_one_service);

void record_many_services(benchmark::State& state) {
  ExchangeRecord record = make_record();
  WorkerMetrics metrics;
  for (auto _ : state) {
    record.service = (record.service + 1) % 5000;
    record_exchange(metrics, record);
  }
}
BENCHMARK(record_many_services);

void make_id(benchmark::State& state) {
  RequestIdGenerator generator({1, 2, 3, 4});
  for (auto _ : state) benchmark::DoNotOptimize(generator.next());
}
BENCHMARK(make_id);

}  // namespace
}  // namespace telemetry
