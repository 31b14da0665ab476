// A backend that costs almost nothing, so that a benchmark measures the proxy: one thread, edge-triggered,
// fixed small answers. It believes its input; only benchmarks talk to it.
//   bench_origin PORT
// GET /bytes/N answers N bytes, POST and PUT read their Content-Length and answer its size, all else `hello`.
// What begins with HTTP/2's preface is spoken to so (origin_http2.h).

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "origin_http2.h"

namespace {

constexpr int kEventsMax = 256;
constexpr std::string_view kSmall =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n"
    "hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello "
    "hello hello hello hello hello .\n";
static_assert(kSmall.size() - kSmall.find("\r\n\r\n") - 4 == 128);

char shared_buffer[256 * 1024];
std::string filler(256 * 1024, 'x');

struct Connection {
  int socket = -1;
  std::string input;         // an incomplete head
  std::string output;        // not yet taken by the socket
  uint64_t filler_left = 0;  // bytes of a /bytes/ answer still to send
  uint64_t body_left = 0;    // bytes of a request's body still to come
  uint64_t body_size = 0;
  bool is_over = false;
  std::unique_ptr<OriginHttp2> http2;  // where that is spoken
};

void flush(Connection& connection) {
  while (!connection.output.empty() || connection.filler_left != 0) {
    bool is_head = !connection.output.empty();
    const std::string& source = is_head ? connection.output : filler;
    size_t size = is_head ? source.size() : std::min<uint64_t>(source.size(), connection.filler_left);
    ssize_t sent = send(connection.socket, source.data(), size, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) connection.is_over = true;
      return;
    }
    if (is_head) {
      connection.output.erase(0, static_cast<size_t>(sent));
    } else {
      connection.filler_left -= static_cast<uint64_t>(sent);
    }
  }
}

void answer_size(Connection& connection) {
  std::string body = std::to_string(connection.body_size) + "\n";
  connection.output +=
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

uint64_t content_length(std::string_view head) {
  for (std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
    size_t at = head.find(name);
    if (at != head.npos) return strtoull(head.data() + at + name.size(), nullptr, 10);
  }
  return 0;
}

void answer(Connection& connection, std::string_view head) {
  constexpr std::string_view kBytes = "GET /bytes/";
  if (head.starts_with(kBytes)) {
    connection.filler_left = strtoull(head.data() + kBytes.size(), nullptr, 10);
    connection.output +=
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(connection.filler_left) + "\r\n\r\n";
  } else if (head.starts_with("P")) {
    connection.body_size = connection.body_left = content_length(head);
    if (connection.body_left == 0) answer_size(connection);
  } else {
    connection.output += kSmall;
  }
}

// Takes the requests in data; what remains is an incomplete head.
void take(Connection& connection, std::string_view data) {
  if (!connection.http2 && data.starts_with(OriginHttp2::kPreface)) {
    connection.http2 = std::make_unique<OriginHttp2>(connection.output);
    data.remove_prefix(OriginHttp2::kPreface.size());
  }
  if (connection.http2) data = connection.http2->take(data);
  while (!connection.http2 && !data.empty()) {
    if (connection.body_left != 0) {
      uint64_t part = std::min<uint64_t>(connection.body_left, data.size());
      connection.body_left -= part;
      data.remove_prefix(part);
      if (connection.body_left == 0) answer_size(connection);
      continue;
    }
    const void* end = memmem(data.data(), data.size(), "\r\n\r\n", 4);
    if (!end) break;
    size_t size = static_cast<size_t>(static_cast<const char*>(end) - data.data()) + 4;
    answer(connection, data.substr(0, size));
    data.remove_prefix(size);
  }
  connection.input.assign(data);
}

void read_all(Connection& connection) {
  for (;;) {
    ssize_t count = read(connection.socket, shared_buffer, sizeof(shared_buffer));
    if (count <= 0) {
      if (count == 0 || errno != EAGAIN) connection.is_over = true;
      return;
    }
    std::string_view data(shared_buffer, static_cast<size_t>(count));
    std::string joined;
    if (!connection.input.empty()) {
      joined = connection.input.append(data);
      data = joined;
    }
    take(connection, data);
    flush(connection);
    if (static_cast<size_t>(count) < sizeof(shared_buffer) || connection.is_over) return;
  }
}

void register_socket(int loop, int socket, Connection* owner) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = owner;
  if (epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event) != 0) perror("epoll_ctl");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "bench_origin PORT\n"), 2;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_port = htons(static_cast<uint16_t>(atoi(argv[1])));
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&here), sizeof(here)) != 0 || listen(listener, 16384) != 0) {
    return perror("listen"), 1;
  }
  int loop = epoll_create1(EPOLL_CLOEXEC);
  register_socket(loop, listener, nullptr);
  epoll_event events[kEventsMax];
  for (;;) {
    int count = epoll_wait(loop, events, kEventsMax, -1);
    for (int i = 0; i < count; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (!connection) {
        int accepted;
        while ((accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
          setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
          auto* made = new Connection;
          made->socket = accepted;
          register_socket(loop, accepted, made);
        }
        continue;
      }
      if (events[i].events & (EPOLLHUP | EPOLLERR)) connection->is_over = true;
      if (!connection->is_over && (events[i].events & (EPOLLIN | EPOLLRDHUP))) read_all(*connection);
      if (!connection->is_over && (events[i].events & EPOLLOUT)) flush(*connection);
      if (connection->is_over) {
        close(connection->socket);
        delete connection;
      }
    }
  }
}
