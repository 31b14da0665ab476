// Whether a request made with a session may come from the page it comes from (docs/decisions/0013): a browser
// sends cookies along whoever's page asks, so a session alone does not say that its owner meant it. Asked by
// the stage "authorise" for every request that counts by its session; credentials that a page must add itself
// need no such check. Does not allocate.
#pragma once

#include <span>

#include "base/result.h"
#include "http/head.h"
#include "http/origin.h"
#include "websocket/origin.h"

namespace auth {

// A WebSocket's handshake is a GET, and yet opens a way to act.
enum class Asked : uint8_t { request, websocket };

struct CrossSiteCheck {
  http::Method method = http::Method::other;
  Asked asked = Asked::request;
  const http::Headers& headers;
  http::Origin own;  // of the address that was asked
  std::span<const websocket::OriginPattern> allowed;
};

// cross_site_refused unless the method is safe (RFC 9110 §9.2.1), the browser says that the page is of the
// same origin or that no page asks (Sec-Fetch-Site, W3C Fetch Metadata), or its Origin is allowed. The
// request's own Origin counts where Sec-Fetch-Site is not sent. Without either header it is refused.
base::Result<> check_cross_site(const CrossSiteCheck& check);

}  // namespace auth
