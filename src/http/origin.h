// The front of a URL (scheme, host, port; RFC 6454 §4), so that what a client says of an address can be held
// against where its request arrived: a page's Origin, a DPoP proof's `htu`. Pure; nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "http/target.h"

namespace http {

// Host as written, IPv6 in brackets.
struct Origin {
  std::string_view scheme;
  std::string_view host;
  uint16_t port = 0;  // the scheme's own where none is written; 0: the scheme has none
};

// "https://api.example:8443", as a browser sends it. nullopt for "null", which any sandboxed page can send,
// and for what is no origin.
std::optional<Origin> parse_origin(std::string_view text);
// RFC 6454 §5, ignoring case; a port of 0 is the scheme's own.
bool is_same(const Origin& a, const Origin& b);

struct Url {
  Origin origin;
  Target target;  // "/" where the URL has no path
};

// An absolute http or https URL with its path normalised as a request's own is. A fragment is passed over.
// nullopt for everything else: other schemes, user information, what normalise_target() refuses. storage is
// at least as long as url; views point into either.
std::optional<Url> parse_url(std::string_view url, std::span<char> storage);

}  // namespace http
