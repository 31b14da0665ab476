// For the tests of this folder: a client that says exactly what the test wants, right or wrong, to our server
// in a simulated world, and tells what it hears.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http2/server_connection.h"
#include "http2/test_site.h"
#include "io/sim.h"

struct nghttp2_hd_inflater;

namespace http2 {

// RFC 9113 §4.1, §6, §7.
enum FrameType : uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoaway,
  kWindowUpdate,
  kContinuation,
  kPriorityUpdate = 0x10
};
enum FrameFlag : uint8_t { kNoFlag = 0, kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8 };

struct Frame {
  uint8_t type;
  uint8_t flags;
  uint32_t id;
  std::string payload;
};
std::string bytes_of(const Frame& frame);
std::string number(uint32_t value);  // four bytes, network order

using FieldList = std::vector<std::pair<std::string, std::string>>;
// HPACK literals without indexing or Huffman.
std::string packed(const FieldList& fields);
FieldList get(std::string path = "/echo", FieldList more = {});
std::string request(uint32_t id, const FieldList& fields, uint8_t flags = kEndStream | kEndHeaders);
// Preface and empty SETTINGS.
std::string hello();

struct RawWorld {
  explicit RawWorld(size_t window = 1 << 20);
  ~RawWorld();

  void say(std::string bytes, base::Duration wait = base::milliseconds(50));
  // Frames heard since the last call, without SETTINGS, WINDOW_UPDATE and acknowledgements:
  // "HEADERS 1 200", "DATA 1 5 end", "RST_STREAM 1 PROTOCOL_ERROR", "GOAWAY 1 NO_ERROR"; then "closed".
  std::vector<std::string> heard();
  // The last GOAWAY's code so far, or "none".
  std::string goaway() const { return goaway_; }
  bool ended() const { return server == nullptr; }
  void stop_reading() { reading_ = false; }

  io::SimWorld sim{1};
  struct Weather final : io::SimWeather {
    io::SimLinkPlan plan(const io::Address&, io::SimRandom&) override { return link; }
    io::SimLinkPlan link;
  } weather;
  Site site{sim.loop};
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<io::Stream> client;
  std::unique_ptr<ServerConnection> server;
  std::string received;
  size_t acks_heard = 0;

 private:
  io::Task<> serve();
  io::Task<> receive();
  io::Task<> send(std::string bytes);
  std::string tell(const Frame& frame);

  bool reading_ = true;
  bool closed_ = false;
  std::string goaway_ = "none";
  nghttp2_hd_inflater* inflater_ = nullptr;
  io::Scope scope_;
};

}  // namespace http2
