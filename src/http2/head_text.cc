#include "http2/head_text.h"

#include "http/header_id.h"
#include "http/scan.h"

namespace http2 {
namespace {

constexpr std::array<std::string_view, kPseudoCount> kPseudoNames = {":method", ":scheme",   ":authority",
                                                                     ":path",   ":protocol", ":status"};
constexpr size_t kLineFraming = 4;  // ": " and CRLF

// A line end within a name or a value would make two lines of one, and nghttp2's own checks are not the only
// thing to stand between.
const char* field_fault(std::string_view name, std::string_view value) {
  const char* const name_end = name.data() + name.size();
  if (name.empty() || http::find_token_end(name.data(), name_end) != name_end)
    return "a header name is malformed";
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') return "a header name has a capital letter";  // RFC 9113 §8.2.1
  }
  const char* const value_end = value.data() + value.size();
  if (http::find_value_end(value.data(), value_end) != value_end)
    return "a header value has a control character";
  return nullptr;
}

}  // namespace

void HeadText::start(const http::HeadLimits& limits) {
  release();
  limits_ = limits;
  pseudo_ = {};
  bytes_ = 0;
  count_ = lines_at_ = 0;
  too_large_ = false;
  fault_ = nullptr;
}

void HeadText::release() {
  text_.release();
  cookies_.release();
}

std::string_view HeadText::pseudo(Pseudo which) const {
  const Piece& piece = pseudo_[static_cast<size_t>(which)];
  return text_.filled().substr(piece.at, piece.size);
}

void HeadText::put(std::string_view text) {
  if (text_.reserve(text.size())) {
    text_.append(text);
  } else {
    too_large_ = true;
  }
}

void HeadText::add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kLineFraming;
  if (too_large_ || fault_ != nullptr) return;
  if (bytes_ > limits_.head_bytes_max) {
    too_large_ = true;
    return;
  }
  if (name.starts_with(':')) return add_pseudo(name, value);
  if ((fault_ = field_fault(name, value)) != nullptr) return;
  if (name == "cookie") return add_cookie(value);
  if (++count_ > limits_.headers_max) {
    too_large_ = true;
    return;
  }
  put(name);
  put(": ");
  put(value);
  put("\r\n");
}

void HeadText::add_pseudo(std::string_view name, std::string_view value) {
  for (size_t i = 0; i < kPseudoCount; ++i) {
    if (name != kPseudoNames[i]) continue;
    // RFC 9113 §8.3: in front of the fields, and once.
    if (pseudo_[i].set || count_ > 0 || cookies_.has_block()) break;
    pseudo_[i] = {
        .at = static_cast<uint32_t>(text_.size()), .size = static_cast<uint32_t>(value.size()), .set = true};
    put(value);
    lines_at_ = static_cast<uint32_t>(text_.size());
    return;
  }
  fault_ = "a pseudo-header is unknown, repeated or out of place";
}

// RFC 9113 §8.2.3: crumbs are one field again for whoever does not speak HTTP/2.
void HeadText::add_cookie(std::string_view value) {
  const bool first = !cookies_.has_block();
  if (!cookies_.reserve(value.size() + 2)) {
    too_large_ = true;
    return;
  }
  if (first) {
    if (++count_ > limits_.headers_max) too_large_ = true;
  } else {
    cookies_.append("; ");
  }
  cookies_.append(value);
}

void HeadText::finish() {
  if (cookies_.has_block() && !too_large_) {
    put("cookie: ");
    put(cookies_.filled());
    put("\r\n");
  }
  cookies_.release();
  put("\r\n");
}

}  // namespace http2
