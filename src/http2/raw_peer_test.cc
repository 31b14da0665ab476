#include "http2/raw_peer.h"

#include <nghttp2/nghttp2.h>

#include <array>

namespace http2 {

std::string number(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
  return out;
}

std::string bytes_of(const Frame& frame) {
  return number(static_cast<uint32_t>(frame.payload.size())).substr(1) + static_cast<char>(frame.type) +
         static_cast<char>(frame.flags) + number(frame.id) + frame.payload;
}

namespace {

void append_string(std::string& out, std::string_view text) {
  // RFC 7541 §5.1, a prefix of seven bits.
  size_t size = text.size();
  if (size < 127) {
    out += static_cast<char>(size);
  } else {
    out += char{127};
    for (size -= 127; size >= 128; size >>= 7) out += static_cast<char>((size & 127) | 128);
    out += static_cast<char>(size);
  }
  out += text;
}

}  // namespace

std::string packed(const FieldList& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += char{0};
    append_string(out, name);
    append_string(out, value);
  }
  return out;
}

FieldList get(std::string path, FieldList more) {
  FieldList fields = {
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", std::move(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

std::string request(uint32_t id, const FieldList& fields, uint8_t flags) {
  return bytes_of({kHeaders, flags, id, packed(fields)});
}

std::string hello() { return std::string(kPreface) + bytes_of({kSettings, kNoFlag, 0, ""}); }

RawWorld::RawWorld(size_t window) {
  weather.link.window = window;
  sim.network.set_weather(&weather);
  listener = sim.network.listen(io::sim_address(1, 80));
  int error = 0;
  client = sim.network.connect_from(io::sim_address(2, 5000), io::sim_address(1, 80), error);
  sim.run_until([&] {
    io::Address peer;
    if (auto far = listener->accept(peer, error)) {
      server = std::make_unique<ServerConnection>(sim.loop, std::move(far), peer);
    }
    return server != nullptr && client->connect_error() == 0;
  });
  nghttp2_hd_inflate_new(&inflater_);
  scope_.spawn(serve());
  scope_.spawn(receive());
}

RawWorld::~RawWorld() {
  scope_.cancel_all();
  nghttp2_hd_inflate_del(inflater_);
}

io::Task<> RawWorld::serve() {
  co_await server->serve(site);
  server.reset();
}

io::Task<> RawWorld::receive() {
  std::array<char, 20'000> bytes;
  for (;;) {
    io::IoResult got;
    if (reading_) got = client->read(bytes);
    if (got.kind == io::IoResult::Kind::bytes) received.append(bytes.data(), got.count);
    if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) {
      closed_ = true;
      co_return;
    }
    if (got.kind == io::IoResult::Kind::would_block)
      co_await io::wait_for(sim.loop, sim.loop.now() + base::seconds(1), client->readable());
  }
}

io::Task<> RawWorld::send(std::string bytes) {
  std::string_view left = bytes;
  while (!left.empty()) {
    iovec piece{const_cast<char*>(left.data()), left.size()};
    const io::IoResult sent = client->write({&piece, 1});
    if (sent.kind == io::IoResult::Kind::failed) co_return;
    left.remove_prefix(sent.count);
    if (sent.kind == io::IoResult::Kind::would_block)
      co_await io::wait_for(sim.loop, base::kNever, client->writable());
  }
}

void RawWorld::say(std::string bytes, base::Duration wait) {
  scope_.spawn(send(std::move(bytes)));
  sim.run_for(wait);
}

std::string RawWorld::tell(const Frame& frame) {
  const std::string at = " " + std::to_string(frame.id) + " ";
  const auto word = [&](size_t from) {
    uint32_t value = 0;
    for (size_t i = from; i < from + 4; ++i) value = value << 8 | static_cast<uint8_t>(frame.payload[i]);
    return value;
  };
  switch (frame.type) {
    case kHeaders: {
      std::string status;
      nghttp2_nv field;
      int flags = 0;
      auto* bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(frame.payload.data()));
      size_t left = frame.payload.size();
      for (;;) {
        const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, bytes, left, 1);
        if (used < 0) return "HEADERS" + at + "broken";
        bytes += used;
        left -= static_cast<size_t>(used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && status.empty()) {
          status.assign(reinterpret_cast<char*>(field.value), field.valuelen);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0 || (used == 0 && left == 0)) break;
      }
      nghttp2_hd_inflate_end_headers(inflater_);
      return "HEADERS" + at + status + ((frame.flags & kEndStream) != 0 ? " end" : "");
    }
    case kData:
      return "DATA" + at + std::to_string(frame.payload.size()) +
             ((frame.flags & kEndStream) != 0 ? " end" : "");
    case kRstStream:
      return "RST_STREAM" + at + nghttp2_http2_strerror(word(0));
    case kGoaway:
      goaway_ = nghttp2_http2_strerror(word(4));
      return "GOAWAY " + std::to_string(word(0) & 0x7FFFFFFF) + " " + goaway_;
    case kPing:
    case kSettings:
      acks_heard += (frame.flags & kAck) != 0;
      return (frame.flags & kAck) != 0 || frame.type == kSettings ? "" : "PING";
    default:
      return "";
  }
}

std::vector<std::string> RawWorld::heard() {
  std::vector<std::string> all;
  size_t at = 0;
  while (received.size() - at >= 9) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(received[at + i]); };
    const size_t size = static_cast<size_t>(byte(0)) << 16 | static_cast<size_t>(byte(1)) << 8 | byte(2);
    if (received.size() - at < 9 + size) break;
    const uint32_t id = static_cast<uint32_t>(byte(5)) << 24 | static_cast<uint32_t>(byte(6)) << 16 |
                        static_cast<uint32_t>(byte(7)) << 8 | byte(8);
    std::string told = tell({byte(3), byte(4), id, received.substr(at + 9, size)});
    if (!told.empty()) all.push_back(std::move(told));
    at += 9 + size;
  }
  received.erase(0, at);
  if (closed_) all.push_back("closed");
  return all;
}

}  // namespace http2
