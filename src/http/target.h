// The request target, normalised once (RFC 3986 §6.2.2, made strict). The path made here is the path that is
// matched, decided on, logged and forwarded; nobody normalises again.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace http {

struct Target {
  std::string_view path;   // begins with '/', no empty, "." or ".." segments; only unreserved were decoded
  std::string_view query;  // without '?', as sent; empty when absent
  bool has_query = false;
  // Constructs that only some services accept. They stand in path as written; the gate refuses the request
  // after routing unless the service's `paths:` opted in.
  bool has_encoded_slash = false;  // %2F
  bool has_parameters = false;     // ';', also as %3B: some backends decode before they cut parameters off
};

// storage holds the path when it differs from what was sent; it must be at least as long as target.
// Views in the result point into target or storage. path_refused for: NUL and other control characters, '#'
// and backslash, raw or encoded; raw bytes outside 0x21..0x7E; dot segments that came out of encoding or that
// a laxer reader would see behind ';' or %2F; an encoded '%', which a second decoding would turn into another
// path; overlong UTF-8; broken escapes; climbing above the root.
base::Result<Target> normalise_target(std::string_view target, std::span<char> storage);

struct Authority {
  std::string_view host;  // without port, IPv6 in brackets; one trailing dot removed
  uint16_t port = 0;      // 0 when absent
};

// RFC 3986 §3.2.2, narrowed to what names a host in practice: letters, digits, '-', '_' and '.', or an IPv6
// address in brackets; no user info, no escapes, no empty port. http_request_error otherwise.
// The host is as sent; views point into authority.
base::Result<Authority> parse_authority(std::string_view authority);

// The same with the host in lower case. storage as above.
base::Result<Authority> normalise_authority(std::string_view authority, std::span<char> storage);

}  // namespace http
