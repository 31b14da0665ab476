// What an issuer says of itself: its discovery document, read strictly.
#include "access/oidc.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/digest.h"

namespace auth {
namespace {

constexpr JsonLimits kLimits{.bytes = kMetadataBytesMax, .depth = 8, .values = 4096};
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttp = "http://";

// A URL that a browser may be sent to and a call may be made to. In clear text only where the issuer itself
// is, as on a laptop: else whoever is on the way could make the metadata's promise of TLS worthless.
bool is_endpoint(std::string_view url, std::string_view issuer) {
  bool secure = url.starts_with(kHttps);
  if (!secure && !(url.starts_with(kHttp) && issuer.starts_with(kHttp))) return false;
  std::string_view rest = url.substr(secure ? kHttps.size() : kHttp.size());
  std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  auto is_plain = [](char c) {
    return c > 0x20 && c < 0x7F && std::string_view("\"#<>\\^`{|}").find(c) == std::string_view::npos;
  };
  return !authority.empty() && authority.find('@') == authority.npos &&
         std::all_of(url.begin(), url.end(), is_plain);
}

bool lists(JsonValue list, std::string_view text) { return list.is(JsonKind::array) && list.holds(text); }

}  // namespace

std::expected<IssuerMetadata, std::string> parse_issuer_metadata(std::string_view json,
                                                                 std::string_view issuer) {
  auto tree = parse_json(json, kLimits);
  if (!tree) return std::unexpected(std::string("the discovery document cannot be read: ") + tree.error());
  JsonValue root = tree->root();
  if (!root.is(JsonKind::object)) return std::unexpected("the discovery document is not a JSON object");
  // RFC 8414 §3.3, OpenID Connect Discovery §4.3: identical, or it is somebody else's document.
  JsonValue name = root.member("issuer");
  if (!name.is(JsonKind::string) || name.text() != issuer) {
    // Ends in a log: quoted, and no longer than it may be.
    constexpr size_t kShownBytesMax = 200;
    return std::unexpected("the discovery document is of the issuer " +
                           base::json_quoted(name.text().substr(0, kShownBytesMax)) + ", not of " +
                           base::json_quoted(issuer));
  }
  IssuerMetadata out;
  out.issuer = issuer;
  enum class Need : uint8_t { required, optional };
  const struct {
    std::string_view name;
    std::string& url;
    Need need;
  } endpoints[] = {
      {"authorization_endpoint", out.authorization_endpoint, Need::required},
      {"token_endpoint", out.token_endpoint, Need::required},
      {"jwks_uri", out.jwks_uri, Need::required},
      {"userinfo_endpoint", out.userinfo_endpoint, Need::optional},
      {"end_session_endpoint", out.end_session_endpoint, Need::optional},
      {"revocation_endpoint", out.revocation_endpoint, Need::optional},
  };
  for (const auto& endpoint : endpoints) {
    JsonValue url = root.member(endpoint.name);
    if (endpoint.need == Need::optional && (!url || url.is(JsonKind::null))) continue;
    if (!url.is(JsonKind::string) || !is_endpoint(url.text(), issuer)) {
      return std::unexpected("the discovery document's `" + std::string(endpoint.name) +
                             "` is not an https:// URL");
    }
    endpoint.url = url.text();
  }
  JsonValue says_iss = root.member("authorization_response_iss_parameter_supported");
  out.says_iss = says_iss.is(JsonKind::boolean) && says_iss.text() == "true";
  out.offers_offline_access = lists(root.member("scopes_supported"), "offline_access");
  return out;
}

std::string name_registration(const OidcSpec& spec) {
  constexpr size_t kSize = 22;  // of 43: 132 bits
  std::string length = std::to_string(spec.issuer.size());
  crypto::Sha256 digest = crypto::sha256({length, ":", spec.issuer, spec.client.id});
  return base::base64url_encode(crypto::as_text(digest)).substr(0, kSize);
}

std::string discovery_url(std::string_view issuer) {
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  return std::string(issuer) + "/.well-known/openid-configuration";
}

}  // namespace auth
