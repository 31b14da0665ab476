#include "gate/decision.h"

#include "access/cross_site.h"
#include "base/ip.h"
#include "gate/page.h"
#include "websocket/handshake.h"

namespace gate {

using base::Reason;

namespace {

constexpr http::Method kEveryMethod[] = {http::Method::get,     http::Method::post,  http::Method::put,
                                         http::Method::delete_, http::Method::patch, http::Method::head,
                                         http::Method::options, http::Method::other};

}  // namespace

base::Result<> check_head(const http::RequestHead& head) {
  if (head.expectation_unknown) {
    return base::client_error(Reason::expectation_failed, "only the expectation 100-continue is known");
  }
  if (head.method == http::Method::trace) {
    // RFC 9110 §9.3.8: the backend would echo what the gate adds, the caller's assertion among it.
    return base::client_error(Reason::http_request_error, "TRACE is refused");
  }
  if (head.target == "*") {
    return base::client_error(Reason::no_route, "no service answers for the whole server");
  }
  if (!websocket::asks_for_websocket(head)) return {};
  return head.version == http::Version::http2 ? websocket::check_extended_connect(head.headers)
                                              : websocket::check_request(head);
}

base::Result<> check_origin(const Service& service, const http::RequestHead& head) {
  const auto& origins = service.websocket.origins;
  if (origins.empty() || !websocket::asks_for_websocket(head)) return {};
  switch (websocket::match_origin(head.headers, origins)) {
    case websocket::OriginMatch::covered:
      return {};
    case websocket::OriginMatch::absent:
      return base::client_error(Reason::origin_refused, "the WebSocket's handshake names no Origin");
    case websocket::OriginMatch::foreign:
      return base::client_error(Reason::origin_refused,
                                "pages of this Origin may not open a WebSocket to the service");
  }
  return base::gate_error(Reason::proxy_internal_error, "an Origin that is nothing");
}

base::Result<> check_session_use(const Service& service, const http::RequestHead& head,
                                 const http::Origin& own) {
  bool websocket = websocket::asks_for_websocket(head);
  if (websocket && !service.websocket.origins.empty()) return check_origin(service, head);
  if (service.csrf.cross_site == CrossSite::allowed) return {};
  return auth::check_cross_site({.method = head.method,
                                 .asked = websocket ? auth::Asked::websocket : auth::Asked::request,
                                 .headers = head.headers,
                                 .own = own,
                                 .allowed = service.csrf.origins});
}

bool leads_to_login(const Service& service, const http::RequestHead& head, base::Reason reason) {
  bool mends = reason == Reason::credential_missing || reason == Reason::session_ended ||
               reason == Reason::session_invalid || reason == Reason::step_up_required;
  if (!mends || service.login_providers.empty() || !is_navigation(head) || head.upgrade) return false;
  // What a page frames is not sent anywhere.
  const http::Header* destination = head.headers.find("sec-fetch-dest");
  return destination == nullptr || destination->value == "document";
}

bool cookies_can_be_kept(std::string_view scheme, std::string_view host) {
  if (scheme == "https" || host == "localhost" || host.ends_with(".localhost") || host == "[::1]")
    return true;
  auto ip = base::parse_ip(host);
  return ip && !ip->v6 && ip->bytes[0] == 127;
}

base::Error no_route_to(const http::Target& target) {
  // What no service has opted in to is refused as such, not looked for.
  if (target.has_encoded_slash || target.has_parameters) {
    return base::client_error(Reason::path_refused, "the path has an encoded slash or a parameter behind ';'")
        .error();
  }
  return base::client_error(Reason::no_route, "no service is at this address").error();
}

std::string_view described_path(const http::Target& target) {
  return target.path.substr(auth::kResourceMetadataPath.size());
}

const Service* find_described(const Snapshot& snapshot, const http::RequestHead& head, std::string_view host,
                              const http::Target& target) {
  if (!target.path.starts_with(auth::kResourceMetadataPath)) return nullptr;
  if (head.method != http::Method::get && head.method != http::Method::head) return nullptr;
  std::string_view path = described_path(target);
  if (path.empty()) path = "/";
  if (path.front() != '/') return nullptr;
  routing::Request asked{.host = host, .path = target.path, .method = head.method, .headers = &head.headers};
  const routing::Route* own = snapshot.routes.lookup(asked);
  if (own != nullptr && own->pattern.starts_with("/.well-known")) return nullptr;
  // A service that takes other methods alone is described as well.
  asked.path = path;
  for (http::Method method : kEveryMethod) {
    asked.method = method;
    const routing::Route* route = snapshot.routes.lookup(asked);
    if (route == nullptr) continue;
    const Service* service = snapshot.services[route->service].get();
    bool told = service->tokens && !service->tokens->issuers.empty() && check_path_choices(*service, target);
    return told ? service : nullptr;
  }
  return nullptr;
}

base::Result<> check_head_bytes(const Service& service, uint64_t bytes) {
  if (bytes <= service.head_bytes_max) return {};
  return base::client_error(Reason::request_head_too_large, "the head is larger than the service's limit");
}

base::Result<> check_announced_body(const Service& service, const http::BodyLength& body) {
  if (service.body_bytes_max && body.kind == http::BodyLength::Kind::sized &&
      body.bytes > *service.body_bytes_max) {
    return base::client_error(Reason::request_body_too_large, "the body is larger than the service's limit");
  }
  return {};
}

base::Result<> check_path_choices(const Service& service, const http::Target& target) {
  if (target.has_encoded_slash && !service.accepts_encoded_slash) {
    return base::client_error(Reason::path_refused, "the path has an encoded slash");
  }
  if (target.has_parameters && !service.accepts_parameters) {
    return base::client_error(Reason::path_refused, "the path has a parameter behind ';'");
  }
  return {};
}

std::string_view strip_prefix(std::string_view path, std::string_view prefix) {
  if (prefix.empty() || !path.starts_with(prefix)) return path;
  std::string_view rest = path.substr(prefix.size());
  if (rest.empty()) return "/";
  return rest.front() == '/' ? rest : path;
}

base::Error denial_of(const auth::Verdict& verdict) {
  base::Error error{
      .reason = verdict.reason, .side = base::Side::client, .retry = base::Retry::never, .detail = ""};
  switch (verdict.reason) {
    case Reason::credential_missing:
      error.detail = "this call needs a credential";
      break;
    case Reason::scope_insufficient:
      error.detail = "the credential lacks a scope that this call needs";
      break;
    case Reason::step_up_required:
      error.detail = "this call needs a stronger or more recent login";
      break;
    default:
      error.reason = Reason::rule_denied;
      error.detail = verdict.rule != nullptr ? "a rule denies this call" : "no rule allows this call";
  }
  return error;
}

std::string_view place_of(const Snapshot& snapshot, const Service& service, const auth::Rule& rule) {
  const auto& own = service.rules->rules();
  bool of_service = !own.empty() && &rule >= own.data() && &rule < own.data() + own.size();
  return of_service ? service.rule_places[rule.index()] : snapshot.gate_rule_places[rule.index()];
}

}  // namespace gate
