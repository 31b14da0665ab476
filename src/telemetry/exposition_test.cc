#include "telemetry/exposition.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <thread>

#include "telemetry/metrics_text.h"

namespace telemetry {
namespace {

// Reads the text format strictly, as a scraper does: every sample belongs to the family announced above it,
// no family and no series twice. Fails the test on anything else.
class Scrape {
 public:
  explicit Scrape(std::string_view text) {
    EXPECT_TRUE(text.ends_with('\n'));
    while (!text.empty()) {
      size_t end = text.find('\n');
      read_line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
  }
  // "name{labels}" as written; -1 when there is none.
  double value(const std::string& series) const {
    auto found = samples_.find(series);
    return found == samples_.end() ? -1 : found->second;
  }
  std::string type(const std::string& family) const {
    auto found = types_.find(family);
    return found == types_.end() ? "" : found->second;
  }
  const std::map<std::string, double>& samples() const { return samples_; }

 private:
  void read_line(std::string_view line) {
    if (line.starts_with("# HELP ")) {
      family_ = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(helped_.insert(family_).second) << "twice: " << family_;
      EXPECT_GT(line.size(), 8 + family_.size()) << "no help: " << line;
      return;
    }
    if (line.starts_with("# TYPE ")) {
      size_t space = line.find(' ', 7);
      EXPECT_EQ(line.substr(7, space - 7), family_);
      types_[family_] = line.substr(space + 1);
      return;
    }
    read_sample(line);
  }
  void read_sample(std::string_view line) {
    size_t at = line.find_first_of("{ ");
    ASSERT_NE(at, line.npos) << line;
    std::string name(line.substr(0, at));
    bool histogram = types_[family_] == "histogram";
    EXPECT_TRUE(histogram
                    ? name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count"
                    : name == family_)
        << line;
    if (line[at] == '{') at = read_labels(line, at + 1);
    ASSERT_EQ(line[at], ' ') << line;
    std::string number(line.substr(at + 1));
    char* rest = nullptr;
    double value = std::strtod(number.c_str(), &rest);
    EXPECT_TRUE(!number.empty() && *rest == '\0') << line;
    EXPECT_TRUE(samples_.emplace(line.substr(0, at), value).second) << "twice: " << line;
  }
  size_t read_labels(std::string_view line, size_t at) {
    while (line[at] != '}') {
      while (base_name(line[at])) ++at;
      EXPECT_EQ(line.substr(at, 2), "=\"") << line;
      for (at += 2; line[at] != '"'; ++at) {
        if (line[at] != '\\') continue;
        ++at;
        EXPECT_TRUE(line[at] == '\\' || line[at] == '"' || line[at] == 'n') << line;
      }
      ++at;
      if (line[at] == ',') ++at;
    }
    return at + 1;
  }
  static bool base_name(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }

  std::string family_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
};

constexpr std::string_view kServices[] = {"orders", "", "bill\"ing\\\n"};
constexpr std::string_view kRoutes[] = {"/orders/{id}", "/b"};
constexpr std::string_view kListeners[] = {":8080", ":8443"};
constexpr LabelTexts kTexts{.services = kServices, .routes = kRoutes, .listeners = kListeners};

struct Sample {
  uint32_t service = 0;
  uint32_t route = 0;
  uint16_t status = 200;
  Verdict verdict = Verdict::allow;
  base::Reason reason = base::Reason::none;
  base::Duration duration = base::milliseconds(3);
};

ExchangeRecord make_record(const Sample& sample) {
  ExchangeRecord record;
  record.method = http::Method::get;
  record.service = sample.service;
  record.route = sample.route;
  record.status = sample.status;
  record.verdict = sample.verdict;
  record.reason = sample.reason;
  record.bytes_received = 10;
  record.bytes_sent = 100;
  record.phases.start({1});
  record.phases.finish(base::Instant{1} + sample.duration);
  return record;
}

Scrape scrape(const std::vector<const WorkerMetrics*>& workers) {
  return Scrape(format_exposition(workers, kTexts, {.version = "0.1.0", .revision = "abc", .generation = 7}));
}

TEST(Exposition, MergesWorkersIntoTheConventionsHistogram) {
  WorkerMetrics one, two;
  record_exchange(one, make_record({.duration = base::milliseconds(5)}));  // an upper bound is inclusive
  record_exchange(one, make_record({.duration = base::nanoseconds(5'000'001)}));
  record_exchange(two, make_record({.duration = base::seconds(10)}));
  record_exchange(two, make_record({.duration = base::seconds(11)}));
  auto got = scrape({&one, &two});
  std::string labels =
      R"(service="orders",http_request_method="GET",url_scheme="http",http_route="/orders/{id}",)"
      R"(http_response_status_code="200",network_protocol_version="1.1")";
  std::string name = "http_server_request_duration_seconds";
  auto bucket = [&](std::string bound) {
    return got.value(name + "_bucket{" + labels + ",le=\"" + bound + "\"}");
  };
  EXPECT_EQ(got.type(name), "histogram");
  EXPECT_EQ(bucket("0.005"), 1);
  EXPECT_EQ(bucket("0.01"), 2);
  for (std::string bound : {"0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5"}) {
    EXPECT_EQ(bucket(bound), 2) << bound;
  }
  EXPECT_EQ(bucket("10"), 3);
  EXPECT_EQ(bucket("+Inf"), 4);
  EXPECT_EQ(got.value(name + "_count{" + labels + "}"), 4);
  EXPECT_NEAR(got.value(name + "_sum{" + labels + "}"), 21.010000001, 1e-9);
}

TEST(Exposition, CountsVerdictsReasonsAndBytesByService) {
  WorkerMetrics one, two;
  record_exchange(one, make_record({}));
  record_exchange(two, make_record({.status = 500}));
  record_exchange(
      two, make_record({.status = 403, .verdict = Verdict::deny, .reason = base::Reason::rule_denied}));
  record_exchange(one, make_record({.service = kNoService,
                                    .route = kNoRoute,
                                    .status = 404,
                                    .verdict = Verdict::none,
                                    .reason = base::Reason::no_route}));
  auto got = scrape({&one, &two});
  EXPECT_EQ(got.value(R"(gatehouse_requests_total{service="orders",verdict="allow"})"), 2);
  EXPECT_EQ(got.value(R"(gatehouse_requests_total{service="orders",verdict="deny"})"), 1);
  EXPECT_EQ(got.value(R"(gatehouse_requests_total{verdict="none"})"), 1);
  EXPECT_EQ(got.value(R"(gatehouse_denied_total{service="orders",reason="rule_denied"})"), 1);
  EXPECT_EQ(got.value(R"(gatehouse_request_bytes_total{service="orders"})"), 30);
  EXPECT_EQ(got.value(R"(gatehouse_response_bytes_total{service="orders"})"), 300);
  EXPECT_EQ(got.value("gatehouse_exchanges_recorded_total"), 4);
}

TEST(Exposition, NamesTheErrorAndOnlyTheError) {
  struct Case {
    Sample sample;
    std::string labels;
  };
  for (const Case& c : std::initializer_list<Case>{
           {{.status = 204}, R"(http_response_status_code="204",)"},
           {{.status = 404},
            R"(http_response_status_code="404",)"},  // the backend's own, no error of a server
           {{.status = 502}, R"(http_response_status_code="502",error_type="502",)"},
           {{.status = 401, .reason = base::Reason::credential_missing},
            R"(http_response_status_code="401",error_type="credential_missing",)"},
           {{.status = 0, .reason = base::Reason::client_disconnected},
            R"(error_type="client_disconnected",)"},
       }) {
    WorkerMetrics worker;
    record_exchange(worker, make_record(c.sample));
    EXPECT_EQ(
        scrape({&worker}).value(R"(http_server_request_duration_seconds_count{service="orders",)"
                                R"(http_request_method="GET",url_scheme="http",http_route="/orders/{id}",)" +
                                c.labels + R"(network_protocol_version="1.1"})"),
        1)
        << c.labels;
  }
}

TEST(Exposition, CountsEachAttemptForTheClientHistogram) {
  WorkerMetrics worker;
  ExchangeRecord record = make_record({});
  Attempt& failed = record.add_attempt();
  failed.outcome = base::Reason::connection_refused;
  failed.total = base::milliseconds(1);
  Attempt& good = record.add_attempt();
  good.status = 404;
  good.total = base::milliseconds(20);
  record_exchange(worker, record);
  auto got = scrape({&worker});
  std::string common =
      R"(http_client_request_duration_seconds_count{service="orders",http_request_method="GET",)"
      R"(url_scheme="http",)";
  EXPECT_EQ(got.value(common + R"(error_type="connection_refused",network_protocol_version="1.1"})"), 1);
  EXPECT_EQ(got.value(common +
                      R"(http_response_status_code="404",error_type="404",network_protocol_version="1.1"})"),
            1);
}

TEST(Exposition, ShowsNoServiceThatIsGone) {
  WorkerMetrics worker;
  record_exchange(worker, make_record({.service = 1}));
  record_exchange(worker, make_record({.service = 55}));
  worker.backend_connection_opened(1);
  for (const auto& [series, value] : scrape({&worker}).samples()) {
    EXPECT_FALSE(series.starts_with("http_server") || series.starts_with("gatehouse_requests") ||
                 series.starts_with("gatehouse_backend_connections_open"))
        << series;
  }
  record_exchange(worker, make_record({.service = 0}));
  worker.forget_service(0);
  EXPECT_EQ(scrape({&worker}).value(R"(gatehouse_requests_total{service="orders",verdict="allow"})"), -1);
}

TEST(Exposition, EscapesLabelValues) {
  WorkerMetrics worker;
  record_exchange(worker, make_record({.service = 2}));
  EXPECT_EQ(scrape({&worker}).value(R"(gatehouse_requests_total{service="bill\"ing\\\n",verdict="allow"})"),
            1);
}

TEST(Exposition, ShowsGaugesAndState) {
  WorkerMetrics one, two;
  one.connection_opened(0);
  one.connection_opened(0);
  two.connection_closed(0);  // accepted by one worker, closed by another
  two.connection_opened(1);
  two.connection_opened(1'000'000);  // no such gauge: must not write elsewhere
  one.backend_connection_opened(0);
  one.backend_connection_opened(0);
  one.backend_connection_closed(0);
  one.count(Counter::exchanges_accepted, 5);
  two.count(Counter::exchanges_accepted);
  two.count(Counter::log_lines_dropped, 3);
  one.count(Counter::token_cache_hits);
  auto got = Scrape(format_exposition(std::vector<const WorkerMetrics*>{&one, &two}, kTexts,
                                      {.version = "0.1.0",
                                       .revision = "abc",
                                       .generation = 7,
                                       .last_reload_successful = false,
                                       .last_reload_success = {1'700'000'000'500'000'000},
                                       .services = 12,
                                       .services_broken = 2}));
  EXPECT_EQ(got.value(R"(gatehouse_connections_open{listener=":8080"})"), 1);
  EXPECT_EQ(got.value(R"(gatehouse_connections_open{listener=":8443"})"), 1);
  EXPECT_EQ(got.value(R"(gatehouse_backend_connections_open{service="orders"})"), 1);
  EXPECT_EQ(got.value("gatehouse_exchanges_accepted_total"), 6);
  EXPECT_EQ(got.value("gatehouse_log_lines_dropped_total"), 3);
  EXPECT_EQ(got.value("gatehouse_token_cache_hits_total"), 1);
  EXPECT_EQ(got.value("gatehouse_token_cache_misses_total"), 0);
  EXPECT_EQ(got.value(R"(gatehouse_build_info{version="0.1.0",revision="abc"})"), 1);
  EXPECT_EQ(got.value("gatehouse_config_generation"), 7);
  EXPECT_EQ(got.value("gatehouse_config_last_reload_successful"), 0);
  EXPECT_EQ(got.value("gatehouse_config_last_reload_success_timestamp_seconds"), 1'700'000'000.5);
  EXPECT_EQ(got.value("gatehouse_config_services"), 12);
  EXPECT_EQ(got.value("gatehouse_config_services_broken"), 2);
  EXPECT_EQ(got.type("gatehouse_config_generation"), "gauge");
  EXPECT_EQ(got.type("gatehouse_exchanges_accepted_total"), "counter");
}

TEST(Exposition, ShowsTheOverflowAsOne) {
  WorkerMetrics worker({.server_series_max = 2, .client_series_max = 2, .services_max = 2});
  for (uint16_t status = 200; status < 210; ++status)
    record_exchange(worker, make_record({.status = status}));
  auto got = scrape({&worker});
  EXPECT_EQ(got.value(R"(http_server_request_duration_seconds_count{service="_overflow"})"), 8);
  EXPECT_EQ(got.value("gatehouse_exchanges_recorded_total"), 10);
}

TEST(Exposition, MayBeTakenWhileWorkersCount) {
  WorkerMetrics worker;
  constexpr uint32_t kExchanges = 20'000;
  std::thread counting([&] {
    for (uint32_t i = 0; i < kExchanges; ++i) {
      worker.count(Counter::exchanges_accepted);
      record_exchange(worker, make_record({.service = i % 3, .status = static_cast<uint16_t>(200 + i % 7)}));
      worker.connection_opened(0);
      worker.backend_connection_opened(0);
      worker.backend_connection_closed(0);
      worker.connection_closed(0);
      if (i % 100 == 0) worker.forget_service(1);
    }
  });
  for (int i = 0; i < 30; ++i) scrape({&worker});
  counting.join();
  auto got = scrape({&worker});
  EXPECT_EQ(got.value("gatehouse_exchanges_accepted_total"), kExchanges);
  EXPECT_EQ(got.value("gatehouse_exchanges_recorded_total"), kExchanges);
  EXPECT_EQ(got.value(R"(gatehouse_requests_total{service="orders",verdict="allow"})"), (kExchanges + 2) / 3);
}

TEST(MetricsText, WritesAHistogramThatAgreesWithItself) {
  const int64_t bounds[] = {1'000'000'000, 2'500'000'000};
  const uint64_t buckets[] = {1, 0, 2};
  MetricsText text;
  text.begin_histogram("x_seconds", "Help.");
  text.sample({}, HistogramValues{.bounds_ns = bounds, .buckets = buckets, .sum_ns = 7'000'000'000});
  EXPECT_EQ(text.take(),
            "# HELP x_seconds Help.\n# TYPE x_seconds histogram\n"
            "x_seconds_bucket{le=\"1\"} 1\nx_seconds_bucket{le=\"2.5\"} 1\nx_seconds_bucket{le=\"+Inf\"} 3\n"
            "x_seconds_sum 7\nx_seconds_count 3\n");
}

}  // namespace
}  // namespace telemetry
