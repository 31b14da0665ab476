#include "telemetry/record.h"

namespace telemetry {

std::string_view phase_name(Phase phase) {
  static constexpr std::string_view kNames[kPhaseCount] = {
      "receive", "route", "authenticate", "authorise", "limit", "connect", "send", "wait", "relay", "done"};
  return kNames[static_cast<size_t>(phase)];
}

std::string_view verdict_name(Verdict verdict) {
  static constexpr std::string_view kNames[] = {"none", "allow", "deny"};
  return kNames[static_cast<size_t>(verdict)];
}

}  // namespace telemetry
