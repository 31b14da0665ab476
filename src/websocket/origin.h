// Which web pages may open a WebSocket to a service: browsers send a page's cookies along wherever it
// connects, and the Origin header (RFC 6454 §7) is all that tells one page from another. config/ parses the
// patterns of `websocket.origins`, the gate asks at the handshake. Matching does not allocate.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "http/head.h"

namespace websocket {

// "https://app.example.com", "http://localhost:3000", or "https://*.example.com" for every host with one or
// more labels in front of example.com, never example.com itself. Scheme and port are exact; a port that is
// the scheme's own counts as none. Case is ignored.
class OriginPattern {
 public:
  // The error is a sentence for the user ("an origin begins with its scheme, as in https://app.example.com").
  static std::expected<OriginPattern, std::string> parse(std::string_view text);

  // origin as a browser sends it. False for "null" and for what is no origin.
  bool covers(std::string_view origin) const;

  const std::string& text() const { return text_; }  // in lower case

 private:
  std::string text_;
  std::string scheme_;
  std::string host_;  // without "*."
  uint16_t port_ = 0;
  bool wildcard_ = false;
};

enum class OriginMatch : uint8_t {
  absent,   // not sent: no browser's request
  covered,  // by a pattern
  foreign,  // by none, or sent more than once
};

OriginMatch match_origin(const http::Headers& headers, std::span<const OriginPattern> patterns);

}  // namespace websocket
