#include "io/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>

#include "io/broadcast.h"

namespace io {
namespace {

using base::Reason;

// Each lookup has a channel, and so a socket, of its own; the rest wait for a seat.
constexpr int kLookupsMax = 64;
constexpr int kTryMs = 1000;  // until a server is asked again, or the next one
constexpr int kTries = 3;

base::Error error_of(int status) {
  base::Error error{Reason::dns_error, base::Side::backend, base::Retry::safe, "the name server failed"};
  switch (status) {
    case ARES_ETIMEOUT:
      error.reason = Reason::dns_timeout;
      error.detail = "the name server did not answer";
      break;
    case ARES_ENOTFOUND:
      error.detail = "there is no such name";
      break;
    case ARES_ENODATA:
      error.detail = "the name has no address";
      break;
    case ARES_EBADNAME:
      error.detail = "the name is not valid";
      break;
    case ARES_ECONNREFUSED:
      error.detail = "no name server can be reached";
      break;
    default:
      break;
  }
  return error;
}

std::optional<base::IpAddress> address_of(const ares_addrinfo_node& node) {
  base::IpAddress ip;
  if (node.ai_family == AF_INET) {
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in*>(node.ai_addr)->sin_addr, 4);
    return ip;
  }
  if (node.ai_family == AF_INET6) {
    ip.v6 = true;
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(node.ai_addr)->sin6_addr, 16);
    return ip;
  }
  return std::nullopt;
}

// One question on a c-ares channel of its own. Destroying it destroys the channel, which calls everything
// back at once, so nothing of it can arrive later.
class Lookup {
 public:
  explicit Lookup(Loop& loop) : loop_(loop) {}
  ~Lookup() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  void begin(const std::string& host, const DnsOptions& options) {
    if (int status = open_channel(options); status != ARES_SUCCESS) {
      outcome_ = base::fail(error_of(status));
      return;
    }
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = ARES_AI_NOSORT;  // sorted here; c-ares would open sockets to do it
    ares_getaddrinfo(
        channel_, host.c_str(), nullptr, &hints,
        [](void* self, int status, int, ares_addrinfo* answer) {
          static_cast<Lookup*>(self)->end(status, answer);
        },
        this);
  }

  const std::optional<base::Result<Resolved>>& outcome() const { return outcome_; }
  Signal& activity() { return activity_; }

  base::Instant next_try() const {
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) == nullptr) return base::kNever;
    return loop_.now() + base::seconds(left.tv_sec) + base::microseconds(left.tv_usec);
  }

  // Lets c-ares do what its sockets and its clock allow.
  void advance() {
    while (std::optional<int> fd = take_active_socket()) {
      ares_process_fd(channel_, *fd, *fd);
      mark_if_more(*fd);
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }

 private:
  struct Socket final : EventSource {
    Socket(Lookup& owner, int fd) : lookup(owner), fd(fd) {}
    void on_events(uint32_t) override {
      active = true;
      lookup.activity_.fire();
    }
    Lookup& lookup;
    int fd;
    bool active = false;
  };

  int open_channel(const DnsOptions& from) {
    ares_options options{};
    int given = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
    options.timeout = kTryMs;
    options.tries = kTries;
    options.sock_state_cb_data = this;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<Lookup*>(self)->watch(fd, readable, writable);
    };
    char dns_only[] = "b";
    char no_file[] = "/dev/null";
    if (!from.servers.empty()) {
      given |= ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_RESOLVCONF;
      options.lookups = dns_only;
      options.resolvconf_path = no_file;
    }
    int status = ares_init_options(&channel_, &options, given);
    if (status != ARES_SUCCESS) {
      channel_ = nullptr;
      return status;
    }
    return from.servers.empty() ? ARES_SUCCESS : ares_set_servers_ports_csv(channel_, from.servers.c_str());
  }

  // c-ares tells which of its sockets it waits for.
  void watch(int fd, int readable, int writable) {
    server_asked_ = true;
    auto known = std::ranges::find_if(sockets_, [fd](const auto& socket) { return socket->fd == fd; });
    if (readable == 0 && writable == 0) {
      if (known == sockets_.end()) return;
      loop_.poller().remove(fd);
      sockets_.erase(known);
      return;
    }
    if (known == sockets_.end()) {
      sockets_.push_back(std::make_unique<Socket>(*this, fd));
      loop_.poller().add(fd, *sockets_.back());  // failing, the deadline ends the lookup
      return;
    }
    // It has something to write on a socket whose edge has passed.
    if (writable != 0) (*known)->on_events(0);
  }

  std::optional<int> take_active_socket() {
    for (auto& socket : sockets_) {
      if (std::exchange(socket->active, false)) return socket->fd;
    }
    return std::nullopt;
  }

  // c-ares takes one piece of a TCP answer a call, and the edge comes once.
  void mark_if_more(int fd) {
    for (auto& socket : sockets_) {
      char byte;
      if (socket->fd == fd && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) socket->active = true;
    }
  }

  void end(int status, ares_addrinfo* answer) {
    if (status == ARES_SUCCESS && answer != nullptr) {
      outcome_ = collect(*answer);
    } else {
      outcome_ = base::fail(error_of(status));
    }
    if (answer != nullptr) ares_freeaddrinfo(answer);
    activity_.fire();
  }

  base::Result<Resolved> collect(const ares_addrinfo& answer) const {
    Resolved resolved{.addresses = {}, .ttl = kTtlMax};
    for (const ares_addrinfo_node* node = answer.nodes; node != nullptr; node = node->ai_next) {
      std::optional<base::IpAddress> ip = address_of(*node);
      if (!ip) continue;
      resolved.addresses.push_back(*ip);
      resolved.ttl = std::min(resolved.ttl, base::seconds(node->ai_ttl));
    }
    if (resolved.addresses.empty()) return base::fail(error_of(ARES_ENODATA));
    auto order = [](const base::IpAddress& ip) { return std::tie(ip.v6, ip.bytes); };
    std::ranges::sort(resolved.addresses, {}, order);
    auto repeated = std::ranges::unique(resolved.addresses);
    resolved.addresses.erase(repeated.begin(), repeated.end());
    resolved.ttl = server_asked_ ? std::max(resolved.ttl, kTtlMin) : kTtlUnknown;
    return resolved;
  }

  Loop& loop_;
  std::optional<base::Result<Resolved>> outcome_;
  Signal activity_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  bool server_asked_ = false;
  ares_channel channel_ = nullptr;
};

class DnsResolver final : public Resolver {
 public:
  DnsResolver(Loop& loop, DnsOptions options) : loop_(loop), options_(std::move(options)) {
    ares_library_init(ARES_LIB_INIT_ALL);
  }
  ~DnsResolver() override { ares_library_cleanup(); }

  Task<base::Result<Resolved>> resolve(std::string host, base::Instant deadline) override {
    if (auto ip = base::parse_ip(host)) co_return Resolved{.addresses = {*ip}, .ttl = kTtlMax};
    while (lookups_ >= kLookupsMax) {
      Broadcast::Seat seat(seat_free_);
      if (co_await wait_for(loop_, deadline, seat.signal) == Wake::timed_out) co_return too_late();
    }
    SeatTaken taken(*this);
    Lookup lookup(loop_);
    lookup.begin(host, options_);
    while (!lookup.outcome()) {
      if (loop_.now() >= deadline) co_return too_late();
      co_await wait_for(loop_, std::min(deadline, lookup.next_try()), lookup.activity());
      lookup.advance();
    }
    co_return *lookup.outcome();
  }

 private:
  struct SeatTaken {
    explicit SeatTaken(DnsResolver& of) : resolver(of) { ++resolver.lookups_; }
    ~SeatTaken() {
      --resolver.lookups_;
      resolver.seat_free_.notify_all();
    }
    DnsResolver& resolver;
  };

  static std::unexpected<base::Error> too_late() { return base::fail(error_of(ARES_ETIMEOUT)); }

  Loop& loop_;
  DnsOptions options_;
  int lookups_ = 0;
  Broadcast seat_free_;
};

}  // namespace

std::unique_ptr<Resolver> make_dns_resolver(Loop& loop, DnsOptions options) {
  return std::make_unique<DnsResolver>(loop, std::move(options));
}

}  // namespace io
