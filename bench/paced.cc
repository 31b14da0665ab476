// A client that asks at a fixed rate, whatever the answers' speed, and counts latency from the moment a
// request was due. (A client that waits for an answer before asking again hides the very delays one wants to
// see.)
//   bench_paced PORT RATE SECONDS CONNECTIONS PATH [HEADER...]
// Prints one JSON line: requests, failed, and p50, p90, p99, p999 and max in microseconds.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr double kWarmUpShare = 0.1;  // of the requests, not counted

struct Connection {
  int socket = -1;
  std::deque<int64_t> due;  // requests asked for and not answered, oldest first; at most one is on the wire
  std::string input;
  bool is_asking = false;
};

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

// The size of the first whole answer in data; 0 when it is not whole.
size_t answer_size(std::string_view data) {
  size_t end = data.find("\r\n\r\n");
  if (end == data.npos) return 0;
  std::string_view head = data.substr(0, end + 2);
  size_t length = 0;
  for (std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
    size_t at = head.find(name);
    if (at != head.npos) length = strtoull(head.data() + at + name.size(), nullptr, 10);
  }
  size_t size = end + 4 + length;
  return data.size() >= size ? size : 0;
}

class Run {
 public:
  Run(int loop, std::string request) : loop_(loop), request_(std::move(request)) {}

  bool connect_all(int port, size_t count) {
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(static_cast<uint16_t>(port));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connections_.resize(count);
    for (Connection& connection : connections_) {
      connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(connection.socket, reinterpret_cast<sockaddr*>(&there), sizeof(there)) != 0) return false;
      int one = 1;
      setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &connection;
      epoll_ctl(loop_, EPOLL_CTL_ADD, connection.socket, &event);
    }
    return true;
  }

  void ask(size_t number, int64_t due) {
    Connection& connection = connections_[number % connections_.size()];
    connection.due.push_back(due);
    if (!connection.is_asking) send_next(connection);
  }

  void take_answers(int64_t wait_ns) {
    epoll_event events[64];
    timespec wait{.tv_sec = wait_ns / kNanosecondsPerSecond, .tv_nsec = wait_ns % kNanosecondsPerSecond};
    int count = epoll_pwait2(loop_, events, 64, &wait, nullptr);
    for (int i = 0; i < count; ++i) take_answer(*static_cast<Connection*>(events[i].data.ptr));
  }

  bool is_done() const {
    return std::ranges::all_of(connections_, [](const Connection& c) { return c.due.empty(); });
  }

  void print() {
    latencies_.erase(
        latencies_.begin(),
        latencies_.begin() + static_cast<long>(static_cast<double>(latencies_.size()) * kWarmUpShare));
    std::ranges::sort(latencies_);
    auto at = [&](double share) {
      if (latencies_.empty()) return 0.0;
      auto index = static_cast<size_t>(share * static_cast<double>(latencies_.size() - 1));
      return static_cast<double>(latencies_[index]) / 1000.0;
    };
    printf(
        "{\"requests\": %zu, \"failed\": %zu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, "
        "\"max\": %.1f}\n",
        latencies_.size(), failed_, at(0.5), at(0.9), at(0.99), at(0.999), at(1));
  }

 private:
  void send_next(Connection& connection) {
    connection.is_asking = true;
    if (send(connection.socket, request_.data(), request_.size(), MSG_NOSIGNAL) < 0) give_up(connection);
  }

  void give_up(Connection& connection) {
    failed_ += connection.due.size();
    connection.due.clear();
    epoll_ctl(loop_, EPOLL_CTL_DEL, connection.socket, nullptr);
  }

  void take_answer(Connection& connection) {
    char buffer[16 * 1024];
    ssize_t count = recv(connection.socket, buffer, sizeof(buffer), 0);
    if (count <= 0) return give_up(connection);
    connection.input.append(buffer, static_cast<size_t>(count));
    size_t size = answer_size(connection.input);
    if (size == 0 || connection.due.empty()) return;
    if (!connection.input.starts_with("HTTP/1.1 2")) ++failed_;
    connection.input.erase(0, size);
    latencies_.push_back(now() - connection.due.front());
    connection.due.pop_front();
    connection.is_asking = false;
    if (!connection.due.empty()) send_next(connection);
  }

  int loop_;
  std::string request_;
  std::vector<Connection> connections_;
  std::vector<int64_t> latencies_;
  size_t failed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return fprintf(stderr, "bench_paced PORT RATE SECONDS CONNECTIONS PATH [HEADER...]\n"), 2;
  double rate = atof(argv[2]);
  auto total = static_cast<size_t>(rate * atof(argv[3]));
  std::string request = std::string("GET ") + argv[5] + " HTTP/1.1\r\nHost: bench.test\r\n";
  for (int i = 6; i < argc; ++i) request += std::string(argv[i]) + "\r\n";
  Run run(epoll_create1(EPOLL_CLOEXEC), request + "\r\n");
  if (!run.connect_all(atoi(argv[1]), static_cast<size_t>(atoi(argv[4])))) return perror("connect"), 1;

  int64_t start = now();
  int64_t patience = start + static_cast<int64_t>((atof(argv[3]) + 10) * 1e9);
  size_t asked = 0;
  while (asked < total || !run.is_done()) {
    int64_t time = now();
    if (time > patience) break;
    while (asked < total) {
      int64_t due = start + static_cast<int64_t>(static_cast<double>(asked) * 1e9 / rate);
      if (due > time) break;
      run.ask(asked++, due);
    }
    int64_t next = start + static_cast<int64_t>(static_cast<double>(asked) * 1e9 / rate);
    run.take_answers(asked < total ? std::max<int64_t>(0, next - now()) : 50'000'000);
  }
  run.print();
}
