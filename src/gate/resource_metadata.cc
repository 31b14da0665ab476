// What OAuth clients are told of a service before they have a token for it (RFC 9728): the document, on every
// host at the well-known path with the service's inserted, and where a challenge points to it.
#include "gate/decision.h"
#include "gate/exchange.h"
#include "tls/server_context.h"

namespace gate {

// The resource is named by the URL that the client used (RFC 9728 §3.3), so that one document does not pass
// for another's.
io::Task<Exchange::Result> Exchange::answer_resource_metadata(const Service& service) {
  record_.route_pattern = auth::kResourceMetadataPath;
  SeenOrigin seen = seen_origin();
  std::string resource(seen.scheme);
  resource.append("://").append(seen.authority).append(described_path(target_));
  if (target_.has_query) resource.append("?").append(target_.query);
  const tls::ServerContext* tls = snapshot_->listeners[context_.listener].tls.get();
  bool asks = tls != nullptr && tls->client_authorities() != nullptr;
  auth::ResourceDocument document{.resource = resource, .name = service.name};
  if (asks) document.certificates = auth::ClientCertificates::asked_for;
  headers_out_.clear();
  add_header("Cache-Control", "public, max-age=60");
  // Public by its nature, and read by pages of other origins before they have anything to show.
  add_header("Access-Control-Allow-Origin", "*");
  std::string body = auth::resource_document(*service.tokens, document);
  co_return co_await send_text(200, "application/json", body);
}

// Without the query, which may hold what should not stand in more places than it does. Empty: the service has
// no document, or the client named no usable host.
std::string Exchange::resource_metadata_url() const {
  if (service_ == nullptr || !service_->tokens || service_->tokens->issuers.empty()) return {};
  SeenOrigin seen = seen_origin();
  std::string url(seen.scheme);
  url.append("://").append(seen.authority);
  if (!http::parse_origin(url)) return {};
  return url.append(auth::kResourceMetadataPath).append(target_.path);
}

}  // namespace gate
