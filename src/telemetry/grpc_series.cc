#include "telemetry/grpc_series.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace telemetry {
namespace {

// A name that may stand in a label as it is: "package.Service/Method".
bool is_method_name(std::string_view name) {
  const size_t slash = name.find('/');
  return slash != 0 && slash != name.npos && slash + 1 < name.size() &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7F; }) &&
         name.find('/', slash + 1) == name.npos;
}

}  // namespace

// What of the hash finds no room in the key is made up for by comparing the name itself.
SeriesKey GrpcSeries::key_of(uint32_t service, std::string_view name) {
  const uint64_t hash = base::hash_bytes(name);
  return {.service = service,
          .route = static_cast<uint32_t>(hash),
          .status = static_cast<uint16_t>(hash >> 32),
          .method = kNamed};
}

bool GrpcSeries::holds_name(const Table::Values& values, std::string_view name) {
  std::array<char, kNameBytesMax> held;
  for (size_t i = 0; i < kNameWords; ++i) {
    const uint64_t word = values[i].load(std::memory_order_relaxed);
    std::memcpy(&held[i * sizeof word], &word, sizeof word);
  }
  return std::string_view(held.data(), strnlen(held.data(), held.size())) == name;
}

// Backwards: a reader who sees the first word sees all of them.
void GrpcSeries::write_name(Table::Values& values, std::string_view name) {
  std::array<char, kNameBytesMax> padded{};
  name.copy(padded.data(), padded.size());
  for (size_t i = kNameWords; i-- > 0;) {
    uint64_t word;
    std::memcpy(&word, &padded[i * sizeof word], sizeof word);
    values[i].store(word, std::memory_order_release);
  }
}

std::string_view GrpcSeries::read_name(const Table::Copy& values, std::span<char, kNameBytesMax> into) {
  std::memcpy(into.data(), values.data(), into.size());
  return {into.data(), strnlen(into.data(), into.size())};
}

// Null: the call is one of the others.
auto GrpcSeries::find_named(const ExchangeRecord& record) -> Table::Values* {
  const std::string_view name = record.grpc_method;
  if (record.service == kNoService || name.size() > kNameBytesMax) return nullptr;
  const SeriesKey key = key_of(record.service, name);
  if (Table::Values* found = table_.find(key)) return holds_name(*found, name) ? found : nullptr;
  if (record.grpc_said_by != GrpcSaidBy::backend || *record.grpc_status == http::GrpcStatus::unimplemented ||
      !is_method_name(name)) {
    return nullptr;
  }
  if (record.service >= methods_.size()) methods_.resize(record.service + 1);
  if (methods_[record.service] >= kGrpcMethodsMax) return nullptr;
  Table::Values& values = table_.find_or_add(key);
  if (table_.find(key) == nullptr) return &values;  // what all services share beyond the bound
  ++methods_[record.service];
  write_name(values, name);
  return &values;
}

void GrpcSeries::count(const ExchangeRecord& record) {
  Table::Values* values = find_named(record);
  if (values == nullptr) values = &table_.find_or_add({.service = record.service, .route = kNoRoute});
  Table::add((*values)[kNameWords + static_cast<size_t>(*record.grpc_status)], 1);
}

void GrpcSeries::forget_service(uint32_t service) {
  table_.forget_service(service);
  if (service < methods_.size()) methods_[service] = 0;
}

}  // namespace telemetry
