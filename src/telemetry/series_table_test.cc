#include "telemetry/series_table.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace telemetry {
namespace {

using Table = SeriesTable<2>;

std::map<uint32_t, uint64_t> sums_by_service(const Table& table) {
  std::map<uint32_t, uint64_t> sums;
  table.for_each([&](const SeriesKey& key, const Table::Copy& values) { sums[key.service] += values[0]; });
  return sums;
}

TEST(SeriesTable, KeepsASeriesAtItsAddress) {
  Table table(10'000);
  auto* first = &table.find_or_add({.service = 0});
  for (uint32_t service = 1; service < 5000; ++service)
    Table::add(table.find_or_add({.service = service})[0], service);
  EXPECT_EQ(&table.find_or_add({.service = 0}), first);
  auto sums = sums_by_service(table);
  ASSERT_EQ(sums.size(), 5000u);
  for (auto [service, sum] : sums) EXPECT_EQ(sum, service);
}

TEST(SeriesTable, TellsKeysApartByEachPart) {
  Table table(100);
  const SeriesKey kKeys[] = {{},
                             {.service = 1},
                             {.route = 1},
                             {.status = 1},
                             {.method = 1},
                             {.reason = 1},
                             {.protocol = 1},
                             {.scheme = 1},
                             {.verdict = 1}};
  for (const SeriesKey& key : kKeys) Table::add(table.find_or_add(key)[0], 1);
  size_t seen = 0;
  table.for_each([&](const SeriesKey&, const Table::Copy& values) {
    EXPECT_EQ(values[0], 1u);
    ++seen;
  });
  EXPECT_EQ(seen, std::size(kKeys));
}

TEST(SeriesTable, SharesOneSeriesBeyondTheBound) {
  Table table(10);
  for (uint32_t service = 0; service < 100; ++service)
    Table::add(table.find_or_add({.service = service})[0], 1);
  uint64_t kept = 0, overflow = 0, series = 0;
  table.for_each([&](const SeriesKey& key, const Table::Copy& values) {
    (key.overflow ? overflow : kept) += values[0];
    ++series;
  });
  EXPECT_EQ(series, 11u);
  EXPECT_EQ(kept, 10u);
  EXPECT_EQ(overflow, 90u);
  table.forget_service(3);
  Table::add(table.find_or_add({.service = 77})[0], 5);
  EXPECT_EQ(sums_by_service(table)[77], 5u) << "room again";
}

TEST(SeriesTable, ForgetsAServiceAndReusesItsRoom) {
  Table table(1000);
  for (int round = 0; round < 50; ++round) {
    auto gone = static_cast<uint32_t>(round);
    for (uint16_t status = 0; status < 100; ++status) {
      Table::add(table.find_or_add({.service = gone, .status = status})[0], 1);
      Table::add(table.find_or_add({.service = 999, .status = status})[0], 1);
    }
    table.forget_service(gone);
    auto sums = sums_by_service(table);
    ASSERT_EQ(sums.size(), 1u);
    ASSERT_EQ(sums[999], 100u * static_cast<uint64_t>(round + 1)) << "others are untouched";
  }
  Table::add(table.find_or_add({.service = 0})[0], 1);
  EXPECT_EQ(sums_by_service(table)[0], 1u) << "a new life begins at zero";
}

// The values say which key they belong to, so a reader that mixed two owners would notice.
TEST(SeriesTable, IsReadWhileItIsWritten) {
  Table table(256);
  std::atomic<bool> done = false;
  std::thread worker([&] {
    for (uint32_t i = 0; i < 40'000; ++i) {
      uint32_t service = i % 300;
      auto& values = table.find_or_add({.service = service, .status = static_cast<uint16_t>(i % 3)});
      Table::add(values[0], service + 1);
      Table::add(values[1], service + 1);
      if (i % 7 == 0) table.forget_service((i / 7) % 300);
    }
    done.store(true, std::memory_order_release);
  });
  bool mixed = false;
  while (!done.load(std::memory_order_acquire)) {
    table.for_each([&](const SeriesKey& key, const Table::Copy& values) {
      if (key.overflow) return;
      mixed = mixed || values[0] % (key.service + 1) != 0 || values[1] % (key.service + 1) != 0;
    });
  }
  worker.join();
  EXPECT_FALSE(mixed);
}

}  // namespace
}  // namespace telemetry
