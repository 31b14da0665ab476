// All workers' counters merged, in the Prometheus text format 0.0.4. Called by the admin listener at a
// scrape, on the control thread, while the workers go on counting. The only place where label numbers become
// text. A series whose service has no name (any more) is not shown.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "telemetry/metrics.h"

namespace telemetry {

struct LabelTexts {
  std::span<const std::string_view> services;   // by service number; empty text: gone
  std::span<const std::string_view> routes;     // by RouteSpec::label
  std::span<const std::string_view> listeners;  // by listener number
};

struct GateState {
  std::string_view version;
  std::string_view revision;
  uint64_t generation = 0;
  bool last_reload_successful = true;
  base::WallTime last_reload_success{};
  uint64_t services = 0;
  uint64_t services_broken = 0;
};

inline constexpr std::string_view kExpositionContentType = "text/plain; version=0.0.4; charset=utf-8";

std::string format_exposition(std::span<const WorkerMetrics* const> workers, const LabelTexts& texts,
                              const GateState& state);

}  // namespace telemetry
