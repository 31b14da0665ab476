#include "http2/client_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace http2 {

ClientConnection::ClientConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream,
                                   const ClientSettings& settings)
    : Session(loop, std::move(stream), base::Side::backend), settings_(settings) {
  ended_ = !open();
  tasks_.spawn(write_frames());
  tasks_.spawn(receive());
}

ClientConnection::~ClientConnection() { tasks_.cancel_all(); }

bool ClientConnection::gone_stale() const {
  return ended_ || broken() || terminated() || goaway_received_ || stream().peer_gone();
}

bool ClientConnection::can_open() const {
  if (gone_stale() || nghttp2_session_check_request_allowed(nghttp2()) == 0) return false;
  const uint32_t allowed =
      nghttp2_session_get_remote_settings(nghttp2(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return in_use_ < std::min(allowed, kBackendStreamsMax);
}

bool ClientConnection::takes_upgrades() const {
  return nghttp2_session_get_remote_settings(nghttp2(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

std::unique_ptr<ClientStream> ClientConnection::open_stream() {
  if (!can_open()) return nullptr;
  auto stream = std::make_unique<ClientStream>(*this);
  attach(*stream, -1);
  ++in_use_;
  return stream;
}

void ClientConnection::release_stream(ClientStream& stream) {
  if (!std::exchange(stream.counted_, false)) return;
  --in_use_;
  changed_.notify_all();
}

void ClientConnection::stream_ended(Channel& channel) { release_stream(static_cast<ClientStream&>(channel)); }

void ClientConnection::head_arrived(int32_t, Channel* channel, EndStream end) {
  if (channel == nullptr) return;
  ClientStream& stream = static_cast<ClientStream&>(*channel);
  if (stream.final_head_seen()) {
    trailers_arrived(stream);
  } else {
    stream.take_head(std::move(head_text()), end);
  }
}

io::Task<> ClientConnection::receive() {
  for (;;) {
    const Read read = read_some();
    if (read == Read::ended || settled()) break;
    if (read == Read::more) {
      co_await io::Yield(loop());
    } else {
      co_await io::wait_for(loop(), base::kNever, stream().readable(), stream().gone(), wake_);
    }
  }
  ended_ = true;
  fail_channels();
  changed_.notify_all();
}

}  // namespace http2
