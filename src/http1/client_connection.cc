#include "http1/client_connection.h"

namespace http1 {

using base::Reason;
using base::Result;

ClientConnection::ClientConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream,
                                   const http::HeadLimits& limits)
    : stream_(std::move(stream)),
      limits_(limits),
      in_(*stream_, base::Side::backend),
      out_(loop, *stream_, base::Side::backend) {}

Result<> ClientConnection::start_request(const http::RequestStart& start) {
  size_t room = 256 + start.method.size() + start.path.size() + start.query.size() + start.authority.size() +
                start.upgrade.size();
  for (const http::Header& header : *start.headers) room += header.name.size() + header.value.size() + 4;
  if (!out_.reserve(room)) {
    return base::client_error(Reason::request_head_too_large,
                              "the head to forward does not fit the gate's buffer");
  }
  method_ = start.method_kind;
  interim_seen_ = final_head_ = request_finished_ = raw_ = false;
  out_.start_message();
  out_.put(start.method);
  out_.put(" ");
  out_.put(start.path);
  if (start.has_query) {
    out_.put("?");
    out_.put(start.query);
  }
  out_.put(" HTTP/1.1\r\n");
  out_.put_header("Host", start.authority);
  for (const http::Header& header : *start.headers) out_.put_header(header.name, header.value);
  Outbound::Framing framing = Outbound::Framing::none;
  if (start.body.kind == http::BodyLength::Kind::sized) {
    out_.put("Content-Length: ");
    out_.put_number(start.body.bytes);
    out_.put("\r\n");
    framing = Outbound::Framing::plain;
  } else if (start.body.kind != http::BodyLength::Kind::none) {
    out_.put("Transfer-Encoding: chunked\r\n");
    framing = Outbound::Framing::chunked;
  }
  if (!start.upgrade.empty()) {
    out_.put("Connection: upgrade\r\n");
    out_.put_header("Upgrade", start.upgrade);
  }
  out_.put("\r\n");
  out_.start_body(framing);
  return {};
}

Result<bool> ClientConnection::receive_head(http::ResponseHead& into) {
  auto bytes = in_.receive_head(limits_.head_bytes_max);
  if (!bytes) {
    if (bytes.error().reason == Reason::http_response_incomplete && !answer_began()) {
      return base::backend_error(Reason::connection_terminated, "the backend closed before answering");
    }
    return std::unexpected(bytes.error());
  }
  if (!*bytes) return false;
  into.clear();
  if (auto parsed = parse_response_head(**bytes, limits_, method_, into); !parsed) {
    return std::unexpected(parsed.error());
  }
  if (into.status >= 200 || into.status == 101) {
    final_head_ = true;
    keep_alive_ = into.keep_alive && into.body.kind != http::BodyLength::Kind::until_close;
    in_.start_body(into.body);
  } else {
    interim_seen_ = true;
  }
  return true;
}

Result<> ClientConnection::finish(std::string_view trailers) {
  request_finished_ = true;
  if (raw_) {
    out_.shutdown_when_flushed();
    return {};
  }
  return out_.finish(trailers);
}

void ClientConnection::switch_to_raw() {
  raw_ = true;
  keep_alive_ = false;
  in_.switch_to_raw();
  out_.start_body(Outbound::Framing::plain);
}

bool ClientConnection::reusable() const {
  return final_head_ && keep_alive_ && request_finished_ && out_.empty() && in_.body_ended() &&
         in_.drained() && !in_.peer_ended() && !stream_->peer_gone();
}

bool ClientConnection::gone_stale() const {
  if (stream_->peer_gone()) return true;
  // A last read that happened to fill its buffer leaves it open whether there is more: look.
  char byte;
  return stream_->may_read() && stream_->read({&byte, 1}).kind != io::IoResult::Kind::would_block;
}

void ClientConnection::make_idle() {
  in_.next_message();
  in_.release_buffers();
  out_.release_buffers();
}

}  // namespace http1
