// The chunked coding (RFC 9112 §7.1): a state machine over framing bytes; data passes through untouched as
// views.
#include <algorithm>

#include "http/header_id.h"
#include "http/scan.h"
#include "http1/codec.h"
#include "http1/field_lines.h"

namespace http1 {
namespace {

constexpr uint8_t kSizeDigitsMax = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

base::Result<ChunkedDecoder::Step> ChunkedDecoder::decode(std::string_view input) {
  size_t at = 0;
  while (at < input.size() && state_ != State::data && state_ != State::done) {
    if (const char* fault = take_framing(input[at])) return refuse(side_, fault);
    ++at;
  }
  Step step{.consumed = at, .data = {}, .done = state_ == State::done};
  if (state_ != State::data || at == input.size()) return step;
  step.data = input.substr(at, static_cast<size_t>(std::min<uint64_t>(chunk_left_, input.size() - at)));
  step.consumed += step.data.size();
  chunk_left_ -= step.data.size();
  if (chunk_left_ == 0) state_ = State::data_cr;
  return step;
}

const char* ChunkedDecoder::take_framing(char c) {
  switch (state_) {
    case State::size_first:
    case State::size:
      return take_size(c);
    case State::extension_start:
    case State::extension:
      return take_extension(c);
    case State::size_lf:
      return c == '\n' ? end_size_line() : "a chunk size does not end in CRLF";
    case State::data_cr:
      state_ = State::data_lf;
      return c == '\r' ? nullptr : "a chunk is longer than its size";
    case State::data_lf:
      state_ = State::size_first;
      return c == '\n' ? nullptr : "a chunk does not end in CRLF";
    case State::trailer_start:
      state_ = c == '\r' ? State::trailers_lf : State::trailer;
      return c == '\r' ? nullptr : take_trailer(c);
    case State::trailer:
      return take_trailer(c);
    case State::trailers_lf:
      state_ = State::done;
      return c == '\n' ? nullptr : "a trailer line is malformed";
    case State::data:
    case State::done:
      break;
  }
  return nullptr;
}

const char* ChunkedDecoder::take_size(char c) {
  if (const int digit = hex_value(c); digit >= 0) {
    if (++digits_ > kSizeDigitsMax) return "a chunk size has too many digits";
    // Below the bound before the shift, so it cannot overflow.
    if (chunk_left_ > kBodyBytesMax >> 4) return "a chunk size is too large";
    chunk_left_ = chunk_left_ << 4 | static_cast<uint64_t>(digit);
    state_ = State::size;
    return nullptr;
  }
  if (state_ == State::size_first) return "a chunk size is malformed";
  if (c == '\r') {
    state_ = State::size_lf;
  } else if (c == ';') {
    state_ = State::extension_start;
  } else {
    return "a chunk size is malformed";
  }
  return nullptr;
}

const char* ChunkedDecoder::take_extension(char c) {
  if (state_ == State::extension && c == '\r') {
    state_ = State::size_lf;
    return nullptr;
  }
  if (++extension_bytes_ > kExtensionBytesMax) return "a chunk extension is too long";
  // A line end hidden here is how one reader's extension becomes another's data: only what can be seen may
  // stand.
  const bool blank = c == ' ' || c == '\t';
  if (!blank && (c < 0x21 || c > 0x7E)) return "a chunk extension is malformed";
  if (state_ == State::extension_start && !blank) {
    if (!http::is_token_char(c)) return "a chunk extension is malformed";
    state_ = State::extension;
  }
  return nullptr;
}

const char* ChunkedDecoder::end_size_line() {
  const uint64_t excess = uint64_t{extension_excess_} + extension_bytes_;
  extension_excess_ = static_cast<uint32_t>(excess - std::min(excess, chunk_left_));
  if (extension_excess_ > kExtensionExcessMax) return "the chunk extensions are too long";
  extension_bytes_ = 0;
  digits_ = 0;
  state_ = chunk_left_ == 0 ? State::trailer_start : State::data;
  return nullptr;
}

const char* ChunkedDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > kTrailerBytesMax) return "the trailers are too long";
  if (trailers_ == nullptr) trailers_ = std::make_unique<std::string>();
  *trailers_ += c;
  return c == '\n' ? end_trailer_line() : nullptr;
}

const char* ChunkedDecoder::end_trailer_line() {
  const std::string_view line = std::string_view(*trailers_).substr(trailer_line_);
  http::Header header;
  if (const char* fault = check_trailer_line(line, header)) return fault;
  if (header.id != http::HeaderId::other) trailers_->resize(trailer_line_);
  trailer_line_ = static_cast<uint16_t>(trailers_->size());
  state_ = State::trailer_start;
  return nullptr;
}

void ChunkedDecoder::reset() {
  chunk_left_ = 0;
  extension_excess_ = 0;
  extension_bytes_ = trailer_bytes_ = trailer_line_ = 0;
  digits_ = 0;
  state_ = State::size_first;
  trailers_.reset();
}

size_t write_chunk_header(char* out, uint64_t size) {
  constexpr char kHex[] = "0123456789abcdef";
  char digits[16];
  size_t count = 0;
  do {
    digits[count++] = kHex[size & 15];
    size >>= 4;
  } while (size != 0);
  for (size_t i = 0; i < count; ++i) out[i] = digits[count - 1 - i];
  out[count] = '\r';
  out[count + 1] = '\n';
  return count + 2;
}

}  // namespace http1
