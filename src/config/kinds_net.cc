// Addresses, networks, hosts, paths and methods as kinds.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "config/kinds.h"
#include "routing/path_pattern.h"
#include "websocket/origin.h"

namespace config {
namespace {

constexpr size_t kUnixPathBytesMax = 107;  // sun_path without its end
constexpr size_t kHostBytesMax = 253;      // RFC 1035 §2.3.4
constexpr size_t kPathBytesMax = 2048;

constexpr std::string_view kMethods[] = {
    "GET",      "HEAD",      "POST",  "PUT",  "DELETE", "PATCH", "OPTIONS", "TRACE",  "CONNECT", "QUERY",
    "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",   "LOCK",  "UNLOCK",  "REPORT", "SEARCH",  "PURGE"};

struct ParsedAddress {
  Address address;
  std::string problem;  // a sentence; empty: good
  std::string hint;
};

ParsedAddress wrong(std::string problem, std::string hint = {}) {
  return {{}, std::move(problem), std::move(hint)};
}

ParsedAddress parse_unix(std::string_view path) {
  if (!path.starts_with('/')) return wrong("the path of a unix socket begins with `/`", "write `unix:/path`");
  if (path.size() > kUnixPathBytesMax) {
    return wrong(fmt::format("the path of a unix socket has at most {} bytes", kUnixPathBytesMax));
  }
  return {{.host = {}, .port = 0, .unix_path = std::string(path)}, {}, {}};
}

// host:port with an optional host, an IPv6 host in brackets.
ParsedAddress parse_host_port(std::string_view text) {
  size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    size_t bracket = text.find(']');
    if (bracket == text.npos) return wrong("the `[` of an IPv6 address is not closed", "write `[::1]:8080`");
    if (bracket + 1 >= text.size() || text[bracket + 1] != ':')
      return wrong("the port is missing", "write `[::1]:8080`");
    colon = bracket + 1;
  } else if (colon == text.npos) {
    return wrong("the port is missing", fmt::format("write `{}:8080`", text));
  } else if (text.find(':') != colon) {
    return wrong("an IPv6 address stands in brackets", "write `[::1]:8080`");
  }
  std::string_view host = text.substr(0, colon);
  auto port = base::parse_unsigned(text.substr(colon + 1));
  if (!port || *port > 65535)
    return wrong(fmt::format("`{}` is not a port", text.substr(colon + 1)), "a port is a number up to 65535");
  if (host.starts_with('[')) {
    host = host.substr(1, host.size() - 2);
    auto ip = base::parse_ip(host);
    if (!ip || host.find(':') == host.npos) return wrong(fmt::format("`{}` is not an IPv6 address", host));
  } else if (!host.empty() && !is_host_name(host)) {
    return wrong(fmt::format("`{}` is not a host name or an IP address", host));
  }
  return {{.host = base::lowercase(host), .port = static_cast<uint16_t>(*port), .unix_path = {}}, {}, {}};
}

// host:port, http://host[:port] or https://host[:port].
ParsedAddress parse_backend_host(std::string_view text) {
  std::string_view scheme = text.substr(0, std::min(text.find("://"), text.size()));
  bool is_url = scheme.size() < text.size();
  if (is_url && scheme != "http" && scheme != "https") {
    return wrong(fmt::format("`{}` is not a scheme that backends are called with", scheme),
                 scheme == "h2c" || scheme == "grpc"
                     ? fmt::format("write `{}` and `protocol: http2`", text.substr(scheme.size() + 3))
                     : "write `host:port`, `https://host:port` or `unix:/path`");
  }
  bool secure = scheme == "https" && is_url;
  std::string_view rest = is_url ? text.substr(scheme.size() + 3) : text;
  if (is_url && rest.ends_with('/')) rest.remove_suffix(1);
  if (size_t slash = rest.find('/'); slash != rest.npos) {
    return wrong(fmt::format("it has a path, `{}`", rest.substr(slash)),
                 fmt::format("write only `{}host:port`", secure ? "https://" : ""));
  }
  bool port_left_out = is_url && (rest.ends_with(']') || rest.find(':') == rest.npos);
  ParsedAddress parsed =
      parse_host_port(port_left_out ? fmt::format("{}:{}", rest, secure ? 443 : 80) : std::string(rest));
  if (!parsed.problem.empty()) return parsed;
  if (parsed.address.host.empty())
    return wrong("the host is missing", fmt::format("write `127.0.0.1:{}`", parsed.address.port));
  if (parsed.address.port == 0) return wrong("`0` is not a port");
  if (secure) parsed.address.scheme = Address::Scheme::https;
  return parsed;
}

bool report(Decoder& decoder, const Node& node, const ParsedAddress& parsed, std::string_view noun) {
  if (parsed.problem.empty()) return false;
  decoder.error(node, fmt::format("{} is not {}: {}", decoder.quoted(node), noun, parsed.problem),
                parsed.hint);
  return true;
}

// An address is text, but `9001` alone reads as a number: that slip deserves its own words.
std::optional<std::string_view> read_address(Decoder& decoder, const Node& node, std::string_view noun) {
  if (node.kind == Node::Kind::scalar && scalar_type(node) == ScalarType::integer) {
    decoder.error(node, fmt::format("must be {}, and this is {}", noun, decoder.described(node)),
                  fmt::format("did you mean `\"127.0.0.1:{}\"`?", node.text));
    return std::nullopt;
  }
  return read_text(decoder, node, noun);
}

bool is_private(const Address& address) {
  if (!address.unix_path.empty() || address.host == "localhost") return true;
  auto ip = base::parse_ip(address.host);
  if (!ip) return false;
  static const std::array kPrivate = {
      *base::parse_network("127.0.0.0/8"),    *base::parse_network("10.0.0.0/8"),
      *base::parse_network("172.16.0.0/12"),  *base::parse_network("192.168.0.0/16"),
      *base::parse_network("169.254.0.0/16"), *base::parse_network("::1/128"),
      *base::parse_network("fc00::/7"),       *base::parse_network("fe80::/10")};
  return std::any_of(kPrivate.begin(), kPrivate.end(),
                     [&](const base::Network& network) { return base::contains(network, *ip); });
}

bool is_label_character(char c) { return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_'; }

}  // namespace

std::string Address::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  if (host.find(':') != host.npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kHostBytesMax) return false;
  size_t label = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '.') {
      if (!is_label_character(text[i])) return false;
      ++label;
    } else {
      if (label == 0 || label > 63 || text[i - 1] == '-' || text[i - label] == '-') return false;
      label = 0;
    }
  }
  // All digits and dots is an address, or a mistyped one.
  if (text.find_first_not_of("0123456789.") == text.npos) return base::parse_ip(text).has_value();
  return true;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return base::is_alpha(c) || base::is_digit(c) || kMarks.find(c) != kMarks.npos;
  });
}

void decode_listen_address(Decoder& decoder, const Node& node, Address& out) {
  constexpr std::string_view kNoun = "an address to listen on";
  auto text = read_address(decoder, node, kNoun);
  if (!text) return;
  ParsedAddress parsed = text->starts_with("unix:") ? parse_unix(text->substr(5))
                         : text->find("://") != text->npos
                             ? wrong("it is an URL", "write `host:port`, `:port` or `unix:/path`")
                             : parse_host_port(*text);
  if (!report(decoder, node, parsed, kNoun)) out = std::move(parsed.address);
}

void decode_admin_address(Decoder& decoder, const Node& node, Address& out) {
  Address address;
  size_t errors = decoder.errors();
  decode_listen_address(decoder, node, address);
  if (decoder.errors() != errors) return;
  if (!is_private(address)) {
    return decoder.error(
        node,
        fmt::format("{} may be reached from anywhere, and the admin listener asks for no credential",
                    decoder.quoted(node)),
        "use 127.0.0.1, another private address, or `unix:/path`");
  }
  out = std::move(address);
}

std::string listen_address_schema(SchemaBook&) {
  return text_schema_with(
      R"("pattern":"^(unix:/.+|[^/]*:[0-9]+)$","examples":[":8080","127.0.0.1:8080","unix:/run/gate.sock"])");
}

void decode_backend_address(Decoder& decoder, const Node& node, Address& out) {
  constexpr std::string_view kNoun = "the address of a backend";
  auto text = read_address(decoder, node, kNoun);
  if (!text) return;
  ParsedAddress parsed = text->starts_with("unix:") ? parse_unix(text->substr(5)) : parse_backend_host(*text);
  if (!report(decoder, node, parsed, kNoun)) out = std::move(parsed.address);
}

std::string backend_address_schema(SchemaBook&) {
  return text_schema_with(
      R"("pattern":"^(unix:/.+|https?://[^/]+/?|[^/]+:[0-9]+)$","examples":["127.0.0.1:9001","orders.internal:80","https://orders.internal:8443","unix:/run/orders.sock"])");
}

void decode_network(Decoder& decoder, const Node& node, base::Network& out) {
  auto text = read_text(decoder, node, "a network");
  if (!text) return;
  if (auto network = base::parse_network(*text)) {
    out = *network;
    return;
  }
  std::string hint = "write `10.0.0.0/8`, `2001:db8::/32` or a single address";
  // A host address with a prefix: say which network it lies in.
  auto bits = base::parse_unsigned(text->substr(std::min(text->find('/') + 1, text->size())));
  auto ip = base::parse_ip(text->substr(0, text->find('/')));
  if (ip && bits && *bits < (ip->v6 ? 128 : 32)) {
    for (size_t bit = *bits; bit < 128; ++bit)
      ip->bytes[bit / 8] &= static_cast<uint8_t>(~(1U << (7 - bit % 8)));
    hint = fmt::format("did you mean `{}`?", base::format_network({*ip, static_cast<uint8_t>(*bits)}));
  }
  decoder.error(node, fmt::format("{} is not a network", decoder.quoted(node)), hint);
}

void decode_trusted_network(Decoder& decoder, const Node& node, base::Network& out) {
  size_t errors = decoder.errors();
  decode_network(decoder, node, out);
  if (decoder.errors() != errors || out.prefix_bits > 0) return;
  decoder.error(node, fmt::format("{} would let every client say who it is", decoder.quoted(node)),
                "name the networks of your own proxies, such as `10.0.0.0/8`");
}

void decode_ip(Decoder& decoder, const Node& node, std::optional<base::IpAddress>& out) {
  auto text = read_text(decoder, node, "an IP address");
  if (!text) return;
  out = base::parse_ip(*text);
  if (!out) decoder.error(node, fmt::format("{} is not an IP address", decoder.quoted(node)));
}

std::string network_schema(SchemaBook&) {
  return text_schema_with(R"("pattern":"^[0-9a-fA-F:.]+(/[0-9]+)?$","examples":["10.0.0.0/8"])");
}

void decode_host_pattern(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "a host");
  if (!text) return;
  std::string quoted = decoder.quoted(node);
  std::string_view rest = *text;
  if (rest.find("://") != rest.npos) {
    return decoder.error(node, fmt::format("{} is an URL, not a host", quoted),
                         "write `api.example.com`; a path goes under `path:`");
  }
  if (rest.find('/') != rest.npos) {
    return decoder.error(node, fmt::format("{} is not a host, because it has a path", quoted),
                         fmt::format("write `host: {}` and `path: {}`", rest.substr(0, rest.find('/')),
                                     rest.substr(rest.find('/'))));
  }
  if (rest == "*") {
    return decoder.error(node, "`*` is not a host", "to cover every host, leave `host` out");
  }
  bool wildcard = rest.starts_with("*.");
  if (wildcard) rest.remove_prefix(2);
  if (rest.find('*') != rest.npos) {
    return decoder.error(node, fmt::format("{} has its `*` at a wrong place", quoted),
                         "a wildcard is the whole first label: `*.example.com`");
  }
  bool ipv6 = rest.starts_with('[') && rest.ends_with(']') && base::parse_ip(rest.substr(1, rest.size() - 2));
  if (!ipv6 && rest.find(':') != rest.npos) {
    return decoder.error(node, fmt::format("{} has a port, and hosts are matched without one", quoted),
                         fmt::format("write `{}`", rest.substr(0, rest.find(':'))));
  }
  if (!ipv6 && !is_host_name(rest)) {
    return decoder.error(node, fmt::format("{} is not a host name", quoted),
                         "write `api.example.com` or `*.example.com`");
  }
  if (wildcard && base::parse_ip(rest))
    return decoder.error(node, fmt::format("{} puts a wildcard before an address", quoted));
  out = base::lowercase(*text);
}

void decode_origin(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "an origin");
  if (!text) return;
  if (*text == "*")
    return decoder.error(node, "`*` is not an origin", "to take every origin, leave `origins` out");
  auto pattern = websocket::OriginPattern::parse(*text);
  if (pattern) {
    out = pattern->text();
    return;
  }
  // The commonest slips: no scheme, and an URL as the browser shows it.
  std::string meant(*text);
  if (meant.find("://") == meant.npos) meant.insert(0, "https://");
  if (meant.ends_with('/')) meant.pop_back();
  bool near =
      meant != *text && !base::equals_ignoring_case(*text, "null") && websocket::OriginPattern::parse(meant);
  decoder.error(node, fmt::format("{} is not an origin: {}", decoder.quoted(node), pattern.error()),
                near ? fmt::format("did you mean `{}`?", meant) : "");
}

std::string origin_schema(SchemaBook&) {
  return text_schema_with(
      R"("pattern":"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+$","examples":["https://app.example.com","https://*.example.com"])");
}

std::string host_pattern_schema(SchemaBook&) {
  return text_schema_with(
      R"("pattern":"^(\\*\\.)?[^/*:]+$|^\\[.*\\]$","examples":["api.example.com","*.example.com"])");
}

bool check_path_pattern(Decoder& decoder, const Node& node, std::string_view path) {
  std::string problem;
  std::string hint;
  if (path.size() > kPathBytesMax) {
    problem = fmt::format("a path has at most {} bytes", kPathBytesMax);
  } else if (!path.starts_with('/')) {
    problem = "a path begins with `/`";
    hint = fmt::format("did you mean `/{}`?", path);
  } else if (path.find('?') != path.npos) {
    problem = "a query takes no part in matching";
    hint = fmt::format("did you mean `{}`?", path.substr(0, path.find('?')));
  } else if (auto pattern = routing::PathPattern::parse(path); !pattern) {
    problem = pattern.error();
  }
  if (problem.empty()) return true;
  decoder.error(node, fmt::format("`{}` is not a path pattern: {}", path.substr(0, 80), problem), hint);
  return false;
}

void decode_path_pattern(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "a path");
  if (text && check_path_pattern(decoder, node, *text)) out = *text;
}

std::string path_schema(SchemaBook&) {
  return text_schema_with(
      R"("pattern":"^/[^?#]*$","examples":["/orders","/orders/{id}/items","/orders/**"])");
}

bool check_method(Decoder& decoder, const Node& node, std::string_view method) {
  if (!is_token(method)) {
    decoder.error(node, fmt::format("`{}` is not a method", method),
                  "write `GET`, several as `GET,HEAD`, or `*`");
    return false;
  }
  std::string upper(method);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return base::is_alpha(c) ? static_cast<char>(c & ~0x20) : c; });
  if (upper != method) {
    decoder.error(node, fmt::format("`{}` is not written as a method is", method),
                  fmt::format("did you mean `{}`?", upper));
    return false;
  }
  if (std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods)) return true;
  std::string_view nearest = base::nearest_word(method, kMethods);
  decoder.warning(node, fmt::format("`{}` is not a method we know", method),
                  nearest.empty() ? "" : fmt::format("did you mean `{}`?", nearest));
  return true;
}

void decode_method(Decoder& decoder, const Node& node, std::string& out) {
  auto text = read_text(decoder, node, "a method");
  if (text && check_method(decoder, node, *text)) out = *text;
}

std::string method_schema(SchemaBook&) {
  return text_schema_with(R"("pattern":"^[A-Z-]+$","examples":["GET","POST"])");
}

}  // namespace config
