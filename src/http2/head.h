// From a header block to the head every HTTP version shares, and trailers to the lines they are passed on as.
// As strict as http1/codec.h, by the same code where the rules are the same. Nothing here allocates.
#pragma once

#include "base/result.h"
#include "http/head.h"
#include "http/limits.h"
#include "http2/head_text.h"

namespace http2 {

enum class EndStream : uint8_t { no, yes };

// Views in out point into text, which must not move. Refuses with http_request_error or
// request_head_too_large, side client. An extended CONNECT for WebSocket (RFC 8441) comes out as what it
// stands for: a GET with an Upgrade header.
base::Result<> parse_request(const HeadText& text, EndStream end, const http::HeadLimits& limits,
                             http::RequestHead& out);

struct AnsweredRequest {
  http::Method method = http::Method::get;
  std::string_view upgrade;  // asked for by extended CONNECT: a 2xx comes out as 101
};

// Refuses with http_protocol_error or http_response_header_section_size, side backend.
base::Result<> parse_response(const HeadText& text, EndStream end, const AnsweredRequest& request,
                              http::ResponseHead& out);

// Keeps those lines of a trailer section that may be passed on, by the rules chunked trailers have. side is
// who sent them.
base::Result<> take_trailers(const HeadText& text, base::Side side, io::Buffer& into);

}  // namespace http2
