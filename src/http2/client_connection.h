// A connection to a backend that speaks HTTP/2: many requests at once, each a ClientStream. Who may open one
// when is the pool's business (backends/). Reads and writes by itself; outlives no stream unasked: those left
// when it is destroyed fail.
#pragma once

#include <memory>
#include <string_view>

#include "http2/client_stream.h"
#include "http2/session.h"
#include "io/broadcast.h"

namespace http2 {

struct ClientSettings {
  http::HeadLimits head;             // of answers
  std::string_view scheme = "http";  // a literal: "https" over TLS
};

class ClientConnection final : private Session {
 public:
  // stream is connected.
  ClientConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const ClientSettings& settings);
  ~ClientConnection() override;

  // A further request may be sent now: the backend allows it and the connection goes on.
  bool can_open() const;
  // Null unless can_open().
  std::unique_ptr<ClientStream> open_stream();
  // Streams that have not ended.
  uint32_t in_use() const { return in_use_; }
  // No stream will be opened any more: the backend has left or said that it will. Those open may go on; it is
  // done with once in_use() is 0.
  bool gone_stale() const;
  // The backend has said what it allows; until then assumptions hold.
  bool settings_known() const { return peer_settled_; }
  // It takes WebSocket over a stream (RFC 8441).
  bool takes_upgrades() const;
  // A stream has come free, or the backend has changed its mind about how many there may be, or gone stale.
  io::Broadcast& changed() { return changed_; }

 private:
  friend class ClientStream;

  const http::HeadLimits& head_limits() const override { return settings_.head; }
  void head_arrived(int32_t id, Channel* channel, EndStream end) override;
  void settings_arrived() override { changed_.notify_all(); }
  void goaway_arrived() override { changed_.notify_all(); }
  void stream_ended(Channel& channel) override;
  void release_stream(ClientStream& stream);

  io::Task<> receive();

  ClientSettings settings_;
  uint32_t in_use_ = 0;
  bool ended_ = false;
  io::Broadcast changed_;
  io::Scope tasks_;
};

}  // namespace http2
