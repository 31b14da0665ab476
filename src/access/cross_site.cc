#include "access/cross_site.h"

namespace auth {
namespace {

using http::HeaderId;
using http::Method;

auto refuse(const char* detail) { return base::client_error(base::Reason::cross_site_refused, detail); }

// Changes nothing, and its answer cannot be read by the page of another origin.
bool is_harmless(const CrossSiteCheck& check) {
  return check.asked == Asked::request &&
         (check.method == Method::get || check.method == Method::head || check.method == Method::options);
}

}  // namespace

base::Result<> check_cross_site(const CrossSiteCheck& check) {
  if (is_harmless(check)) return {};
  const http::Header* site = check.headers.find(HeaderId::sec_fetch_site);
  if (check.headers.count(HeaderId::sec_fetch_site) > 1) return refuse("Sec-Fetch-Site was sent twice");
  if (site != nullptr && (site->value == "same-origin" || site->value == "none")) return {};
  const http::Header* header = check.headers.find(HeaderId::origin);
  if (header == nullptr) {
    return refuse(site == nullptr ? "neither Sec-Fetch-Site nor Origin says which page asks"
                                  : "a page of another origin asks, and Origin does not say which");
  }
  // Refused when it was sent twice, too.
  if (websocket::match_origin(check.headers, check.allowed) == websocket::OriginMatch::covered) return {};
  // Where both are sent, Sec-Fetch-Site knows of every redirect on the way, and Origin does not.
  const auto origin = http::parse_origin(header->value);
  const bool once = check.headers.count(HeaderId::origin) == 1;
  if (site == nullptr && once && origin && http::is_same(*origin, check.own)) return {};
  return refuse("a page of another origin asks");
}

}  // namespace auth
