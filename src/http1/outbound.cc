#include "http1/outbound.h"

#include <algorithm>
#include <cerrno>

#include "http1/codec.h"

namespace http1 {

using base::Reason;

base::Error Outbound::failed(int error) const {
  if (peer_ == base::Side::client) {
    return {Reason::client_disconnected, base::Side::client, base::Retry::never, "the client went away"};
  }
  // Nothing of this message ever left: the backend cannot have seen it.
  return {Reason::connection_terminated, base::Side::backend,
          bytes_sent_ == 0 ? base::Retry::safe : base::Retry::never,
          "the backend closed while it was written to"};
}

void Outbound::put_number(uint64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  buffer_.append(std::string_view(digits + at, sizeof digits - at));
}

base::Result<size_t> Outbound::send_through(std::string_view bytes) {
  iovec pieces[2];
  size_t count = 0;
  std::string_view held = buffer_.filled();
  if (!held.empty()) pieces[count++] = {const_cast<char*>(held.data()), held.size()};
  if (!bytes.empty()) pieces[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
  if (count == 0) return 0;
  io::IoResult sent = stream_.write(std::span(pieces, count));
  if (sent.kind == io::IoResult::Kind::would_block) return 0;
  if (sent.kind != io::IoResult::Kind::bytes) {
    error_ = sent.error;
    return base::fail(failed(sent.error));
  }
  bytes_sent_ += sent.count;
  size_t of_held = std::min(sent.count, held.size());
  buffer_.consume(of_held);
  return sent.count - of_held;
}

base::Result<size_t> Outbound::write(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (framing_ == Framing::chunked && chunk_left_ == 0) {
    if (!buffer_.reserve(kFramingRoom)) return 0;
    char line[32];
    buffer_.append(std::string_view(line, write_chunk_header(line, bytes.size())));
    chunk_left_ = bytes.size();
  }
  if (framing_ == Framing::chunked) {
    bytes = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(bytes.size(), chunk_left_)));
  }
  size_t taken;
  if (bytes.size() <= kGather && buffer_.size() + bytes.size() + kFramingRoom <= io::kSmallBuffer &&
      buffer_.reserve(bytes.size() + kFramingRoom)) {
    buffer_.append(bytes);
    taken = bytes.size();
  } else {
    auto sent = send_through(bytes);
    if (!sent) return sent;
    taken = *sent;
  }
  if (framing_ == Framing::chunked) {
    chunk_left_ -= taken;
    if (chunk_left_ == 0) {
      if (!buffer_.reserve(kFramingRoom)) return base::fail(failed(0));
      buffer_.append("\r\n");
    }
  }
  return taken;
}

base::Result<> Outbound::finish(std::string_view trailers) {
  if (framing_ == Framing::chunked) {
    // Within a chunk that was announced, the end would be read as part of it.
    if (chunk_left_ > 0) return base::fail(failed(0));
    if (!buffer_.reserve(trailers.size() + kFramingRoom)) return base::fail(failed(0));
    buffer_.append("0\r\n");
    buffer_.append(trailers);
    buffer_.append("\r\n");
  }
  framing_ = Framing::none;
  return {};
}

base::Result<bool> Outbound::flush() {
  if (error_ != 0) return base::fail(failed(error_));
  if (buffer_.empty() || !loop_.others_to_run()) return flush_now();
  loop_.put_off(*this);
  return false;
}

void Outbound::at_turn_end() {
  auto flushed = flush_now();
  if (!flushed || *flushed) stream_.writable().fire();
}

base::Result<bool> Outbound::flush_now() {
  if (!buffer_.empty()) {
    auto sent = send_through({});
    if (!sent) return std::unexpected(sent.error());
    if (!buffer_.empty()) return false;
    buffer_.release();  // a connection that waits holds no memory
  }
  if (shutdown_) {
    shutdown_ = false;
    stream_.shutdown_write();
  }
  return true;
}

}  // namespace http1
