// A request's head: the request line, what its fields say about framing, and whose it is (RFC 9112 §3).
// The field section itself is field_lines.cc. Fills views only; copies and allocates nothing.
#include "base/bytes.h"
#include "http/request_rules.h"
#include "http/scan.h"
#include "http/target.h"
#include "http1/codec.h"
#include "http1/field_lines.h"

namespace http1 {
namespace {

using http::Header;
using http::HeaderId;
using http::Method;
using http::RequestHead;
using http::Version;

constexpr std::string_view kVersion = "HTTP/1.";

// "HTTP/1.0" or "HTTP/1.1" and CRLF.
const char* take_version(const char*& at, const char* end, Version& out) {
  const std::string_view rest(at, static_cast<size_t>(end - at));
  if (!rest.starts_with(kVersion) || rest.size() < 10) return "the HTTP version is not supported";
  if (rest[7] != '0' && rest[7] != '1') return "the HTTP version is not supported";
  if (rest[8] != '\r' || rest[9] != '\n') return "the request line is malformed";
  out = rest[7] == '1' ? Version::http11 : Version::http10;
  at += 10;
  return nullptr;
}

// method SP request-target SP HTTP-version CRLF, one space each (RFC 9112 §3).
const char* take_request_line(const char*& at, const char* end, RequestHead& out) {
  const char* const method_end = http::find_token_end(at, end);
  out.method_text = {at, static_cast<size_t>(method_end - at)};
  if (!http::is_method(out.method_text)) return "the method is malformed";
  if (method_end == end || *method_end != ' ') return "the request line is malformed";
  out.method = http::parse_method(out.method_text);
  const char* const target = method_end + 1;
  const char* const target_end = http::find_target_end(target, end);
  if (target_end == target || target_end == end || *target_end != ' ')
    return "the request target is malformed";
  out.target = {target, static_cast<size_t>(target_end - target)};
  at = target_end + 1;
  return take_version(at, end, out.version);
}

// Splits an absolute-form target into scheme, authority and path (RFC 9112 §3.2.2).
const char* split_absolute(RequestHead& out) {
  const size_t colon = out.target.find("://");
  if (colon == std::string_view::npos) return "the request target is malformed";
  out.scheme = out.target.substr(0, colon);
  if (!base::equals_ignoring_case(out.scheme, "http") && !base::equals_ignoring_case(out.scheme, "https")) {
    return "the request target's scheme is not http";
  }
  const std::string_view rest = out.target.substr(colon + 3);
  const size_t authority_end = rest.find_first_of("/?");
  out.authority = rest.substr(0, authority_end);
  if (authority_end == std::string_view::npos) {
    // RFC 9112 §3.2.4: an empty path stands for the server itself when asking for options.
    out.target = out.method == Method::options ? "*" : "/";
    return nullptr;
  }
  // "http://host?query" is valid, but its path would have to be made up in front of a view.
  if (rest[authority_end] == '?') return "the request target has no path";
  out.target = rest.substr(authority_end);
  return nullptr;
}

const char* check_target_form(RequestHead& out) {
  // The gate tunnels nothing; authority-form has no other use (RFC 9112 §3.2.3).
  if (out.method == Method::connect) return "CONNECT is not offered";
  if (out.target.front() == '/') return nullptr;
  if (out.target == "*") return out.method == Method::options ? nullptr : "only OPTIONS may ask for *";
  return split_absolute(out);
}

// RFC 9112 §3.2: exactly one valid Host in HTTP/1.1. §3.2.2 would have the target's authority win over Host;
// backends differ in which they believe, so the two must agree.
const char* settle_authority(RequestHead& out) {
  const Header* host = out.headers.find(HeaderId::host);
  if (!host) {
    if (out.version == Version::http11) return "Host is missing";
    if (out.authority.empty()) return out.scheme.empty() ? nullptr : "the request target has no host";
    return http::parse_authority(out.authority) ? nullptr : "the request target's host is malformed";
  }
  if (out.headers.count(HeaderId::host) != 1) return "Host is repeated";
  if (out.scheme.empty()) {
    out.authority = host->value;
    return http::parse_authority(host->value) ? nullptr : "Host is malformed";
  }
  return http::check_same_host(out.scheme, out.authority, host->value);
}

const char* settle_body(const FieldFacts& facts, RequestHead& out) {
  if (facts.chunked) {
    // RFC 9112 §6.1: HTTP/1.0 knows no codings; such a message has faulty framing.
    if (out.version == Version::http10) return "Transfer-Encoding in HTTP/1.0";
    out.body.kind = http::BodyLength::Kind::chunked;
  } else if (facts.content_length != 0) {
    out.body = {.kind = http::BodyLength::Kind::sized, .bytes = facts.content_length};
  }
  // RFC 9110 §9.3.8: a TRACE has no content.
  if (out.method == Method::trace && out.body.kind != http::BodyLength::Kind::none)
    return "TRACE with a body";
  return nullptr;
}

// RFC 9110 §7.8 lets a server ignore Upgrade, and what is not relayable is ignored: the header is hop-by-hop,
// so no backend sees it. A relayed h2c upgrade would let every later request past the rules.
bool is_relayable(const FieldFacts& facts, const RequestHead& head) {
  if (!facts.upgrade_option || head.version != Version::http11) return false;
  if (head.body.kind != http::BodyLength::Kind::none || head.headers.count(HeaderId::upgrade) != 1)
    return false;
  const std::string_view protocol = head.headers.find(HeaderId::upgrade)->value;
  const std::string_view name = protocol.substr(0, protocol.find('/'));
  for (char c : name) {
    if (!http::is_token_char(c)) return false;  // a list among others
  }
  for (std::string_view other : {"", "h2c", "h2", "http", "tls"}) {
    if (base::equals_ignoring_case(name, other)) return false;
  }
  return protocol.find_first_of(", \t") == std::string_view::npos;
}

}  // namespace

base::Result<> parse_request_head(std::string_view head, const http::HeadLimits& limits, RequestHead& out) {
  out.clear();
  if (head.size() > limits.head_bytes_max) return refuse_size(Side::client);
  // RFC 9112 §2.2: one empty line, which old clients send behind a body, is passed over; not a second.
  if (head.starts_with("\r\n")) head.remove_prefix(2);
  const char* at = head.data();
  const char* const end = at + head.size();
  if (const char* fault = take_request_line(at, end, out)) return refuse(Side::client, fault);
  if (const char* fault = check_target_form(out)) return refuse(Side::client, fault);
  const auto facts = parse_field_lines(
      {.at = at, .end = end, .side = Side::client, .headers_max = limits.headers_max}, out.headers);
  if (!facts) return std::unexpected(facts.error());
  if (const char* fault = settle_authority(out)) return refuse(Side::client, fault);
  if (const char* fault = settle_body(*facts, out)) return refuse(Side::client, fault);
  http::settle_expectation(out);
  out.upgrade = is_relayable(*facts, out);
  out.keep_alive = !facts->close && (out.version == Version::http11 || facts->keep_alive);
  return {};
}

}  // namespace http1
