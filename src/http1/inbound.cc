#include "http1/inbound.h"

#include <algorithm>
#include <cerrno>

namespace http1 {

using base::Reason;

base::Error Inbound::cut_short() const {
  if (peer_ == base::Side::client) {
    return {Reason::client_disconnected, base::Side::client, base::Retry::never,
            "the client closed in mid-request"};
  }
  return {Reason::http_response_incomplete, base::Side::backend, base::Retry::never,
          "the backend closed before the end of its answer"};
}

base::Result<bool> Inbound::read_into(io::Buffer& buffer, size_t most) {
  std::span<char> tail = buffer.tail();
  io::IoResult got = stream_.read(tail.first(std::min(tail.size(), most)));
  switch (got.kind) {
    case io::IoResult::Kind::bytes:
      buffer.grew(got.count);
      bytes_read_ += got.count;
      return true;
    case io::IoResult::Kind::would_block:
      return false;
    case io::IoResult::Kind::end:
      peer_ended_ = true;
      return false;
    case io::IoResult::Kind::failed:
      break;
  }
  peer_ended_ = true;
  return base::fail(cut_short());
}

base::Result<std::optional<std::string_view>> Inbound::receive_head(uint32_t head_bytes_max) {
  for (;;) {
    std::string_view bytes = head_.filled().substr(head_used_);
    if (!bytes.empty()) {
      if (auto end = find_head_end(bytes, head_searched_)) {
        if (*end > head_bytes_max) break;
        head_used_ += *end;
        head_searched_ = 0;
        return bytes.substr(0, *end);
      }
      head_searched_ = bytes.size();
      if (bytes.size() > head_bytes_max) break;
    }
    if (peer_ended_) return base::fail(cut_short());
    if (!stream_.may_read()) return std::nullopt;
    // The smallest block first: most heads fit, and a client that dribbles one holds no more.
    if (head_.space() == 0 && !head_.reserve(head_.has_block() ? head_.size() : 1)) break;
    auto read = read_into(head_, SIZE_MAX);
    if (!read) return std::unexpected(read.error());
    if (!*read && !peer_ended_) return std::nullopt;
  }
  return base::fail({.reason = peer_ == base::Side::client ? Reason::request_head_too_large
                                                           : Reason::http_response_header_section_size,
                     .side = peer_,
                     .retry = base::Retry::never,
                     .detail = "the head is larger than the limit"});
}

void Inbound::start_body(http::BodyLength length) {
  pending_ = 0;
  switch (length.kind) {
    case http::BodyLength::Kind::none:
      state_ = State::ended;
      break;
    case http::BodyLength::Kind::sized:
      state_ = length.bytes == 0 ? State::ended : State::sized;
      left_ = length.bytes;
      break;
    case http::BodyLength::Kind::chunked:
      state_ = State::chunked;
      break;
    case http::BodyLength::Kind::until_close:
      state_ = State::until_close;
      break;
  }
  chunks_.reset();
}

void Inbound::switch_to_raw() {
  state_ = State::until_close;
  pending_ = 0;
}

std::string_view Inbound::unread() const {
  std::string_view behind_head = head_.filled().substr(head_used_);
  return behind_head.empty() ? body_.filled() : behind_head;
}

void Inbound::advance(size_t count) {
  if (head_used_ < head_.size()) {
    head_used_ += count;
  } else {
    body_.consume(count);
  }
}

base::Result<http::BodyBytes> Inbound::peek() {
  for (;;) {
    std::string_view bytes = unread();
    if (pending_ > 0) return http::BodyBytes{bytes.substr(0, pending_), false};
    if (state_ == State::ended) return http::BodyBytes{{}, true};
    if (!bytes.empty()) {
      switch (state_) {
        case State::sized: {
          size_t taken = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
          return http::BodyBytes{bytes.substr(0, taken), taken == left_};
        }
        case State::until_close:
          return http::BodyBytes{bytes, false};
        case State::chunked: {
          auto step = chunks_.decode(bytes);
          if (!step) {
            base::Error error = step.error();
            error.side = peer_;
            error.reason =
                peer_ == base::Side::client ? Reason::http_request_error : Reason::http_protocol_error;
            return base::fail(error);
          }
          if (step->done) state_ = State::ended;
          // Data stands at the end of what was consumed; the framing before it is passed over now.
          advance(step->consumed - step->data.size());
          pending_ = step->data.size();
          if (step->consumed > 0) continue;
          break;
        }
        case State::head:
        case State::ended:
          return http::BodyBytes{{}, true};
      }
    }
    if (peer_ended_) {
      if (state_ != State::until_close) return base::fail(cut_short());
      state_ = State::ended;
      continue;
    }
    if (!stream_.may_read()) return nothing_yet();
    // Framing that is still incomplete may stand in the head's buffer; it moves so that both parts are
    // adjacent.
    std::string_view rest = head_.filled().substr(head_used_);
    size_t wanted = state_ == State::sized && left_ <= io::kSmallBuffer ? io::kSmallBuffer : io::kLargeBuffer;
    if (!rest.empty()) {
      if (!body_.reserve(rest.size())) return base::fail(cut_short());
      body_.append(rest);
      head_used_ = head_.size();
    }
    if (!body_.reserve(body_.empty() ? wanted : 1)) return base::fail(cut_short());
    auto read = read_into(body_, SIZE_MAX);
    if (!read) return std::unexpected(read.error());
    if (!*read && !peer_ended_) return nothing_yet();
  }
}

// A body that dribbles in must not hold a large block while it waits.
http::BodyBytes Inbound::nothing_yet() {
  if (body_.empty()) body_.release();
  return {};
}

void Inbound::consume(size_t count) {
  advance(count);
  if (pending_ > 0) {
    pending_ -= count;
  } else if (state_ == State::sized) {
    left_ -= count;
    if (left_ == 0) state_ = State::ended;
  }
}

uint64_t Inbound::body_left() const {
  switch (state_) {
    case State::sized:
      return left_;
    case State::ended:
      return 0;
    default:
      return UINT64_MAX;
  }
}

void Inbound::next_message() {
  head_.consume(head_used_);
  if (head_.empty()) {
    head_.release();
    if (!body_.empty()) head_.swap(body_);
  }
  if (body_.empty()) body_.release();
  head_used_ = head_searched_ = pending_ = 0;
  bytes_read_ = head_.size();  // the next message's first bytes are already here
  state_ = State::head;
}

void Inbound::release_buffers() {
  head_.release();
  body_.release();
  head_used_ = head_searched_ = 0;
}

}  // namespace http1
