// The opening handshake of a WebSocket (RFC 6455 §4) as far as the gate takes part: what a client asks and a
// backend answers is checked, and where the two speak different HTTP versions the gate makes the half that is
// missing. Extensions and subprotocols are agreed between client and backend; the gate passes them on unread.
#pragma once

#include <array>
#include <string_view>

#include "base/result.h"
#include "crypto/random.h"
#include "http/head.h"

namespace websocket {

// Characters of base64; view with as_text().
using Key = std::array<char, 24>;
using Accept = std::array<char, 28>;

template <size_t N>
std::string_view as_text(const std::array<char, N>& characters) {
  return {characters.data(), N};
}

Key make_key(crypto::RandomSource& random);  // §4.1 (7): 16 random bytes
Accept make_accept(std::string_view key);    // §4.2.2 (5.4)

// True when the request asks for a WebSocket at all: over HTTP/1.1 an Upgrade header that says so. Only then
// is check_request() for it.
bool asks_for_websocket(const http::RequestHead& head);

// An HTTP/1.1 request (§4.2.1): GET without a body, Connection and Upgrade, a key of 16 bytes, version 13.
// http_request_error or websocket_version_refused (§4.2.2 (4)), side client.
base::Result<> check_request(const http::RequestHead& head);
// The headers of an extended CONNECT (RFC 8441 §5), which has neither key nor Upgrade.
base::Result<> check_extended_connect(const http::Headers& headers);

// A backend's 101 to the request that was sent it with key (§4.1, the server's answer).
// http_upgrade_failed, side backend.
base::Result<> check_response(const http::ResponseHead& head, std::string_view key);

}  // namespace websocket
