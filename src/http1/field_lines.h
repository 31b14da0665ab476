// The field section of a head and what it says about framing and the connection; requests and responses share
// it, and so does HTTP/2, whose fields are written out as lines first. Called by the heads' parsers only.
// Whatever two parsers could read differently fails.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "http/head.h"
#include "http1/codec.h"

namespace http1 {

// client: a request; backend: a response. The two differ in the reason of a failure and where noted.
using base::Side;

struct FieldLines {
  const char* at;   // the first byte of the section
  const char* end;  // the end of the head, its blank line included
  Side side;
  uint32_t headers_max;
};

// What the section says beyond its headers one by one.
struct FieldFacts {
  uint64_t content_length = 0;
  bool has_content_length = false;
  bool chunked = false;
  bool close = false;           // Connection: close
  bool keep_alive = false;      // Connection: keep-alive
  bool upgrade_option = false;  // Connection: upgrade
};

std::unexpected<base::Error> refuse(Side side, const char* detail);
std::unexpected<base::Error> refuse_size(Side side);

// Reads lines.at up to the blank line, which must stand at lines.end. Hop-by-hop headers come out marked.
base::Result<FieldFacts> parse_field_lines(FieldLines lines, http::Headers& out);

// line is a trailer line with its CRLF. nullptr when it is a valid field line that neither frames nor routes
// the message, else why not.
const char* check_trailer_line(std::string_view line, http::Header& out);

}  // namespace http1
