// bench_origin's side of HTTP/2 in clear text: enough of RFC 9113 for the proxies under measurement, at
// almost no cost. It reads frames' headers and nothing of what HPACK says, so a request with a body is taken
// for a unary gRPC call and one without for a GET. It believes its input: bodies and answers stay below a
// stream's window.
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>

class OriginHttp2 {
 public:
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  // Behind the preface; what is to be sent is appended to output.
  explicit OriginHttp2(std::string& output) : output_(output) {
    output_ += frame({.type = kSettings}, std::string_view("\0\3\0\0\1\0", 6));  // 256 streams at a time
  }

  // Takes the whole frames in data; what remains is an incomplete one.
  std::string_view take(std::string_view data) {
    while (data.size() >= kFrameHead) {
      const Head head = head_of(data);
      if (data.size() < kFrameHead + head.size) break;
      take_frame(head, data.substr(kFrameHead, head.size));
      data.remove_prefix(kFrameHead + head.size);
    }
    return data;
  }

 private:
  static constexpr size_t kFrameHead = 9;
  enum Type : uint8_t { kData = 0, kHeaders = 1, kSettings = 4, kPing = 6, kWindowUpdate = 8 };
  enum Flag : uint8_t { kAck = 1, kEndStream = 1, kEndHeaders = 4 };
  static constexpr uint32_t kGiveBackAt = 16 * 1024;  // received bytes

  struct Head {
    size_t size = 0;
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t stream = 0;
  };

  static uint32_t number(std::string_view bytes) {
    uint32_t out = 0;
    for (char byte : bytes) out = out << 8 | static_cast<uint8_t>(byte);
    return out;
  }
  static void put_number(char* at, uint32_t value) {
    value = htonl(value);
    memcpy(at, &value, sizeof(value));
  }
  static std::string number_of(uint32_t value) {
    std::string out(sizeof(value), '\0');
    put_number(out.data(), value);
    return out;
  }
  static Head head_of(std::string_view data) {
    return {.size = number(data.substr(0, 3)),
            .type = static_cast<uint8_t>(data[3]),
            .flags = static_cast<uint8_t>(data[4]),
            .stream = number(data.substr(5, 4))};
  }
  static std::string frame(const Head& head, std::string_view payload) {
    return number_of(static_cast<uint32_t>(payload.size())).substr(1) + static_cast<char>(head.type) +
           static_cast<char>(head.flags) + number_of(head.stream) + std::string(payload);
  }
  // RFC 7541 §6.2.2, the name by its place in the static table or spelt out.
  static std::string field(uint8_t place, std::string_view value) {
    return std::string("\x0f") + static_cast<char>(place - 15) + static_cast<char>(value.size()) +
           std::string(value);
  }
  static std::string field(std::string_view name, std::string_view value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
           static_cast<char>(value.size()) + std::string(value);
  }

  // A whole answer's frames; the stream's number is put in later, at each of places.
  struct Answer {
    std::string frames;
    size_t body = 0;
    size_t places[3] = {};
    size_t count = 0;

    void add(const Head& head, std::string_view payload) {
      places[count++] = frames.size() + 5;
      frames += frame(head, payload);
    }
  };
  static constexpr uint8_t kContentLength = 28, kContentType = 31;  // RFC 7541 appendix A

  static Answer make_plain() {
    const std::string body = std::string(127, 'x') + "\n";
    Answer out{.body = body.size()};
    out.add({.type = kHeaders, .flags = kEndHeaders},
            "\x88" + field(kContentType, "text/plain") + field(kContentLength, "128"));
    out.add({.type = kData, .flags = kEndStream}, body);
    return out;
  }
  static Answer make_grpc() {
    const std::string message = std::string("\0\0\0\0\x80", 5) + std::string(128, 'x');
    Answer out{.body = message.size()};
    out.add({.type = kHeaders, .flags = kEndHeaders}, "\x88" + field(kContentType, "application/grpc"));
    out.add({.type = kData}, message);
    out.add({.type = kHeaders, .flags = kEndHeaders | kEndStream}, field("grpc-status", "0"));
    return out;
  }

  void take_frame(const Head& head, std::string_view payload) {
    static const Answer plain = make_plain(), grpc = make_grpc();
    switch (head.type) {
      case kHeaders:
        if (head.flags & kEndStream) answer(plain, head.stream);
        break;
      case kData:
        given_ += static_cast<uint32_t>(head.size);
        if (given_ >= kGiveBackAt) {
          output_ += frame({.type = kWindowUpdate}, number_of(given_));
          given_ = 0;
        }
        if (head.flags & kEndStream) answer(grpc, head.stream);
        break;
      case kSettings:
        if (!(head.flags & kAck)) output_ += frame({.type = kSettings, .flags = kAck}, {});
        break;
      case kPing:
        if (!(head.flags & kAck)) output_ += frame({.type = kPing, .flags = kAck}, payload);
        break;
      case kWindowUpdate:
        if (head.stream == 0) window_ += number(payload);
        send_waiting();
        break;
      default:
        break;
    }
  }

  // Each whole, or not yet: peers give the window back long before it is used up.
  void answer(const Answer& with, uint32_t stream) {
    waiting_.push_back({&with, stream});
    send_waiting();
  }

  void send_waiting() {
    while (!waiting_.empty() && waiting_.front().with->body <= window_) {
      const auto [with, stream] = waiting_.front();
      waiting_.pop_front();
      window_ -= with->body;
      const size_t begin = output_.size();
      output_ += with->frames;
      for (size_t i = 0; i < with->count; ++i) put_number(output_.data() + begin + with->places[i], stream);
    }
  }

  struct Waiting {
    const Answer* with;
    uint32_t stream;
  };

  std::string& output_;
  std::deque<Waiting> waiting_;  // for the connection's window
  uint64_t window_ = 65'535;
  uint32_t given_ = 0;  // received bytes whose window is not given back
};
