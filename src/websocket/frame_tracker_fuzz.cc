// Any bytes as a stream of frames, from either side: however they are cut the tracker says the same, and
// where it says boundary a frame put between is seen as one and changes nothing else. The first byte chooses
// the side and the cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "websocket/frame_tracker.h"

namespace {

using websocket::FrameTracker;

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const FrameTracker& a, const FrameTracker& b) {
  return a.at_boundary() == b.at_boundary() && a.message_open() == b.message_open() &&
         a.broken() == b.broken() && a.close_seen() == b.close_seen() && a.close_code() == b.close_code() &&
         a.messages() == b.messages() && a.pings() == b.pings() && a.pongs() == b.pongs();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const base::Side sender = data[0] & 1 ? base::Side::client : base::Side::backend;
  const size_t piece = 1 + (data[0] >> 1) % 16;
  const std::string_view ping =
      sender == base::Side::client ? std::string_view("\x89\x80\0\0\0\0", 6) : std::string_view("\x89\0", 2);
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  FrameTracker whole(sender), pieces(sender), frames(sender), with_pings(sender);
  whole.follow(bytes);
  for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
    pieces.follow(rest.substr(0, piece));
  }
  require(same(whole, pieces));
  uint64_t put = 0;
  for (std::string_view rest = bytes; !rest.empty();) {
    if (with_pings.at_boundary()) {
      with_pings.follow(ping);
      ++put;
    }
    const size_t frame = std::max<size_t>(frames.until_boundary(rest), 1);
    require(frame <= rest.size());
    frames.follow(rest.substr(0, frame));
    with_pings.follow(rest.substr(0, frame));
    // One byte into a frame tells until_boundary of the rest of it.
    require(with_pings.pings() == frames.pings() + put);
    require(with_pings.messages() == frames.messages() && with_pings.broken() == frames.broken());
    rest.remove_prefix(frame);
  }
  require(same(whole, frames));
  require(!(whole.at_boundary() && (whole.broken() || whole.close_seen())));
  return 0;
}
