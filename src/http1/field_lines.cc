// One pass over the field section: name, colon, value, CRLF, and the few headers that decide framing.
#include "http1/field_lines.h"

#include "base/bytes.h"
#include "http/scan.h"

namespace http1 {
namespace {

using http::Header;
using http::HeaderId;
using http::HeaderIdSet;

// Each option is compared with every header, so a client must not choose how many there are.
constexpr uint32_t kConnectionOptionsMax = 32;

// Of the headers the gate has an opinion about, those a sender may nominate: RFC 9110 §7.6.1 forbids
// end-to-end ones, and nominating, say, Authorization would take it away between the decision and the
// backend.
constexpr HeaderIdSet kNominable = http::kHopByHopHeaders | HeaderIdSet::of(HeaderId::trailer);

// Reads one line and leaves `at` behind its CRLF. nullptr, or why it is refused.
const char* take_line(const char*& at, const char* end, Header& out) {
  const char* const name_end = http::find_token_end(at, end);
  if (name_end == at) {
    // RFC 9112 §5.2: obs-fold is refused, never unfolded.
    return at != end && (*at == ' ' || *at == '\t') ? "a header line is folded"
                                                    : "a header name is malformed";
  }
  // RFC 9112 §5.1: no white space between name and colon.
  if (name_end == end || *name_end != ':') return "a header name is malformed";
  const char* value = name_end + 1;
  while (value != end && (*value == ' ' || *value == '\t')) ++value;
  const char* const line_end = http::find_value_end(value, end);
  // RFC 9112 §2.2: a bare CR or LF ends no line here, and NUL and its like stand in no value.
  if (end - line_end < 2 || line_end[0] != '\r' || line_end[1] != '\n')
    return "a header value has a control character";
  const char* value_end = line_end;
  while (value_end != value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
  out.name = {at, static_cast<size_t>(name_end - at)};
  out.value = {value, static_cast<size_t>(value_end - value)};
  out.id = http::find_header_id(out.name);
  at = line_end + 2;
  return nullptr;
}

// An underscore reads as '-' to CGI and its heirs, so such a name could pass as another (CVE-2025-64484).
// Backends may send their own, as long as it is not a header the gate knows.
const char* check_spelling(const Header& header, Side side) {
  if (header.name.find('_') == std::string_view::npos) return nullptr;
  if (side == Side::backend && header.id == HeaderId::other) return nullptr;
  return "a header name has an underscore";
}

const char* take_content_length(std::string_view value, FieldFacts& facts) {
  // RFC 9112 §6.3 (5) would let identical values pass; a repeated one is refused all the same.
  if (facts.has_content_length) return "Content-Length is repeated";
  const auto length = base::parse_unsigned(value);
  if (!length || *length > kBodyBytesMax) return "Content-Length is not a length";
  // Some parsers take a leading zero for octal.
  if (value.size() > 1 && value[0] == '0') return "Content-Length has a leading zero";
  facts.content_length = *length;
  facts.has_content_length = true;
  return nullptr;
}

// RFC 9112 §6.1: chunked once and last; the gate knows no other coding.
const char* take_transfer_encoding(std::string_view value, FieldFacts& facts) {
  if (facts.chunked) return "Transfer-Encoding is repeated";
  if (!base::equals_ignoring_case(value, "chunked")) return "Transfer-Encoding is not chunked alone";
  facts.chunked = true;
  return nullptr;
}

bool is_token(std::string_view text) {
  const char* const end = text.data() + text.size();
  return !text.empty() && http::find_token_end(text.data(), end) == end;
}

// What one Connection option does; headers are marked once all have been read.
const char* take_option(std::string_view option, Side side, FieldFacts& facts) {
  if (base::equals_ignoring_case(option, "close")) {
    facts.close = true;
  } else if (base::equals_ignoring_case(option, "keep-alive")) {
    facts.keep_alive = true;
  } else if (base::equals_ignoring_case(option, "upgrade")) {
    facts.upgrade_option = true;
  } else {
    if (!is_token(option)) return "a Connection option is malformed";
    const HeaderId id = http::find_header_id(option);
    // Known origin servers nominate Transfer-Encoding. It ends here anyway, its framing already taken note
    // of; from a client it is one of the shapes of smuggling.
    const bool allowed =
        id == HeaderId::other ||
        (kNominable.test(id) && (side == Side::backend || id != HeaderId::transfer_encoding));
    if (!allowed) return "Connection names a header that must reach the other end";
  }
  return nullptr;
}

const char* take_options(http::Headers& headers, Side side, FieldFacts& facts) {
  uint32_t options = 0;
  for (const Header& header : headers) {
    if (header.id != HeaderId::connection) continue;
    std::string_view list = header.value;
    while (auto option = base::take_list_element(list)) {
      if (++options > kConnectionOptionsMax) return "Connection has too many options";
      if (const char* fault = take_option(*option, side, facts)) return fault;
      if (http::find_header_id(*option) == HeaderId::other && !base::equals_ignoring_case(*option, "close")) {
        headers.mark_hop_by_hop(*option);
      }
    }
  }
  return nullptr;
}

}  // namespace

std::unexpected<base::Error> refuse(Side side, const char* detail) {
  return side == Side::client ? base::client_error(base::Reason::http_request_error, detail)
                              : base::backend_error(base::Reason::http_protocol_error, detail);
}

std::unexpected<base::Error> refuse_size(Side side) {
  return side == Side::client
             ? base::client_error(base::Reason::request_head_too_large, "the head is too large")
             : base::backend_error(base::Reason::http_response_header_section_size, "the head is too large");
}

base::Result<FieldFacts> parse_field_lines(const FieldLines& lines, http::Headers& out) {
  FieldFacts facts;
  const char* at = lines.at;
  const char* const end = lines.end - 2;  // the blank line's CRLF
  if (at > end || end[0] != '\r' || end[1] != '\n') return refuse(lines.side, "a line does not end in CRLF");
  while (at != end) {
    Header header;
    if (const char* fault = take_line(at, end, header)) return refuse(lines.side, fault);
    if (const char* fault = check_spelling(header, lines.side)) return refuse(lines.side, fault);
    const char* fault = nullptr;
    if (header.id == HeaderId::content_length) fault = take_content_length(header.value, facts);
    if (header.id == HeaderId::transfer_encoding) fault = take_transfer_encoding(header.value, facts);
    if (fault) return refuse(lines.side, fault);
    header.hop_by_hop = http::kHopByHopHeaders.test(header.id);
    if (out.size() == lines.headers_max || !out.add(header)) return refuse_size(lines.side);
  }
  // RFC 9112 §6.3 (3): both framings, refuse.
  if (facts.has_content_length && facts.chunked) {
    return refuse(lines.side, "both Content-Length and Transfer-Encoding");
  }
  if (out.has(HeaderId::connection)) {
    if (const char* fault = take_options(out, lines.side, facts)) return refuse(lines.side, fault);
  }
  return facts;
}

const char* check_trailer_line(std::string_view line, Header& out) {
  const char* at = line.data();
  if (const char* fault = take_line(at, line.data() + line.size(), out)) return fault;
  if (at != line.data() + line.size()) return "a trailer line is malformed";
  return check_spelling(out, Side::client);
}

}  // namespace http1
