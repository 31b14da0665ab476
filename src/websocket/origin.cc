#include "websocket/origin.h"

#include "base/bytes.h"
#include "http/origin.h"

namespace websocket {
namespace {

constexpr std::string_view kSeparator = "://";

}  // namespace

std::expected<OriginPattern, std::string> OriginPattern::parse(std::string_view text) {
  const auto wrong = [](const char* why) { return std::unexpected<std::string>(why); };
  OriginPattern pattern;
  pattern.text_ = base::lowercase(text);
  if (pattern.text_ == "null") return wrong("null is no origin: any sandboxed page sends it");
  const size_t separator = pattern.text_.find(kSeparator);
  if (separator == std::string::npos) {
    return wrong("an origin begins with its scheme, as in https://app.example.com");
  }
  std::string plain = pattern.text_;
  const size_t host_at = separator + kSeparator.size();
  pattern.wildcard_ = std::string_view(plain).substr(host_at).starts_with("*.");
  if (pattern.wildcard_) plain.erase(host_at, 2);
  if (plain.find('*') != std::string::npos) {
    return wrong("'*' stands only for whole labels at the left of the host, as in https://*.example.com");
  }
  if (plain.find('/', host_at) != std::string::npos)
    return wrong("an origin has no path, nor a '/' at its end");
  const auto origin = http::parse_origin(plain);
  if (!origin)
    return wrong("an origin is scheme://host or scheme://host:port, as in https://app.example.com");
  pattern.scheme_ = origin->scheme;
  pattern.host_ = origin->host;
  pattern.port_ = origin->port;
  return pattern;
}

bool OriginPattern::covers(std::string_view text) const {
  const auto origin = http::parse_origin(text);
  if (!origin || origin->port != port_ || !base::equals_ignoring_case(origin->scheme, scheme_)) return false;
  if (!wildcard_) return base::equals_ignoring_case(origin->host, host_);
  // At least one character and the dot stand in front of the name.
  const std::string_view host = origin->host;
  if (host.size() < host_.size() + 2) return false;
  const size_t at = host.size() - host_.size();
  return host[at - 1] == '.' && base::equals_ignoring_case(host.substr(at), host_);
}

OriginMatch match_origin(const http::Headers& headers, std::span<const OriginPattern> patterns) {
  const http::Header* only = headers.find(http::HeaderId::origin);
  if (only == nullptr) return OriginMatch::absent;
  if (headers.count(http::HeaderId::origin) > 1) return OriginMatch::foreign;
  for (const OriginPattern& pattern : patterns) {
    if (pattern.covers(only->value)) return OriginMatch::covered;
  }
  return OriginMatch::foreign;
}

}  // namespace websocket
