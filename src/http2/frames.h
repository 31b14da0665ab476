// Heads and trailers put into nghttp2's queue: names in lower case, nothing in them that concerns one
// connection only. Everything is copied. False or a negative id: nghttp2 does not take it.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/stream.h"

struct nghttp2_session;

namespace http2 {

enum class BodyFollows : uint8_t { no, yes };

struct ResponseFrames {
  int32_t id;
  uint16_t status;  // as on the wire
  const http::Headers& headers;
  http::BodyLength body;  // sized: said in Content-Length
  BodyFollows follows;
};
bool submit_response(nghttp2_session* session, const ResponseFrames& response);
bool submit_interim(nghttp2_session* session, int32_t id, uint16_t status, const http::Headers& headers);

// The new stream's id; user_data is what nghttp2 keeps for it.
int32_t submit_request(nghttp2_session* session, const http::RequestStart& start, std::string_view scheme,
                       void* user_data);

// lines: "Name: value\r\n" each.
bool submit_trailers(nghttp2_session* session, int32_t id, std::string_view lines);

}  // namespace http2
