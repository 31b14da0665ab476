// A response's head: the status line and how long the body is (RFC 9112 §4, §6.3). As strict as for requests:
// a backend that two readers could understand differently would let one client's answer reach another.
#include "base/bytes.h"
#include "http/scan.h"
#include "http1/codec.h"
#include "http1/field_lines.h"

namespace http1 {
namespace {

using http::BodyLength;
using http::Method;
using http::ResponseHead;
using http::Version;

// HTTP-version SP status-code [SP [reason-phrase]] CRLF. The second space is mandatory, yet missing often
// enough when there is no phrase, and nothing depends on it.
const char* take_status_line(const char*& at, const char* end, ResponseHead& out) {
  const std::string_view line(at, static_cast<size_t>(end - at));
  if (line.size() < 14 || !line.starts_with("HTTP/1.")) return "the status line is malformed";
  if ((line[7] != '0' && line[7] != '1') || line[8] != ' ') return "the status line is malformed";
  out.version = line[7] == '1' ? Version::http11 : Version::http10;
  const auto status = base::parse_unsigned(line.substr(9, 3));
  if (!status || *status < 100 || *status > 599) return "the status code is malformed";
  out.status = static_cast<uint16_t>(*status);
  const char* phrase = at + 12;
  const char* const phrase_end = http::find_value_end(phrase, end);
  if (end - phrase_end < 2 || phrase_end[0] != '\r' || phrase_end[1] != '\n')
    return "the status line is malformed";
  if (phrase != phrase_end) {
    if (*phrase != ' ') return "the status line is malformed";
    ++phrase;
    out.reason_phrase = {phrase, static_cast<size_t>(phrase_end - phrase)};
  }
  at = phrase_end + 2;
  return nullptr;
}

const char* settle_body(const FieldFacts& facts, Method method, ResponseHead& out) {
  if (facts.chunked && out.version == Version::http10) return "Transfer-Encoding in HTTP/1.0";
  const bool interim = out.status < 200;
  if (interim || out.status == 204) {
    // RFC 9112 §6.1, RFC 9110 §8.6: neither framing belongs there, and a peer that reads it waits for a body.
    if (facts.chunked || facts.content_length != 0) return "a response without a body announces one";
    return nullptr;
  }
  // RFC 9112 §6.3 (1): they tell the length a GET would have had.
  if (method == Method::head || out.status == 304) return nullptr;
  if (facts.chunked) {
    out.body.kind = BodyLength::Kind::chunked;
  } else if (!facts.has_content_length) {
    out.body.kind = BodyLength::Kind::until_close;
  } else if (facts.content_length != 0) {
    out.body = {.kind = BodyLength::Kind::sized, .bytes = facts.content_length};
  }
  return nullptr;
}

}  // namespace

base::Result<> parse_response_head(std::string_view head, const http::HeadLimits& limits, Method method,
                                   ResponseHead& out) {
  out.clear();
  if (head.size() > limits.head_bytes_max) return refuse_size(Side::backend);
  const char* at = head.data();
  const char* const end = at + head.size();
  if (const char* fault = take_status_line(at, end, out)) return refuse(Side::backend, fault);
  const auto facts = parse_field_lines(
      {.at = at, .end = end, .side = Side::backend, .headers_max = limits.headers_max}, out.headers);
  if (!facts) return std::unexpected(facts.error());
  if (const char* fault = settle_body(*facts, method, out)) return refuse(Side::backend, fault);
  out.keep_alive = !facts->close && (out.version == Version::http11 || facts->keep_alive) &&
                   out.body.kind != BodyLength::Kind::until_close;
  return {};
}

}  // namespace http1
