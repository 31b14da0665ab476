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
  bool has_parameters = false;     // ';'
};

// storage holds the path when it differs from what was sent; it must be at least as long as target.
// Views in the result point into target or storage. path_refused for: NUL and other control characters, '#',
// backslash raw or encoded, encoded dots that would form a dot segment, an encoded '%', broken escapes, bytes
// above 0x7E, climbing above the root.
base::Result<Target> normalise_target(std::string_view target, std::span<char> storage);

struct Authority {
  std::string_view host;  // lower case, without port, IPv6 in brackets; one trailing dot removed
  uint16_t port = 0;      // 0 when absent
};

// RFC 3986 §3.2.2 reg-name or IP literal, no user info. storage as above.
base::Result<Authority> normalise_authority(std::string_view authority, std::span<char> storage);

}  // namespace http
