#include "http2/head.h"

#include "base/bytes.h"
#include "http/request_rules.h"
#include "http/scan.h"
#include "http/target.h"
#include "http1/codec.h"
#include "http1/field_lines.h"

namespace http2 {
namespace {

using base::Side;
using http::BodyLength;
using http::Header;
using http::HeaderId;
using http::Method;
using http::RequestHead;

constexpr std::string_view kWebSocket = "websocket";

// RFC 9113 §8.2.2: what concerns one connection is not said in fields. TE may stand there to say trailers.
const char* check_connection_fields(const http::Headers& headers) {
  for (const Header& header : headers) {
    if (!header.hop_by_hop) continue;
    switch (header.id) {
      case HeaderId::connection:
      case HeaderId::keep_alive:
      case HeaderId::proxy_connection:
      case HeaderId::transfer_encoding:
      case HeaderId::upgrade:
        return "a header of HTTP/1 connections in HTTP/2";
      case HeaderId::te:
        if (!base::equals_ignoring_case(header.value, "trailers")) return "TE asks for more than trailers";
        break;
      default:
        break;
    }
  }
  return nullptr;
}

base::Result<http1::FieldFacts> parse_lines(const HeadText& text, Side side, uint32_t headers_max,
                                            http::Headers& out) {
  if (text.fault() != nullptr) return http1::refuse(side, text.fault());
  if (text.too_large()) return http1::refuse_size(side);
  const std::string_view lines = text.lines();
  auto facts = http1::parse_field_lines(
      {.at = lines.data(), .end = lines.data() + lines.size(), .side = side, .headers_max = headers_max},
      out);
  if (!facts) return facts;
  if (const char* fault = check_connection_fields(out)) return http1::refuse(side, fault);
  return facts;
}

bool is_http_scheme(std::string_view scheme) { return scheme == "http" || scheme == "https"; }

const char* settle_method(const HeadText& text, EndStream end, RequestHead& out) {
  out.method_text = text.pseudo(Pseudo::method);
  if (!http::is_method(out.method_text)) return "the method is malformed";
  out.method = http::parse_method(out.method_text);
  if (out.method != Method::connect) {
    return text.has(Pseudo::protocol) ? ":protocol without CONNECT" : nullptr;
  }
  if (!text.has(Pseudo::protocol)) return "CONNECT is not offered";
  if (!base::equals_ignoring_case(text.pseudo(Pseudo::protocol), kWebSocket)) {
    return "only WebSocket may be connected to";
  }
  if (end == EndStream::yes) return "an upgrade that has ended";
  out.method_text = "GET";
  out.method = Method::get;
  out.upgrade = true;
  return nullptr;
}

const char* settle_target(const HeadText& text, RequestHead& out) {
  out.scheme = text.pseudo(Pseudo::scheme);
  if (!is_http_scheme(out.scheme)) return "the scheme is not http";
  out.target = text.pseudo(Pseudo::path);
  const char* const end = out.target.data() + out.target.size();
  if (out.target.empty() || http::find_target_end(out.target.data(), end) != end) {
    return "the request target is malformed";
  }
  if (out.target.front() == '/') return nullptr;
  if (out.target != "*") return "the request target is malformed";
  return out.method == Method::options ? nullptr : "only OPTIONS may ask for *";
}

const char* settle_authority(const HeadText& text, RequestHead& out) {
  const Header* host = out.headers.find(HeaderId::host);
  if (out.headers.count(HeaderId::host) > 1) return "Host is repeated";
  out.authority = text.pseudo(Pseudo::authority);
  if (text.has(Pseudo::authority)) {
    if (host != nullptr) return http::check_same_host(out.scheme, out.authority, host->value);
    return http::parse_authority(out.authority) ? nullptr : "the request target's host is malformed";
  }
  if (host == nullptr) return "Host is missing";
  out.authority = host->value;
  return http::parse_authority(out.authority) ? nullptr : "Host is malformed";
}

const char* settle_body(const http1::FieldFacts& facts, EndStream end, RequestHead& out) {
  if (out.upgrade) return facts.has_content_length ? "an upgrade with a body" : nullptr;
  if (end == EndStream::yes) {
    return facts.content_length != 0 ? "Content-Length promises a body that is not there" : nullptr;
  }
  if (facts.has_content_length) {
    out.body = {.kind = BodyLength::Kind::sized, .bytes = facts.content_length};
  } else {
    out.body.kind = BodyLength::Kind::chunked;
  }
  // RFC 9110 §9.3.8: a TRACE has no content.
  return out.method == Method::trace ? "TRACE with a body" : nullptr;
}

}  // namespace

base::Result<> parse_request(const HeadText& text, EndStream end, const http::HeadLimits& limits,
                             RequestHead& out) {
  out.clear();
  out.version = http::Version::http2;
  // First, since a refusal goes by the method too.
  const char* const method_fault = settle_method(text, end, out);
  const auto facts = parse_lines(text, Side::client, limits.headers_max, out.headers);
  if (!facts) return std::unexpected(facts.error());
  if (method_fault != nullptr) return http1::refuse(Side::client, method_fault);
  if (const char* fault = settle_target(text, out)) return http1::refuse(Side::client, fault);
  if (const char* fault = settle_authority(text, out)) return http1::refuse(Side::client, fault);
  if (const char* fault = settle_body(*facts, end, out)) return http1::refuse(Side::client, fault);
  http::settle_expectation(out);
  if (out.upgrade && !out.headers.add({.name = http::header_name(HeaderId::upgrade),
                                       .value = kWebSocket,
                                       .id = HeaderId::upgrade,
                                       .hop_by_hop = true})) {
    return http1::refuse_size(Side::client);
  }
  return {};
}

base::Result<> parse_response(const HeadText& text, EndStream end, const AnsweredRequest& request,
                              http::ResponseHead& out) {
  out.clear();
  out.version = http::Version::http2;
  const auto facts = parse_lines(text, Side::backend, http::Headers::kCapacity - 1, out.headers);
  if (!facts) return std::unexpected(facts.error());
  const std::string_view digits = text.pseudo(Pseudo::status);
  const auto status = base::parse_unsigned(digits);
  if (digits.size() != 3 || !status || *status < 100 || *status > 599) {
    return http1::refuse(Side::backend, "the status code is malformed");
  }
  out.status = static_cast<uint16_t>(*status);
  // RFC 9113 §8.6.
  if (out.status == 101) return http1::refuse(Side::backend, "101 in HTTP/2");
  const bool interim = out.status < 200;
  if (interim && end == EndStream::yes)
    return http1::refuse(Side::backend, "an interim head ends the answer");
  if (!request.upgrade.empty() && out.status >= 200 && out.status < 300) {
    if (end == EndStream::yes) return http1::refuse(Side::backend, "an upgrade that has ended");
    out.status = 101;
    static_cast<void>(out.headers.add({.name = http::header_name(HeaderId::upgrade),
                                       .value = request.upgrade,
                                       .id = HeaderId::upgrade,
                                       .hop_by_hop = true}));
    return {};
  }
  if (interim || out.status == 204) {
    if (facts->content_length != 0) {
      return http1::refuse(Side::backend, "a response without a body announces one");
    }
    return {};
  }
  if (request.method == Method::head || out.status == 304 || end == EndStream::yes) return {};
  if (facts->has_content_length) {
    out.body = {.kind = BodyLength::Kind::sized, .bytes = facts->content_length};
  } else {
    out.body.kind = BodyLength::Kind::chunked;
  }
  return {};
}

base::Result<> take_trailers(const HeadText& text, Side side, io::Buffer& into) {
  if (text.fault() != nullptr) return http1::refuse(side, text.fault());
  if (text.too_large() || text.bytes() > http1::ChunkedDecoder::kTrailerBytesMax) {
    return http1::refuse(side, "the trailers are too long");
  }
  std::string_view rest = text.lines();
  rest.remove_suffix(2);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n') + 1);
    rest.remove_prefix(line.size());
    Header header;
    if (const char* fault = http1::check_trailer_line(line, header)) return http1::refuse(side, fault);
    // As in HTTP/1: nothing looks at trailers, so what the gate has an opinion about is not passed on in
    // them.
    if (header.id != HeaderId::other) continue;
    if (!into.reserve(line.size())) return http1::refuse(side, "the trailers are too long");
    into.append(line);
  }
  return {};
}

}  // namespace http2
