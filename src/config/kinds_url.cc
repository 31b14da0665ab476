// URLs: those the gate calls itself, and those that only name something.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/ip.h"
#include "config/kinds.h"

namespace config {
namespace {

constexpr size_t kUrlBytesMax = 2048;
constexpr std::string_view kDiscoveryPath = "/.well-known/openid-configuration";

bool is_url_text(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '\\'; });
}

bool is_loopback(std::string_view host) {
  std::string lower = base::lowercase(host);
  if (lower == "localhost" || lower.ends_with(".localhost")) return true;  // RFC 6761 §6.3
  if (lower == "[::1]") return true;
  auto ip = base::parse_ip(lower);
  return ip && base::contains(*base::parse_network("127.0.0.0/8"), *ip);
}

// The host of host, host:port, [ipv6] or [ipv6]:port; empty when it is none of them.
std::string_view parse_authority(std::string_view authority) {
  bool bracketed = authority.starts_with('[');
  size_t end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == authority.npos) return {};
  std::string_view host = authority.substr(0, bracketed ? end + 1 : end);
  std::string_view port = authority.substr(host.size());
  if (!port.empty()) {
    auto number = base::parse_unsigned(port.substr(1));
    if (port[0] != ':' || !number || *number == 0 || *number > 65535) return {};
  }
  bool valid = bracketed ? base::parse_ip(host.substr(1, host.size() - 2)).has_value() : is_host_name(host);
  return valid ? host : std::string_view();
}

// Reports what is no such URL; noun: "the URL of an issuer".
std::optional<WebUrl> read_guarded_url(Decoder& decoder, const Node& node, std::string_view noun) {
  auto text = read_text(decoder, node, noun);
  if (!text) return std::nullopt;
  auto url = parse_web_url(*text);
  if (!url) {
    bool lacks_scheme = text->find("://") == text->npos && parse_web_url(fmt::format("https://{}", *text));
    decoder.error(
        node, fmt::format("{} is not {}", decoder.quoted(node), noun),
        lacks_scheme ? fmt::format("did you mean `https://{}`?", *text) : "write `https://host/path`");
    return std::nullopt;
  }
  if (url->has_fragment) {
    decoder.error(node, fmt::format("{} has a fragment, which is never sent", decoder.quoted(node)),
                  fmt::format("did you mean `{}`?", text->substr(0, text->find('#'))));
    return std::nullopt;
  }
  if (url->guard == WebUrl::Guard::none) {
    decoder.error(
        node, fmt::format("secrets and tokens would go to {} in clear text", decoder.quoted(node)),
        "write `https://`; `http://` is for a laptop's own addresses, such as http://localhost:9400");
    return std::nullopt;
  }
  return url;
}

}  // namespace

std::optional<WebUrl> parse_web_url(std::string_view text) {
  bool secure = text.starts_with("https://");
  if ((!secure && !text.starts_with("http://")) || text.size() > kUrlBytesMax || !is_url_text(text)) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(secure ? 8 : 7);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  WebUrl url;
  url.host = parse_authority(authority);
  if (url.host.empty()) return std::nullopt;
  using enum WebUrl::Guard;
  url.guard = secure ? tls : is_loopback(url.host) ? loopback : none;
  rest.remove_prefix(authority.size());
  url.path = rest.substr(0, rest.find_first_of("?#"));
  url.has_fragment = rest.find('#') != rest.npos;
  url.has_query = rest.substr(0, rest.find('#')).find('?') != rest.npos;
  return url;
}

void decode_guarded_url(Decoder& decoder, const Node& node, std::string& out) {
  if (read_guarded_url(decoder, node, "an URL to call")) out = node.text;
}

std::string web_url_schema(SchemaBook&) { return text_schema_with(R"("pattern":"^https?://[^/?#]+.*$")"); }

void decode_issuer(Decoder& decoder, const Node& node, std::string& out) {
  auto url = read_guarded_url(decoder, node, "the URL of an issuer");
  if (!url) return;
  if (url->has_query) {
    return decoder.error(node, fmt::format("{} has a query, and an issuer has none", decoder.quoted(node)),
                         fmt::format("did you mean `{}`?", node.text.substr(0, node.text.find('?'))));
  }
  if (url->path.ends_with(kDiscoveryPath)) {
    return decoder.error(
        node, fmt::format("{} is where an issuer describes itself", decoder.quoted(node)),
        fmt::format("did you mean `{}`?", node.text.substr(0, node.text.size() - kDiscoveryPath.size())));
  }
  out = node.text;
}

void decode_resource(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "an URI");
  if (!text) return;
  // RFC 3986 §3.1
  size_t colon = std::min(text->find(':'), text->size());
  std::string_view scheme = text->substr(0, colon);
  bool has_scheme = colon + 1 < text->size() && !scheme.empty() && base::is_alpha(scheme[0]) &&
                    std::ranges::all_of(scheme, [](char c) {
                      return base::is_alpha(c) || base::is_digit(c) || c == '+' || c == '-' || c == '.';
                    });
  if (!has_scheme || text->size() > kUrlBytesMax || !is_url_text(*text)) {
    return decoder.error(node, fmt::format("{} is not an absolute URI", decoder.quoted(node)),
                         "write for example `https://api.example`, or leave it out and name an `audience`");
  }
  if (text->find('#') != text->npos) {
    return decoder.error(node,
                         fmt::format("{} has a fragment, and a resource has none", decoder.quoted(node)),
                         fmt::format("did you mean `{}`?", text->substr(0, text->find('#'))));
  }
  out = *text;
}

std::string resource_schema(SchemaBook&) {
  return text_schema_with(R"("pattern":"^[A-Za-z][A-Za-z0-9+.-]*:[^#]+$")");
}

}  // namespace config
