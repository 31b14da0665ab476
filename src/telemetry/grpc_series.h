// gRPC calls counted by service, method and status, beside what metrics.h counts of every exchange. Clients
// choose what method they name, so a name gets a series of its own only once a backend has answered it with
// something other than UNIMPLEMENTED; all other calls of a service are counted together. The name lies in the
// series itself: readers get both or neither, and it goes with the service. One writer, any number of
// readers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "http/grpc.h"
#include "telemetry/record.h"
#include "telemetry/series_table.h"

namespace telemetry {

// Of one service, in one worker.
inline constexpr uint8_t kGrpcMethodsMax = 200;
inline constexpr std::string_view kOtherGrpcMethod = "_other";

class GrpcSeries {
 public:
  // Longer names are counted with the others.
  static constexpr size_t kNameBytesMax = 128;
  using Counts = std::array<uint64_t, http::kGrpcStatusCount>;
  struct Method {
    uint32_t service;
    uint8_t overflow;
    std::string_view name;  // for the time of the visit
  };

  explicit GrpcSeries(uint32_t series_max) : table_(series_max) {}

  // The worker only.
  void count(const ExchangeRecord& record);  // one that has a grpc_status
  void forget_service(uint32_t service);

  // Any thread: calls visit(const Method&, const Counts&) for each series.
  template <class Visit>
  void for_each(Visit visit) const {
    table_.for_each([&](const SeriesKey& key, const Table::Copy& values) {
      std::array<char, kNameBytesMax> name;
      std::string_view text = key.method == kNamed ? read_name(values, name) : kOtherGrpcMethod;
      if (text.empty()) return;  // just being made
      Counts counts;
      for (size_t i = 0; i < counts.size(); ++i) counts[i] = values[kNameWords + i];
      visit(Method{.service = key.service, .overflow = key.overflow, .name = text}, counts);
    });
  }

 private:
  static constexpr size_t kNameWords = kNameBytesMax / sizeof(uint64_t);
  static constexpr uint8_t kNamed = 1;  // SeriesKey::method of a series that has a name
  using Table = SeriesTable<kNameWords + http::kGrpcStatusCount>;

  static SeriesKey key_of(uint32_t service, std::string_view name);
  static bool holds_name(const Table::Values& values, std::string_view name);
  static void write_name(Table::Values& values, std::string_view name);
  static std::string_view read_name(const Table::Copy& values, std::span<char, kNameBytesMax> into);

  Table::Values* find_named(const ExchangeRecord& record);

  Table table_;
  std::vector<uint8_t> methods_;  // how many names a service has, by its number
};

}  // namespace telemetry
