#include "http/origin.h"

#include "base/bytes.h"

namespace http {

Origin make_origin(std::string_view scheme, const Authority& authority) {
  uint16_t own = scheme == "https" ? 443 : 80;
  return {
      .scheme = scheme, .host = authority.host, .port = authority.port == own ? uint16_t{0} : authority.port};
}

bool same_origin(const Origin& a, const Origin& b) {
  return !a.host.empty() && a.host == b.host && a.scheme == b.scheme && a.port == b.port;
}

std::string origin_text(const Origin& origin) {
  std::string text(origin.scheme);
  text.append("://").append(origin.host);
  if (origin.port != 0) text.append(":").append(std::to_string(origin.port));
  return text;
}

std::optional<Url> parse_url(std::string_view url, std::span<char> storage) {
  url = url.substr(0, url.find('#'));
  size_t scheme_end = url.find("://");
  if (scheme_end == url.npos) return std::nullopt;
  std::string_view scheme = url.substr(0, scheme_end);
  if (base::equals_ignoring_case(scheme, "https")) {
    scheme = "https";
  } else if (base::equals_ignoring_case(scheme, "http")) {
    scheme = "http";
  } else {
    return std::nullopt;
  }
  std::string_view rest = url.substr(scheme_end + 3);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  std::string_view target = rest.substr(authority.size());
  if (storage.size() < rest.size()) return std::nullopt;
  auto where = normalise_authority(authority, storage.first(authority.size()));
  if (!where) return std::nullopt;
  Url out{.origin = make_origin(scheme, *where), .target = {.path = "/"}};
  if (target.empty()) return out;
  auto path = normalise_target(target, storage.subspan(authority.size()));
  if (!path) return std::nullopt;
  out.target = *path;
  return out;
}

}  // namespace http
