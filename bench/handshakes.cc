// Many TLS 1.3 handshakes, so that what one costs a server can be counted: so many connections at a time,
// each of which connects, shakes hands, asks for PATH where one is given, says goodbye and waits for the
// server to do so too.
//   bench_handshakes PORT SECONDS CONNECTIONS full|resumed [PATH]
// With `resumed` a first connection fetches a ticket, which all others show. Prints one JSON line: done,
// resumed, failed. The server's certificate is believed; that costs the server nothing.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr const char* kServerName = "bench.test";
constexpr unsigned char kAlpn[] = "\x08http/1.1";

struct Connection {
  enum class Step : uint8_t { shaking_hands, asking, leaving } step = Step::shaking_hands;
  int socket = -1;
  SSL* ssl = nullptr;
};

SSL_SESSION* ticket = nullptr;  // the newest one seen

int keep_ticket(SSL*, SSL_SESSION* session) {
  if (ticket != nullptr) SSL_SESSION_free(ticket);
  ticket = session;
  return 1;
}

class Run {
 public:
  Run(int port, const char* path)
      : loop_(epoll_create1(EPOLL_CLOEXEC)), context_(SSL_CTX_new(TLS_client_method())) {
    there_.sin_family = AF_INET;
    there_.sin_port = htons(static_cast<uint16_t>(port));
    there_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (path) request_ = std::string("GET ") + path + " HTTP/1.1\r\nHost: bench.test\r\n\r\n";
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    SSL_CTX_set1_groups_list(context_, "X25519");
    SSL_CTX_set_alpn_protos(context_, kAlpn, sizeof(kAlpn) - 1);
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context_, keep_ticket);
  }

  // All connections from now on show it.
  bool fetch_ticket() {
    std::string asked = request_.empty() ? "GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n" : request_;
    std::swap(asked, request_);  // some servers send the ticket with the first answer only
    Connection connection;
    begin(connection);
    while (done_ + failed_ == 0) turn();
    end(connection, failed_);
    std::swap(asked, request_);
    resuming_ = done_ == 1 && ticket != nullptr;
    done_ = failed_ = 0;
    SSL_CTX_set_session_cache_mode(context_,
                                   SSL_SESS_CACHE_OFF);  // else libssl gives it up once it was shown
    return resuming_;
  }

  void begin(Connection& connection) {
    connection.step = Connection::Step::shaking_hands;
    connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connect(connection.socket, reinterpret_cast<sockaddr*>(&there_), sizeof(there_));
    int one = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connection.ssl = SSL_new(context_);
    SSL_set_fd(connection.ssl, connection.socket);
    SSL_set_tlsext_host_name(connection.ssl, kServerName);
    if (resuming_) SSL_set_session(connection.ssl, ticket);
    SSL_set_connect_state(connection.ssl);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &connection;
    epoll_ctl(loop_, EPOLL_CTL_ADD, connection.socket, &event);
  }

  // Those that have ended begin anew.
  void turn() {
    epoll_event events[64];
    int count = epoll_wait(loop_, events, 64, 1000);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      go_on(connection);
      if (connection.socket < 0) begin(connection);
    }
  }

  void print() const {
    printf("{\"done\": %zu, \"resumed\": %zu, \"failed\": %zu}\n", done_, resumed_, failed_);
  }

 private:
  void go_on(Connection& connection) {
    SSL* ssl = connection.ssl;
    if (connection.step == Connection::Step::shaking_hands) {
      int outcome = SSL_do_handshake(ssl);
      if (outcome != 1) return wait_or_fail(connection, outcome);
      if (request_.empty()) return leave(connection);
      SSL_write(ssl, request_.data(), static_cast<int>(request_.size()));
      connection.step = Connection::Step::asking;
    }
    char answer[4096];
    for (;;) {
      int count = SSL_read(ssl, answer, sizeof(answer));
      if (count > 0 && connection.step == Connection::Step::asking) return leave(connection);
      if (count > 0) continue;
      // Whether a server ends with TLS's own word or without, it has ended.
      if (connection.step == Connection::Step::leaving && SSL_get_error(ssl, count) != SSL_ERROR_WANT_READ) {
        return end(connection, done_);
      }
      return wait_or_fail(connection, count);
    }
  }

  void leave(Connection& connection) {
    connection.step = Connection::Step::leaving;
    SSL_shutdown(connection.ssl);
    shutdown(connection.socket, SHUT_WR);
    go_on(connection);
  }

  void wait_or_fail(Connection& connection, int outcome) {
    int why = SSL_get_error(connection.ssl, outcome);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
    fprintf(stderr, "failed in step %d: SSL error %d, %s\n", static_cast<int>(connection.step), why,
            strerror(errno));
    end(connection, failed_);
  }

  void end(Connection& connection, size_t& counted) {
    ++counted;
    if (SSL_session_reused(connection.ssl)) ++resumed_;
    SSL_set_shutdown(connection.ssl,
                     SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // else the session is given up
    SSL_free(connection.ssl);
    close(connection.socket);
    connection.socket = -1;
  }

  int loop_;
  SSL_CTX* context_;
  sockaddr_in there_{};
  std::string request_;
  bool resuming_ = false;
  size_t done_ = 0;
  size_t resumed_ = 0;
  size_t failed_ = 0;
};

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return fprintf(stderr, "bench_handshakes PORT SECONDS CONNECTIONS full|resumed [PATH]\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  Run run(atoi(argv[1]), argc > 5 ? argv[5] : nullptr);
  if (argv[4] == std::string_view("resumed") && !run.fetch_ticket())
    return fprintf(stderr, "no ticket came\n"), 1;
  std::vector<Connection> connections(strtoul(argv[3], nullptr, 10));
  for (Connection& connection : connections) run.begin(connection);
  const double end = now() + atof(argv[2]);
  while (now() < end) run.turn();
  run.print();
}
