#include "http/origin.h"

#include "base/bytes.h"

namespace http {
namespace {

constexpr std::string_view kSeparator = "://";

bool is_scheme(std::string_view text) {  // RFC 3986 §3.1
  if (text.empty() || !base::is_alpha(text.front())) return false;
  for (char c : text) {
    if (!base::is_alpha(c) && !base::is_digit(c) && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

uint16_t default_port(std::string_view scheme) {
  if (base::equals_ignoring_case(scheme, "https") || base::equals_ignoring_case(scheme, "wss")) return 443;
  if (base::equals_ignoring_case(scheme, "http") || base::equals_ignoring_case(scheme, "ws")) return 80;
  return 0;
}

// A trailing dot makes another origin of a host (RFC 6454 §5 compares as written), yet parse_authority drops
// it.
bool has_trailing_dot(std::string_view authority) {
  return authority.ends_with('.') || authority.find(".:") != std::string_view::npos;
}

}  // namespace

std::optional<Origin> parse_origin(std::string_view text) {
  const size_t end = text.find(kSeparator);
  if (end == std::string_view::npos || !is_scheme(text.substr(0, end))) return std::nullopt;
  Origin origin{.scheme = text.substr(0, end), .host = {}};
  const std::string_view authority = text.substr(end + kSeparator.size());
  const auto parsed = parse_authority(authority);
  if (!parsed || has_trailing_dot(authority)) return std::nullopt;
  origin.host = parsed->host;
  origin.port = parsed->port != 0 ? parsed->port : default_port(origin.scheme);
  return origin;
}

bool is_same(const Origin& a, const Origin& b) {
  const auto port_of = [](const Origin& origin) {
    return origin.port != 0 ? origin.port : default_port(origin.scheme);
  };
  return port_of(a) == port_of(b) && base::equals_ignoring_case(a.scheme, b.scheme) &&
         base::equals_ignoring_case(a.host, b.host);
}

std::optional<Url> parse_url(std::string_view url, std::span<char> storage) {
  url = url.substr(0, url.find('#'));
  const size_t separator = url.find(kSeparator);
  if (separator == std::string_view::npos) return std::nullopt;
  const size_t end = std::min(url.find_first_of("/?", separator + kSeparator.size()), url.size());
  const auto origin = parse_origin(url.substr(0, end));
  if (!origin) return std::nullopt;
  if (!base::equals_ignoring_case(origin->scheme, "https") &&
      !base::equals_ignoring_case(origin->scheme, "http")) {
    return std::nullopt;
  }
  if (end == url.size()) return Url{.origin = *origin, .target = {.path = "/"}};
  const auto target = normalise_target(url.substr(end), storage);
  if (!target) return std::nullopt;
  return Url{.origin = *origin, .target = *target};
}

}  // namespace http
