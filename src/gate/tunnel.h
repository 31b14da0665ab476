// An upgraded connection (RFC 9110 §7.8) at work: bytes both ways until both sides have ended, one of them
// fails, nobody has spoken for too long, or whoever runs it wants its end. Of a WebSocket the frames are
// followed and never changed, so that the gate can say goodbye as the protocol has it. Made by the exchange,
// once the 101 is under way. Knows nothing of access, and never holds bytes back.
#pragma once

#include <array>
#include <optional>

#include "base/result.h"
#include "crypto/random.h"
#include "gate/relay.h"
#include "http/stream.h"
#include "io/task.h"
#include "websocket/close_frame.h"
#include "websocket/frame_tracker.h"

namespace gate {

// A connection that is half closed has this long for its other half.
inline constexpr base::Duration kTunnelHalfClosedPatience = base::seconds(60);
// What the gate ends has this long for the frame that is on its way to the client, for the close frames and
// for what the two sides answer to them.
inline constexpr base::Duration kTunnelFarewellPatience = base::seconds(5);

class Tunnel {
 public:
  enum class Protocol : uint8_t { websocket, other };

  struct Plan {
    io::Loop& loop;
    crypto::RandomSource& random;
    http::ServerStream& client;
    http::ClientStream& backend;
    Protocol protocol = Protocol::other;
    base::Duration idle_patience;   // of both directions together
    base::Duration write_patience;  // for the backend to take a byte
    SendPatience& send_patience;    // the same for the client
  };

  struct End {
    base::Error why{.reason = base::Reason::none};
    // parted: the client has been told all there is to tell. cut: its connection has to be broken off.
    enum class Manner : uint8_t { parted, cut } manner = Manner::parted;
  };

  // The plan's parts outlive the tunnel.
  explicit Tunnel(const Plan& plan);
  io::Task<End> run();
  // From beside run(), which then ends with it.
  struct Ending {
    base::Error why;
    websocket::Close to_client;
  };
  void end(const Ending& ending);

 private:
  // What passes on, to one of the two sides.
  class Direction final : public http::BodySink {
   public:
    Direction(Tunnel& tunnel, http::BodySource& from, http::BodySink& to, base::Side sender)
        : from(from), to(to), frames(sender), tunnel_(tunnel) {}
    base::Result<size_t> write(std::string_view bytes) override;
    base::Result<> finish(std::string_view trailers) override;
    base::Result<bool> flush() override { return to.flush(); }
    io::Signal& writable() override { return to.writable(); }

    http::BodySource& from;
    http::BodySink& to;
    websocket::FrameTracker frames;  // of a WebSocket: what has been passed on
    bool finished = false;           // past its last byte
    io::Task<> task;
    std::optional<base::Result<>> outcome;

   private:
    Tunnel& tunnel_;
  };

  // One side on its way to knowing that this is the end.
  struct Farewell {
    Direction& direction;
    enum class State : uint8_t { frame_under_way, close_frame, flushing, told, impossible } state;
    size_t size = 0;
    size_t sent = 0;
    bool moved = false;  // some of the frame under way; there may be more at hand
    std::array<char, websocket::kCloseFrameBytesMax> frame{};
    bool over() const { return state == State::told || state == State::impossible; }
  };

  io::Task<> relay_to_client();
  io::Task<> relay_to_backend();
  io::Task<End> part(Ending ending);
  // As far as it is possible now; each gives the state that follows.
  static void go_on(Farewell& farewell);
  static Farewell::State begin(const Direction& direction);
  static Farewell::State pass_rest_of_frame(Farewell& farewell);
  static Farewell::State write_close_frame(Farewell& farewell);
  static Farewell::State flush(Direction& direction);
  io::Task<> await_answers(base::Instant deadline);

  Plan plan_;
  base::Instant moved_;  // the last byte, in either direction
  std::optional<Ending> wanted_;
  io::Signal changed_;
  Direction down_;
  Direction up_;
};

}  // namespace gate
