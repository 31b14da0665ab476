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

constexpr auto kFramingHeaders =
    HeaderIdSet::of(HeaderId::content_length, HeaderId::transfer_encoding, HeaderId::host);

// Behind the name that begins at `at`. Its second half is for the rare name with an underscore: that
// character reads as '-' to CGI and its heirs, so such a name could pass as another (CVE-2025-64484).
// Backends may send their own, as long as it is not a spelling of a header the gate knows.
const char* find_name_end(const char* at, const char* end, Side side) {
  const char* const plain_end = http::find_plain_token_end(at, end);
  if (plain_end == end || *plain_end != '_' || side == Side::client) [[likely]]
    return plain_end;
  const char* const name_end = http::find_token_end(at, end);
  const bool known = http::find_header_id({at, static_cast<size_t>(name_end - at)}) != HeaderId::other;
  return known ? plain_end : name_end;
}

const char* name_fault(const char* at, const char* name_end, const char* end) {
  if (name_end != end && *name_end == '_') return "a header name has an underscore";
  // RFC 9112 §5.2: obs-fold is refused, never unfolded.
  if (name_end == at && at != end && (*at == ' ' || *at == '\t')) return "a header line is folded";
  return "a header name is malformed";
}

// Reads the line at lines.at and moves that behind its CRLF. nullptr, or why it is refused.
// Inlined so that the header is made in its place: copying one just written byte by byte stalls (measured, a
// sixth of the whole head).
[[gnu::always_inline]] inline const char* take_line(FieldLines& lines, Header& out) {
  const char* const at = lines.at;
  const char* const end = lines.end;
  const char* const name_end = find_name_end(at, end, lines.side);
  // RFC 9112 §5.1: no white space between name and colon.
  if (name_end == at || name_end == end || *name_end != ':') return name_fault(at, name_end, end);
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
  out.hop_by_hop = http::kHopByHopHeaders.test(out.id);
  lines.at = line_end + 2;
  return nullptr;
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

enum class Option : uint8_t { close, keep_alive, upgrade, nomination };

Option parse_option(std::string_view text) {
  if (base::equals_ignoring_case(text, "keep-alive")) return Option::keep_alive;
  if (base::equals_ignoring_case(text, "close")) return Option::close;
  if (base::equals_ignoring_case(text, "upgrade")) return Option::upgrade;
  return Option::nomination;
}

const char* take_nomination(std::string_view name, Side side, http::Headers& headers) {
  if (!is_token(name)) return "a Connection option is malformed";
  const HeaderId id = http::find_header_id(name);
  if (id == HeaderId::other) {
    headers.mark_hop_by_hop(name);
    return nullptr;
  }
  // Known origin servers nominate Transfer-Encoding. It ends here anyway, its framing already taken note of;
  // from a client it is one of the shapes of smuggling.
  const bool allowed = kNominable.test(id) && (side == Side::backend || id != HeaderId::transfer_encoding);
  return allowed ? nullptr : "Connection names a header that must reach the other end";
}

// `list` is the value of one Connection header; options counts those of all.
struct ConnectionReader {
  Side side;
  http::Headers& headers;
  FieldFacts& facts;
  uint32_t options = 0;

  const char* take(std::string_view list) {
    while (const auto option = base::take_list_element(list)) {
      if (++options > kConnectionOptionsMax) return "Connection has too many options";
      switch (parse_option(*option)) {
        case Option::close:
          facts.close = true;
          break;
        case Option::keep_alive:
          facts.keep_alive = true;
          break;
        case Option::upgrade:
          facts.upgrade_option = true;
          break;
        case Option::nomination:
          if (const char* fault = take_nomination(*option, side, headers)) return fault;
      }
    }
    return nullptr;
  }
};

const char* take_framing(const Header& header, FieldFacts& facts) {
  switch (header.id) {
    case HeaderId::content_length:
      return take_content_length(header.value, facts);
    case HeaderId::transfer_encoding:
      return take_transfer_encoding(header.value, facts);
    default:
      return nullptr;
  }
}

// Once every header is there, since a nomination marks those before and behind it.
const char* take_connection(Side side, http::Headers& headers, FieldFacts& facts) {
  if (!headers.has(HeaderId::connection)) return nullptr;
  ConnectionReader reader{.side = side, .headers = headers, .facts = facts};
  for (const Header& header : headers) {
    if (header.id != HeaderId::connection) continue;
    if (const char* fault = reader.take(header.value)) return fault;
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

base::Result<FieldFacts> parse_field_lines(FieldLines lines, http::Headers& out) {
  FieldFacts facts;
  lines.end -= 2;  // the blank line's CRLF
  if (lines.at > lines.end || lines.end[0] != '\r' || lines.end[1] != '\n') {
    return refuse(lines.side, "a line does not end in CRLF");
  }
  while (lines.at != lines.end) {
    Header header;
    if (const char* fault = take_line(lines, header)) return refuse(lines.side, fault);
    if (const char* fault = take_framing(header, facts)) return refuse(lines.side, fault);
    if (out.size() == lines.headers_max || !out.add(header)) return refuse_size(lines.side);
  }
  // RFC 9112 §6.3 (3): both framings, refuse.
  if (facts.has_content_length && facts.chunked) {
    return refuse(lines.side, "both Content-Length and Transfer-Encoding");
  }
  if (const char* fault = take_connection(lines.side, out, facts)) return refuse(lines.side, fault);
  return facts;
}

const char* check_trailer_line(std::string_view line, Header& out) {
  // A request's strictness about underscores for both sides: a trailer has no reader that would miss one.
  FieldLines lines{
      .at = line.data(), .end = line.data() + line.size(), .side = Side::client, .headers_max = 1};
  if (const char* fault = take_line(lines, out)) return fault;
  // RFC 9110 §6.5.1: these take no part in a trailer section, and a reader that merges them is led astray.
  if (kFramingHeaders.test(out.id)) return "a trailer frames or routes the message";
  return lines.at == lines.end ? nullptr : "a trailer line is malformed";
}

}  // namespace http1
