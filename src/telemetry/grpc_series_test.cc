#include "telemetry/grpc_series.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "telemetry/exposition.h"

namespace telemetry {
namespace {

using http::GrpcStatus;

struct Call {
  std::string_view method = "shop.Orders/Get";
  GrpcStatus status = GrpcStatus::ok;
  GrpcSaidBy by = GrpcSaidBy::backend;
  uint32_t service = 0;
};

ExchangeRecord make_record(const Call& call) {
  ExchangeRecord record;
  record.service = call.service;
  record.grpc_status = call.status;
  record.grpc_said_by = call.by;
  record.grpc_method = call.method;
  return record;
}

std::map<std::string, uint64_t> counted(const GrpcSeries& series) {
  std::map<std::string, uint64_t> found;
  series.for_each([&](const GrpcSeries::Method& method, const GrpcSeries::Counts& counts) {
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      std::string key = method.overflow != 0 ? "overflow" : std::to_string(method.service);
      key.append(" ").append(method.name).append(" ");
      key += http::grpc_status_number(static_cast<GrpcStatus>(i));
      EXPECT_TRUE(found.emplace(key, counts[i]).second) << "twice: " << key;
    }
  });
  return found;
}
using Counted = std::map<std::string, uint64_t>;

TEST(GrpcSeries, AMethodHasANameOnceABackendKnowsIt) {
  GrpcSeries series(100);
  auto count = [&](const Call& call) { series.count(make_record(call)); };
  // What clients ask for is not yet a method.
  count({.status = GrpcStatus::permission_denied, .by = GrpcSaidBy::gate});
  count({.status = GrpcStatus::unimplemented});
  count({.status = GrpcStatus::unavailable, .by = GrpcSaidBy::gate});
  EXPECT_EQ(counted(series), (Counted{{"0 _other 7", 1}, {"0 _other 12", 1}, {"0 _other 14", 1}}));
  count({.status = GrpcStatus::not_found});
  count({});
  count({});
  // From here on whatever becomes of its calls is its own.
  count({.status = GrpcStatus::permission_denied, .by = GrpcSaidBy::gate});
  count({.status = GrpcStatus::unimplemented});
  count({.service = 1});
  EXPECT_EQ(counted(series), (Counted{{"0 _other 7", 1},
                                      {"0 _other 12", 1},
                                      {"0 _other 14", 1},
                                      {"0 shop.Orders/Get 0", 2},
                                      {"0 shop.Orders/Get 5", 1},
                                      {"0 shop.Orders/Get 7", 1},
                                      {"0 shop.Orders/Get 12", 1},
                                      {"1 shop.Orders/Get 0", 1}}));
}

TEST(GrpcSeries, WhatIsNoMethodNameIsOneOfTheOthers) {
  GrpcSeries series(100);
  const std::string fits = "s/" + std::string(GrpcSeries::kNameBytesMax - 2, 'm');
  const std::string too_long = fits + "m";
  const std::string_view names[] = {"",      "/",     "a",      "a/",         "/a",
                                    "a/b/c", "a/b c", "a/\x01", "a/\xC3\xA4", too_long};
  for (std::string_view name : names) {
    series.count(make_record({.method = name}));
  }
  series.count(make_record({.service = kNoService}));
  series.count(make_record({.method = fits}));
  EXPECT_EQ(counted(series),
            (Counted{{"0 _other 0", 10}, {"4294967295 _other 0", 1}, {"0 " + fits + " 0", 1}}));
}

TEST(GrpcSeries, NamesAreBoundedAndGoWithTheirService) {
  GrpcSeries series(10'000);
  auto fill = [&](uint32_t service) {
    for (int i = 0; i < 300; ++i) {
      const std::string name = "s/m" + std::to_string(i);
      series.count(make_record({.method = name, .service = service}));
    }
  };
  fill(0);
  fill(1);
  auto all = counted(series);
  EXPECT_EQ(all.size(), 2u * (kGrpcMethodsMax + 1));
  EXPECT_EQ(all["0 _other 0"], 100u);
  series.forget_service(0);
  all = counted(series);
  EXPECT_EQ(all.size(), kGrpcMethodsMax + 1u);
  EXPECT_EQ(all.count("0 s/m1 0"), 0u);
  fill(0);
  all = counted(series);
  EXPECT_EQ(all["0 s/m1 0"], 1u);
  EXPECT_EQ(all["0 _other 0"], 100u);
}

TEST(GrpcSeries, BeyondTheBoundOfAllEverythingIsCountedTogether) {
  GrpcSeries series(2);
  for (std::string_view name : {"s/a", "s/b", "s/c", "s/d", "s/c"})
    series.count(make_record({.method = name}));
  EXPECT_EQ(counted(series), (Counted{{"0 s/a 0", 1}, {"0 s/b 0", 1}, {"overflow _other 0", 3}}));
}

TEST(GrpcSeries, StandInTheExposition) {
  constexpr std::string_view kServices[] = {"orders", ""};
  WorkerMetrics one, two;
  record_exchange(one, make_record({}));
  record_exchange(two, make_record({}));
  record_exchange(two, make_record({.status = GrpcStatus::not_found}));
  record_exchange(two, make_record({.service = 1}));  // gone
  record_exchange(two, make_record({.status = GrpcStatus::unimplemented, .service = kNoService}));
  const WorkerMetrics* workers[] = {&one, &two};
  const std::string text =
      format_exposition(workers, {.services = kServices, .routes = {}, .listeners = {}}, {});
  const std::string_view family =
      "# TYPE gatehouse_grpc_requests_total counter\n"
      "gatehouse_grpc_requests_total{grpc_method=\"_other\",grpc_status=\"UNIMPLEMENTED\"} 1\n"
      "gatehouse_grpc_requests_total{service=\"orders\",grpc_method=\"shop.Orders/Get\",grpc_status=\"OK\"} "
      "2\n"
      "gatehouse_grpc_requests_total{service=\"orders\",grpc_method=\"shop.Orders/"
      "Get\",grpc_status=\"NOT_FOUND\"} "
      "1\n";
  EXPECT_NE(text.find(family), text.npos) << text;
  one.forget_service(0);
  two.forget_service(0);
  EXPECT_EQ(format_exposition(workers, {.services = kServices, .routes = {}, .listeners = {}}, {})
                .find("shop.Orders"),
            std::string::npos);
}

TEST(GrpcSeries, ANameIsReadWholeOrNotAtAll) {
  GrpcSeries series(1000);
  const std::string even = "even.Service.With.A.Long.Name/" + std::string(60, 'e');
  const std::string odd = "odd.Service/" + std::string(90, 'o');
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      series.for_each([&](const GrpcSeries::Method& method, const GrpcSeries::Counts&) {
        EXPECT_TRUE(method.name == even || method.name == odd) << method.name;
      });
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    series.count(make_record({.method = i % 2 == 0 ? even : odd}));
    if (i % 3 == 0) series.forget_service(0);
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace telemetry
