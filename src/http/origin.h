// The front of a URL (scheme, host, port) in one form, so that what a client says of a request's address can
// be held against where it arrived: a DPoP proof's `htu`, a page's Origin. Pure; nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/target.h"

namespace http {

struct Origin {
  std::string_view scheme;  // "https" or "http"
  std::string_view host;    // lower case, IPv6 in brackets; empty: unknown, and equal to nothing
  uint16_t port = 0;        // 0: the scheme's own
};

// RFC 3986 §6.2.3: a port that is the scheme's own counts as none. authority is normalised already.
Origin make_origin(std::string_view scheme, const Authority& authority);

bool same_origin(const Origin& a, const Origin& b);

// "https://api.example:8443"
std::string origin_text(const Origin& origin);

struct Url {
  Origin origin;
  Target target;  // "/" where the URL has no path
};

// An absolute http or https URL, normalised as a request's own address is. A fragment is passed over. nullopt
// for everything else: other schemes, user information, what normalise_target() refuses. storage is at least
// as long as url; views point into either.
std::optional<Url> parse_url(std::string_view url, std::span<char> storage);

}  // namespace http
