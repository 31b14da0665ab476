// SHA-1, for the WebSocket handshake alone: RFC 6455 §4.2.2 uses it as a fingerprint that shows the peer
// speaks the protocol, not for security. It is broken for anything else and must never sign or authenticate.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace crypto {

using Sha1 = std::array<uint8_t, 20>;

Sha1 sha1_for_websocket(std::string_view bytes);

}  // namespace crypto
