// Any bytes as a request, a response and a chunked body: however they are cut the outcome is the same, and
// what was accepted, written out again from its parts, is understood the same. The first byte chooses the
// side and how to cut; the rest is the message.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http1/codec.h"
#include "http1/test_reader.h"

namespace {

using base::Side;
using http1::Outcome;
using http1::TestReader;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Wire {
  Side side;
  http::Method method;
  std::string_view bytes;
};

// Pieces of a fixed size; 0: whole.
Outcome read_in_pieces(const Wire& wire, size_t piece) {
  TestReader reader(wire.side, wire.method);
  std::string_view rest = wire.bytes;
  if (piece == 0) {
    reader.feed(rest);
    rest = {};
  }
  while (!rest.empty()) {
    reader.feed(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  reader.close();
  return reader.outcome();
}

Outcome read_split(const Wire& wire, size_t at) {
  TestReader reader(wire.side, wire.method);
  reader.feed(wire.bytes.substr(0, at));
  reader.feed(wire.bytes.substr(at));
  reader.close();
  return reader.outcome();
}

void append_headers(std::string& out, const http::Headers& headers) {
  for (const http::Header& header : headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  out += "\r\n";
}

// The head, written the plain way from what the parser made of it.
std::string write_head(const http::RequestHead& head) {
  std::string out(head.method_text);
  out += ' ';
  if (!head.scheme.empty()) out.append(head.scheme).append("://").append(head.authority);
  // An absolute target without a path came out as "/" or "*"; behind an authority "*" is written as nothing.
  if (head.scheme.empty() || head.target != "*") out.append(head.target);
  out += head.version == http::Version::http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n";
  append_headers(out, head.headers);
  return out;
}

std::string write_head(const http::ResponseHead& head) {
  std::string out = head.version == http::Version::http11 ? "HTTP/1.1 " : "HTTP/1.0 ";
  out += std::to_string(head.status);
  out.append(" ").append(head.reason_phrase).append("\r\n");
  append_headers(out, head.headers);
  return out;
}

void check_rewritten(const Wire& wire) {
  const auto end = http1::find_head_end(wire.bytes, 0);
  if (!end) return;
  // White space may have been added: the limit of size is not what is checked here.
  constexpr http::HeadLimits kLimits = {.head_bytes_max = 1 << 20};
  const std::string_view bytes = wire.bytes.substr(0, *end);
  static http::RequestHead request, request_again;
  static http::ResponseHead response, response_again;
  if (wire.side == Side::client && http1::parse_request_head(bytes, kLimits, request)) {
    const std::string written = write_head(request);
    require(http1::find_head_end(written, 0) == written.size());
    require(http1::parse_request_head(written, kLimits, request_again).has_value());
    require(http1::tell(request) == http1::tell(request_again));
  }
  if (wire.side == Side::backend && http1::parse_response_head(bytes, kLimits, wire.method, response)) {
    const std::string written = write_head(response);
    require(http1::find_head_end(written, 0) == written.size());
    require(http1::parse_response_head(written, kLimits, wire.method, response_again).has_value());
    require(http1::tell(response) == http1::tell(response_again));
  }
}

// What must hold of anything accepted, whatever the bytes were.
void check_accepted(const Wire& wire, const Outcome& outcome) {
  if (outcome.state != Outcome::State::complete) return;
  require(outcome.consumed <= wire.bytes.size());
  const std::string_view head = wire.bytes.substr(0, *http1::find_head_end(wire.bytes, 0));
  for (size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\n') require(i > 0 && head[i - 1] == '\r');
    if (head[i] == '\r') require(i + 1 < head.size() && head[i + 1] == '\n');
    require(head[i] != '\0');
  }
  for (size_t at = 0; (at = outcome.trailers.find('\n', at)) != std::string::npos; ++at) {
    require(at > 1 && outcome.trailers[at - 1] == '\r');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t choice = data[0];
  const Wire wire = {.side = choice & 1 ? Side::backend : Side::client,
                     .method = choice & 2 ? http::Method::head : http::Method::get,
                     .bytes = {reinterpret_cast<const char*>(data) + 1, size - 1}};
  const Outcome whole = read_in_pieces(wire, 0);
  require(read_in_pieces(wire, 1) == whole);
  require(read_in_pieces(wire, 2 + choice % 13) == whole);
  require(read_split(wire, (choice >> 2) * wire.bytes.size() / 64) == whole);
  check_accepted(wire, whole);
  check_rewritten(wire);
  return 0;
}
