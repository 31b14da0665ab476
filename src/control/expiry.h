// When the certificates that listeners show expire, told before it hurts: as a metric, in the status and,
// from three weeks ahead, in the operational log. Called by the Server; looks at no file.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/listeners.h"

namespace control {

// gatehouse_certificate_expiry_timestamp_seconds{listener,name}; empty when no listener speaks TLS.
std::string format_expiry_metrics(std::span<const CompiledListenerPtr> listeners);

// [{"listener","name","file","expires"}]
std::string format_certificates(std::span<const CompiledListenerPtr> listeners);

// A sentence for each that has expired or will within kExpirySoon.
std::vector<std::string> expiry_warnings(std::span<const CompiledListenerPtr> listeners, base::WallTime now);

}  // namespace control
