// The one thing of a ClientHello that the gate reads itself: the server name, wanted before libssl looks at
// it, since the certificate and what a ticket is bound to depend on it. Pure; no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tls {

inline constexpr size_t kServerNameMax = 253;  // RFC 1035 §2.3.4, as text

// extension: the body of server_name (RFC 6066 §3). nullopt: malformed, or not a host name. The name is as
// sent, without a final dot.
std::optional<std::string_view> parse_server_name(std::span<const uint8_t> extension);

}  // namespace tls
