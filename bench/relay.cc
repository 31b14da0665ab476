// The yardstick: the least a proxy can do. Every accepted connection gets a backend connection of its own and
// bytes go both ways, on one thread, edge-triggered, one registration a socket for its whole life, no
// speculative reads. It understands nothing. `./dev bench` divides everybody's CPU per request by this one's.
//   bench_relay LISTEN_PORT BACKEND_PORT

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int kEventsMax = 256;
char shared_buffer[64 * 1024];

struct Pair;

// One socket of a pair. Bytes read from it go to its peer.
struct Side {
  int socket = -1;
  Side* peer = nullptr;
  Pair* pair = nullptr;
  std::string unsent;       // read from the peer, not yet taken by this socket
  bool has_ended = false;   // it sent its FIN
  bool end_is_due = false;  // the peer ended: send FIN once unsent is gone
  bool may_be_readable = false;
};

struct Pair {
  Side client;
  Side backend;
  bool is_over = false;
};

int fail(const char* what) {
  perror(what);
  exit(1);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void register_socket(int loop, int socket, void* owner) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = owner;
  if (epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event) != 0) fail("epoll_ctl");
}

void finish(Pair& pair) { pair.is_over = true; }

// False: nothing more can be taken now, or the pair is over.
bool flush(Side& side) {
  while (!side.unsent.empty()) {
    ssize_t sent = send(side.socket, side.unsent.data(), side.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != ENOTCONN) finish(*side.pair);
      return false;
    }
    side.unsent.erase(0, static_cast<size_t>(sent));
  }
  if (side.end_is_due) {
    shutdown(side.socket, SHUT_WR);
    side.end_is_due = false;
    if (side.has_ended) finish(*side.pair);
  }
  return true;
}

void relay_from(Side& from) {
  Side& to = *from.peer;
  while (from.may_be_readable && to.unsent.empty() && !from.pair->is_over) {
    ssize_t count = read(from.socket, shared_buffer, sizeof(shared_buffer));
    if (count < 0) {
      from.may_be_readable = false;
      if (errno != EAGAIN) finish(*from.pair);
      return;
    }
    if (count == 0) {
      from.may_be_readable = false;
      from.has_ended = true;
      to.end_is_due = true;
      flush(to);
      return;
    }
    if (static_cast<size_t>(count) < sizeof(shared_buffer)) from.may_be_readable = false;
    ssize_t sent = send(to.socket, shared_buffer, static_cast<size_t>(count), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != ENOTCONN) return finish(*from.pair);
      sent = 0;
    }
    if (sent < count) to.unsent.assign(shared_buffer + sent, static_cast<size_t>(count - sent));
  }
}

void accept_all(int loop, int listener, const sockaddr_in& backend) {
  for (;;) {
    int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    int one = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int upstream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(upstream, reinterpret_cast<const sockaddr*>(&backend), sizeof(backend)) != 0 &&
        errno != EINPROGRESS) {
      close(client);
      close(upstream);
      continue;
    }
    auto* pair = new Pair;
    pair->client = {.socket = client, .peer = &pair->backend, .pair = pair, .unsent = {}};
    pair->backend = {.socket = upstream, .peer = &pair->client, .pair = pair, .unsent = {}};
    register_socket(loop, client, &pair->client);
    register_socket(loop, upstream, &pair->backend);
  }
}

void wake(Side& side, uint32_t events) {
  if (side.pair->is_over) return;
  if (events & (EPOLLHUP | EPOLLERR)) return finish(*side.pair);
  if ((events & EPOLLOUT) && (!side.unsent.empty() || side.end_is_due) && flush(side)) relay_from(*side.peer);
  if (events & (EPOLLIN | EPOLLRDHUP)) {
    side.may_be_readable = true;
    relay_from(side);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "bench_relay LISTEN_PORT BACKEND_PORT\n"), 2;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  sockaddr_in here = loopback(atoi(argv[1]));
  if (bind(listener, reinterpret_cast<sockaddr*>(&here), sizeof(here)) != 0) fail("bind");
  if (listen(listener, 4096) != 0) fail("listen");
  sockaddr_in backend = loopback(atoi(argv[2]));

  int loop = epoll_create1(EPOLL_CLOEXEC);
  register_socket(loop, listener, nullptr);
  epoll_event events[kEventsMax];
  std::vector<Pair*> over;
  for (;;) {
    int count = epoll_wait(loop, events, kEventsMax, -1);
    over.clear();
    for (int i = 0; i < count; ++i) {
      auto* side = static_cast<Side*>(events[i].data.ptr);
      if (!side) {
        accept_all(loop, listener, backend);
        continue;
      }
      bool was_over = side->pair->is_over;
      wake(*side, events[i].events);
      if (!was_over && side->pair->is_over) over.push_back(side->pair);
    }
    // Only now: later events of the same batch may have named the other side.
    for (Pair* pair : over) {
      close(pair->client.socket);
      close(pair->backend.socket);
      delete pair;
    }
  }
}
