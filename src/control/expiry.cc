#include "control/expiry.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "telemetry/metrics_text.h"
#include "tls/server_context.h"

namespace control {
namespace {

constexpr int64_t kDaySeconds = 24 * 3600;

std::string counted_days(int64_t days) { return fmt::format("{} day{}", days, days == 1 ? "" : "s"); }

template <class Visit>
void for_each_certificate(std::span<const CompiledListenerPtr> listeners, Visit visit) {
  for (const CompiledListenerPtr& listener : listeners) {
    if (listener == nullptr) continue;
    for (const ListenerCertificate& certificate : listener->certificates) visit(*listener, certificate);
  }
}

}  // namespace

std::string format_expiry_metrics(std::span<const CompiledListenerPtr> listeners) {
  // Two keys for one name are one series: whichever ends first.
  std::map<std::pair<std::string_view, std::string_view>, int64_t> first;
  for_each_certificate(listeners, [&](const CompiledListener& listener, const ListenerCertificate& own) {
    int64_t seconds = own.not_after.unix_seconds();
    auto [at, is_new] = first.try_emplace({listener.name, own.name}, seconds);
    if (!is_new) at->second = std::min(at->second, seconds);
  });
  if (first.empty()) return {};
  telemetry::MetricsText text;
  text.begin_gauge("gatehouse_certificate_expiry_timestamp_seconds",
                   "When a certificate that a listener shows expires.");
  for (const auto& [labels, seconds] : first) {
    text.sample(telemetry::Labels().add("listener", labels.first).add("name", labels.second), seconds);
  }
  return text.take();
}

std::string format_certificates(std::span<const CompiledListenerPtr> listeners) {
  std::string out = "[";
  for_each_certificate(listeners, [&](const CompiledListener& listener, const ListenerCertificate& own) {
    if (out.size() > 1) out += ',';
    out +=
        fmt::format(R"({{"listener":{},"name":{},"file":{},"expires":{}}})", base::json_quoted(listener.name),
                    base::json_quoted(own.name), base::json_quoted(own.file),
                    base::json_quoted(base::format_rfc3339(own.not_after.ns)));
  });
  return out + "]";
}

std::vector<std::string> expiry_warnings(std::span<const CompiledListenerPtr> listeners, base::WallTime now) {
  std::vector<std::string> warnings;
  for_each_certificate(listeners, [&](const CompiledListener& listener, const ListenerCertificate& own) {
    int64_t left_ns = own.not_after.ns - now.ns;
    if (left_ns >= tls::kExpirySoon.ns) return;
    int64_t left = own.not_after.unix_seconds() - now.unix_seconds();
    std::string when = left > 0 ? "expires in " + counted_days(left / kDaySeconds)
                                : "expired " + counted_days(-left / kDaySeconds) + " ago";
    warnings.push_back(fmt::format("listener {}: the certificate {} for {} {}", listener.name,
                                   own.file.empty() ? "of a variable" : own.file, own.name, when));
  });
  return warnings;
}

}  // namespace control
