// Slow clients: many connections that each send one byte of a request's head a second and never finish it.
// The bytes of all are spread evenly over the second, so that what is measured beside them is the proxy, not
// a burst. A connection that the proxy closes is opened anew.
//   bench_dribble PORT CONNECTIONS RAMP_SECONDS [http|tls]
// The connections are opened evenly over the ramp; then it prints `ready` and goes on until it is ended, when
// it prints how many were closed on it. PORT 0: it dribbles into sockets of its own that nobody reads, which
// costs the machine what the dribbling itself costs and no proxy anything. With `tls` what is never finished
// is the first message of a handshake.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int kBacklog = 4096;

struct Connection {
  int socket = -1;
  size_t sent = 0;  // of the head
};

constexpr uint64_t kEnd = UINT64_MAX;  // what epoll reports besides connections, which it reports by number

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

class Dribbler {
 public:
  Dribbler(int port, size_t count, std::string head)
      : head_(std::move(head)), connections_(count), loop_(epoll_create1(EPOLL_CLOEXEC)) {
    there_.sin_family = AF_INET;
    there_.sin_port = htons(static_cast<uint16_t>(port));
    there_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }

  // Makes this program its own other end.
  bool listen_here() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto* here = reinterpret_cast<sockaddr*>(&there_);
    socklen_t size = sizeof(there_);
    return bind(listener_, here, size) == 0 && listen(listener_, kBacklog) == 0 &&
           getsockname(listener_, here, &size) == 0;
  }

  void watch(int descriptor, uint64_t source, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = source;
    epoll_ctl(loop_, EPOLL_CTL_ADD, descriptor, &event);
  }

  // One byte from each of the connections whose turn it is, the first one opened first.
  void dribble(size_t turns) {
    for (; turns > 0; --turns) {
      size_t number = next_++ % opened_;
      Connection& connection = connections_[number];
      if (connection.sent == head_.size()) reopen(number);
      send(connection.socket, head_.data() + connection.sent++, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }

  bool open_next() { return connect_one(opened_++); }
  size_t opened() const { return opened_; }
  size_t closed() const { return closed_; }

  // False when it is to end.
  bool take_events(int64_t wait_ns) {
    epoll_event events[256];
    timespec wait{.tv_sec = wait_ns / kNanosecondsPerSecond, .tv_nsec = wait_ns % kNanosecondsPerSecond};
    int count = epoll_pwait2(loop_, events, 256, &wait, nullptr);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kEnd) return false;
      ++closed_;
      reopen(events[i].data.u64);
    }
    return true;
  }

 private:
  bool connect_one(size_t number) {
    Connection& connection = connections_[number];
    connection = {.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (connect(connection.socket, reinterpret_cast<sockaddr*>(&there_), sizeof(there_)) != 0) return false;
    int one = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    // Whatever the other side says to half a request, it has tired of it.
    watch(connection.socket, number, EPOLLIN | EPOLLRDHUP | EPOLLET);
    if (listener_ >= 0) accept(listener_, nullptr, nullptr);
    return true;
  }

  void reopen(size_t number) {
    close(connections_[number].socket);
    connect_one(number);
  }

  std::string head_;
  std::vector<Connection> connections_;
  int loop_;
  int listener_ = -1;
  sockaddr_in there_{};
  size_t opened_ = 0;
  size_t next_ = 0;
  size_t closed_ = 0;
};

int make_end_descriptor() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  return signalfd(-1, &ends, SFD_CLOEXEC);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return fprintf(stderr, "bench_dribble PORT CONNECTIONS RAMP_SECONDS [http|tls]\n"), 2;
  const int port = atoi(argv[1]);
  const size_t count = strtoull(argv[2], nullptr, 10);
  const double ramp_ns = atof(argv[3]) * 1e9;
  // A record of 4,100 bytes that begins a ClientHello, or a head; long enough for more than an hour.
  const std::string hello("\x16\3\1\x10\4\1\0\x10\0\3\3", 11);
  const std::string head = "GET /slow HTTP/1.1\r\nHost: bench.test\r\nX-Padding: ";
  const bool is_tls = argc > 4 && argv[4] == std::string_view("tls");
  Dribbler dribbler(port, count, (is_tls ? hello : head) + std::string(4000, 'x'));
  if (port == 0 && !dribbler.listen_here()) return perror("listen"), 1;

  dribbler.watch(make_end_descriptor(), kEnd, EPOLLIN);
  prctl(PR_SET_TIMERSLACK, 1);  // nanosecond; the usual 50 µs would gather the bytes into bursts
  const int64_t tick_ns = kNanosecondsPerSecond / static_cast<int64_t>(count);  // between two bytes

  const int64_t start = now();
  int64_t last = start;
  double owed = 0;  // bytes that are due
  while (dribbler.take_events(tick_ns)) {
    const int64_t time = now();
    const double ramped = std::min(1.0, static_cast<double>(time - start) / ramp_ns);
    while (dribbler.opened() < static_cast<size_t>(ramped * static_cast<double>(count))) {
      if (!dribbler.open_next()) return perror("connect"), 1;
      if (dribbler.opened() == count) puts("ready"), fflush(stdout);
    }
    owed += static_cast<double>(time - last) * 1e-9 * static_cast<double>(dribbler.opened());
    last = time;
    const auto turns = std::min(static_cast<size_t>(owed), dribbler.opened());
    dribbler.dribble(turns);
    owed -= static_cast<double>(turns);
  }
  printf("%zu\n", dribbler.closed());
}
