#include "access/cross_site.h"

#include <gtest/gtest.h>

namespace auth {
namespace {

using base::Reason;
using http::HeaderId;
using http::Method;

const std::vector<websocket::OriginPattern>& allowed() {
  static const std::vector<websocket::OriginPattern> patterns = {
      *websocket::OriginPattern::parse("https://app.example"),
      *websocket::OriginPattern::parse("https://*.apps.example")};
  return patterns;
}

struct Case {
  std::vector<std::string_view> sites;
  std::vector<std::string_view> origins;
  bool passes;
};

Reason decide(const Case& c, Method method, Asked asked,
              http::Origin own = {.scheme = "https", .host = "shop.example"}) {
  http::Headers headers;
  headers.add({.name = "Referer", .value = "https://shop.example/"});
  for (std::string_view site : c.sites)
    headers.add({.name = "Sec-Fetch-Site", .value = site, .id = HeaderId::sec_fetch_site});
  for (std::string_view origin : c.origins)
    headers.add({.name = "Origin", .value = origin, .id = HeaderId::origin});
  const auto result = check_cross_site(
      {.method = method, .asked = asked, .headers = headers, .own = own, .allowed = allowed()});
  return result ? Reason::none : result.error().reason;
}

std::string text_of(const Case& c) {
  std::string text;
  for (std::string_view site : c.sites) text.append(site) += ' ';
  for (std::string_view origin : c.origins) text.append(origin) += ' ';
  return text;
}

TEST(CrossSite, OfUnsafeMethodsAndWebSockets) {
  const Case cases[] = {
      // What a browser says about the page.
      {{"same-origin"}, {"https://shop.example"}, true},
      {{"same-origin"}, {}, true},
      {{"same-origin"}, {"null"}, true},  // a page with `Referrer-Policy: no-referrer`
      {{"none"}, {}, true},
      {{"same-site"}, {}, false},
      {{"cross-site"}, {}, false},
      {{"same-site"}, {"https://www.shop.example"}, false},
      {{"cross-site"}, {"https://evil.example"}, false},
      {{"cross-site"}, {"null"}, false},
      // A redirect through another site: the browser names the page that began it.
      {{"cross-site"}, {"https://shop.example"}, false},
      {{"Same-Origin"}, {}, false},
      {{"same-origin, cross-site"}, {}, false},
      {{"something-new"}, {"https://shop.example"}, false},
      {{""}, {"https://shop.example"}, false},
      {{"same-origin", "same-origin"}, {"https://shop.example"}, false},
      {{"same-origin", "cross-site"}, {"https://app.example"}, false},
      // Origins that the service allows.
      {{"cross-site"}, {"https://app.example"}, true},
      {{"same-site"}, {"https://a.apps.example"}, true},
      {{}, {"https://app.example"}, true},
      {{}, {"https://a.apps.example:443"}, true},
      {{"cross-site"}, {"https://app.example", "https://app.example"}, false},
      {{}, {"https://app.example", "https://evil.example"}, false},
      // Older browsers: Origin alone.
      {{}, {"https://shop.example"}, true},
      {{}, {"https://Shop.Example:443"}, true},
      {{}, {"https://shop.example", "https://shop.example"}, false},
      {{}, {"http://shop.example"}, false},
      {{}, {"https://shop.example:8443"}, false},
      {{}, {"https://www.shop.example"}, false},
      {{}, {"https://shop.example.evil.example"}, false},
      {{}, {"https://shop.example."}, false},
      {{}, {"https://shop.example/"}, false},
      {{}, {"https://shop.example@evil.example"}, false},
      {{}, {"null"}, false},
      {{}, {""}, false},
      {{}, {"shop.example"}, false},
      // No browser, or one too old to tell.
      {{}, {}, false},
  };
  for (const Case& c : cases) {
    const Reason expected = c.passes ? Reason::none : Reason::cross_site_refused;
    for (Method method : {Method::post, Method::put, Method::patch, Method::delete_, Method::connect,
                          Method::trace, Method::other}) {
      EXPECT_EQ(decide(c, method, Asked::request), expected)
          << http::method_name(method) << " " << text_of(c);
    }
    for (Method method : {Method::get, Method::connect}) {
      EXPECT_EQ(decide(c, method, Asked::websocket), expected) << "WebSocket " << text_of(c);
    }
    for (Method method : {Method::get, Method::head, Method::options}) {
      EXPECT_EQ(decide(c, method, Asked::request), Reason::none)
          << http::method_name(method) << " " << text_of(c);
    }
  }
}

TEST(CrossSite, OwnOriginIsSchemeHostAndPort) {
  struct Own {
    http::Origin own;
    std::string_view origin;
    bool same;
  } const cases[] = {
      {{"http", "localhost", 8080}, "http://localhost:8080", true},
      {{"http", "localhost", 8080}, "http://localhost", false},
      {{"http", "localhost", 80}, "http://localhost", true},
      {{"http", "localhost", 0}, "http://localhost:80", true},
      {{"https", "localhost", 0}, "https://localhost:80", false},
      {{"https", "shop.example", 443}, "https://shop.example", true},
      {{"https", "[::1]", 8443}, "https://[::1]:8443", true},
      {{"https", "[::1]", 8443}, "https://[::2]:8443", false},
  };
  for (const Own& c : cases) {
    const Reason expected = c.same ? Reason::none : Reason::cross_site_refused;
    EXPECT_EQ(decide({{}, {c.origin}, {}}, Method::post, Asked::request, c.own), expected) << c.origin;
  }
}

}  // namespace
}  // namespace auth
