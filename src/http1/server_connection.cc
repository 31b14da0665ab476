#include "http1/server_connection.h"

#include <algorithm>
#include <array>

namespace http1 {

using base::Reason;
using base::Result;

namespace {

// What of HTTP/2's preface looks like a head (RFC 9113 §3.4).
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\n";
// The status line and the headers that are the connection's own.
constexpr size_t kStatusLineRoom = 192;

size_t size_on_wire(const http::Headers& headers) {
  size_t bytes = 0;
  for (const http::Header& header : headers) bytes += header.name.size() + header.value.size() + 4;
  return bytes;
}

base::Error head_too_large() {
  return {Reason::http_response_header_section_size, base::Side::backend, base::Retry::never,
          "the answer's head does not fit the gate's buffer"};
}

}  // namespace

// Every idle client holds one: 1 KiB a connection in all is the goal.
static_assert(sizeof(ServerConnection) <= 128);

ServerConnection::ServerConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream,
                                   const io::Address& peer)
    : loop_(loop), stream_(std::move(stream)), peer_(peer) {}

io::Task<> ServerConnection::serve(http::RequestHandler& handler) {
  handler_ = &handler;
  Result<std::string_view> bytes;
  while (co_await await_request(handler, bytes)) {
    if (look_for_http2_ && !served_one_ && bytes && *bytes == kHttp2Preface) {
      found_http2_ = true;
      co_return;
    }
    received_ = loop_.now();
    head_.make();
    response_started_ = finished_ = continue_sent_ = ends_with_connection_ = false;
    flow_->out.start_message();
    Result<> parsed;
    if (bytes) {
      parsed = parse_request_head(*bytes, handler.limits().head, *head_);
    } else {
      parsed = std::unexpected(bytes.error());
    }
    if (parsed) {
      keep_alive_ = head_->keep_alive;
      flow_->in.start_body(head_->body);
      co_await handler.serve(*this);
    } else {
      keep_alive_ = false;
      // RFC 9110 §9.3.2: the refusal of a HEAD has no content either, if that much could be read.
      const http::Method method = bytes ? head_->method : http::Method::other;
      head_->clear();
      head_->method = method;
      flow_->in.start_body({});
      co_await handler.refuse(*this, parsed.error());
    }
    if (aborted_ || raw_ || !finished_) break;
    if (!keep_alive_ || (!flow_->in.body_ended() && !co_await drain_body(handler))) {
      co_await linger(handler);
      break;
    }
    flow_->in.next_message();
    head_.reset();
    served_one_ = true;
    // A client that pipelines without end must not keep the others waiting.
    if (flow_->in.any_bytes()) co_await io::Yield(loop_);
  }
}

Result<std::optional<std::string_view>> ServerConnection::receive_head(uint32_t head_bytes_max) {
  if (!flow_) {
    if (!stream_->may_read()) return std::nullopt;
    flow_.make(loop_, *stream_);
  }
  auto bytes = flow_->in.receive_head(head_bytes_max);
  if (bytes && !*bytes && !flow_->in.any_bytes()) flow_.reset();
  return bytes;
}

// False when the connection is over. Else head_bytes is a complete head, or why there is none to be had.
io::Task<bool> ServerConnection::await_request(http::RequestHandler& handler,
                                               Result<std::string_view>& head_bytes) {
  // The handler's limits are asked for each time: a reload replaces them while a connection waits.
  began_ = {};
  base::Instant asked = loop_.now();
  base::Instant deadline = asked + handler.limits().idle_timeout;
  for (;;) {
    auto bytes = receive_head(handler.limits().head.head_bytes_max);
    if (flow_ && !began_.reached()) {
      began_ = loop_.now();
      deadline = began_ + handler.limits().head_timeout;
    }
    if (!bytes) {
      // A client that leaves in the middle of a head has asked for nothing.
      if (bytes.error().reason == Reason::client_disconnected) co_return false;
      head_bytes = std::unexpected(bytes.error());
      co_return true;
    }
    if (*bytes) {
      head_bytes = **bytes;
      co_return true;
    }
    idle_ = !began_.reached();
    if (idle_ && handler.draining()) {
      if (served_one_) co_return false;
      deadline = std::min(deadline, asked + kFirstRequestPatience);
    }
    io::Wake wake = co_await io::wait_for(loop_, deadline, stream_->readable(), drain_requested_);
    idle_ = false;
    if (wake == io::Wake::timed_out) {
      if (!began_.reached()) co_return false;
      head_bytes = base::client_error(Reason::request_timeout, "the head did not arrive in time");
      co_return true;
    }
  }
}

// The handler answered without reading the whole body. A short rest is read so that the connection can go on.
io::Task<bool> ServerConnection::drain_body(http::RequestHandler& handler) {
  base::Instant deadline = loop_.now() + handler.limits().linger_timeout;
  for (uint64_t drained = 0; drained <= kDrainBytesMax;) {
    auto got = flow_->in.peek();
    if (!got) co_return false;
    flow_->in.consume(got->bytes.size());
    drained += got->bytes.size();
    if (got->end) co_return true;
    if (!got->bytes.empty()) continue;
    if (co_await io::wait_for(loop_, deadline, stream_->readable()) == io::Wake::timed_out) co_return false;
  }
  co_return false;
}

// RFC 9112 §9.6: closing with input unread would reset the connection and might destroy the answer on its
// way.
io::Task<> ServerConnection::linger(http::RequestHandler& handler) {
  stream_->shutdown_write();
  base::Instant deadline = loop_.now() + handler.limits().linger_timeout;
  flow_.reset();
  head_.reset();
  io::Buffer discarded;
  for (uint64_t bytes = 0; bytes < kLingerBytesMax;) {
    if (!discarded.reserve(io::kSmallBuffer)) co_return;
    io::IoResult got = stream_->read(discarded.tail());
    if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) co_return;
    bytes += got.count;
    if (got.kind == io::IoResult::Kind::bytes) {
      co_await io::Yield(loop_);
      continue;
    }
    discarded.release();
    if (co_await io::wait_for(loop_, deadline, stream_->readable()) == io::Wake::timed_out) co_return;
  }
}

void ServerConnection::put_status_line(uint16_t status) {
  flow_->out.put("HTTP/1.1 ");
  flow_->out.put_number(status);
  flow_->out.put(" ");
  flow_->out.put(http::default_reason_phrase(status));
  flow_->out.put("\r\n");
}

Result<> ServerConnection::send_interim(uint16_t status, const http::Headers& headers) {
  // RFC 9110 §15.2: never to an HTTP/1.0 client.
  if (head_->version == http::Version::http10) return {};
  if (!flow_->out.reserve(kStatusLineRoom + size_on_wire(headers))) return base::fail(head_too_large());
  put_status_line(status);
  continue_sent_ |= status == 100;
  for (const http::Header& header : headers) flow_->out.put_header(header.name, header.value);
  flow_->out.put("\r\n");
  if (auto flushed = flow_->out.flush(); !flushed) return std::unexpected(flushed.error());
  return {};
}

void ServerConnection::choose_keep_alive(const http::ResponseStart& start) {
  const http::RequestHead& request = *head_;
  if (handler_->draining()) keep_alive_ = false;
  bool unknown_length = start.body.kind == http::BodyLength::Kind::chunked ||
                        start.body.kind == http::BodyLength::Kind::until_close;
  // Only the end of the connection can tell an HTTP/1.0 client where such a body ends.
  if (unknown_length && request.version == http::Version::http10) keep_alive_ = false;
  if (!flow_->in.body_ended()) {
    // A body that will not be read whole cannot be followed by another request; nor can one that a client
    // waiting for 100 may or may not send now.
    bool dropped = start.request_body == http::RequestBody::dropped && flow_->in.body_left() > kDrainBytesMax;
    if (dropped || (request.expect_continue && !continue_sent_)) keep_alive_ = false;
  }
}

Result<> ServerConnection::start_response(const http::ResponseStart& start) {
  using Kind = http::BodyLength::Kind;
  const http::RequestHead& request = *head_;
  if (!flow_->out.reserve(kStatusLineRoom + start.upgrade.size() + size_on_wire(*start.headers))) {
    return base::fail(head_too_large());
  }
  response_started_ = true;
  choose_keep_alive(start);
  put_status_line(start.status);
  for (const http::Header& header : *start.headers) flow_->out.put_header(header.name, header.value);
  if (start.status == 101) {
    flow_->out.put("Connection: upgrade\r\nUpgrade: ");
    flow_->out.put(start.upgrade);
    flow_->out.put("\r\n\r\n");
    flow_->out.start_body(Outbound::Framing::none);
    return {};
  }

  bool never_a_body = start.status == 204 || start.status == 304;
  bool body_left_out = never_a_body || request.method == http::Method::head;
  bool old_client = request.version == http::Version::http10;
  Outbound::Framing framing = Outbound::Framing::plain;
  if (start.body.kind == Kind::sized || (start.body.kind == Kind::none && !body_left_out)) {
    if (start.status != 204) {  // RFC 9110 §8.6
      flow_->out.put("Content-Length: ");
      flow_->out.put_number(start.body.bytes);
      flow_->out.put("\r\n");
    }
  } else if (start.body.kind != Kind::none && !old_client && !never_a_body) {
    flow_->out.put("Transfer-Encoding: chunked\r\n");
    framing = Outbound::Framing::chunked;
  } else {
    ends_with_connection_ = true;
  }
  if (!keep_alive_) {
    flow_->out.put("Connection: close\r\n");
  } else if (old_client) {
    flow_->out.put("Connection: keep-alive\r\n");
  }
  flow_->out.put("\r\n");
  flow_->out.start_body(body_left_out ? Outbound::Framing::none : framing);
  return {};
}

Result<> ServerConnection::finish(std::string_view trailers) {
  finished_ = true;
  if (raw_) {
    flow_->out.shutdown_when_flushed();
    return {};
  }
  return flow_->out.finish(trailers);
}

void ServerConnection::switch_to_raw() {
  raw_ = true;
  flow_->in.switch_to_raw();
  flow_->out.start_body(Outbound::Framing::plain);
}

// A client can tell from the framing that a sized or chunked body is short; only where the end of the
// connection is the end of the body must that end be a reset.
void ServerConnection::abort() {
  aborted_ = true;
  keep_alive_ = false;
  if (!response_started_ || ends_with_connection_ || raw_) {
    stream_->reset_on_close();
  } else {
    static_cast<void>(flow_->out.flush_now());
  }
}

}  // namespace http1
