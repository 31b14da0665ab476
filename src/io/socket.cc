#include "io/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

namespace io {
namespace {

constexpr int kBacklog = 4096;

// Reading and writing call the kernel directly: the C library's functions are cancellation points, whose
// bookkeeping in a process with threads costs more than the rest of the call's user side, twice a request on
// each connection.
class SocketStream final : public BaseStream, public EventSource {
 public:
  SocketStream(Loop& loop, int fd) : loop_(loop), fd_(fd) {}

  ~SocketStream() override {
    if (reset_) {
      linger off{1, 0};
      setsockopt(fd_, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    }
    close(fd_);  // also leaves epoll: the descriptor is never duplicated
  }

  bool start() { return loop_.poller().add(fd_, *this); }
  void set_connecting() { may_write_ = false; }

  // Edge-triggered: these flags stay until a call comes back short.
  void on_events(uint32_t bits) override {
    if (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
      may_read_ = true;
      if (bits & EPOLLRDHUP) end_seen_ = true;
      readable_.fire();
    }
    if (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
      may_write_ = true;
      writable_.fire();
    }
    if (bits & (EPOLLHUP | EPOLLERR)) {
      peer_gone_ = true;
      gone_.fire();
    }
  }

  IoResult read(std::span<char> into) override {
    if (!may_read_) return {};
    ssize_t count = syscall(SYS_recvfrom, fd_, into.data(), into.size(), 0, nullptr, nullptr);
    if (count > 0) {
      // A short read has drained the socket; only the end of the stream, seen earlier, is still to be read.
      if (static_cast<size_t>(count) < into.size() && !end_seen_ && !peer_gone_) may_read_ = false;
      return {IoResult::Kind::bytes, static_cast<size_t>(count), 0};
    }
    if (count == 0) return {IoResult::Kind::end, 0, 0};
    if (errno == EAGAIN) {
      may_read_ = false;
      return {};
    }
    return {IoResult::Kind::failed, 0, errno};
  }

  IoResult write(std::span<const iovec> pieces) override {
    if (!may_write_) return {};
    ssize_t count;
    size_t wanted = 0;
    if (pieces.size() == 1) {
      wanted = pieces[0].iov_len;
      count = syscall(SYS_sendto, fd_, pieces[0].iov_base, wanted, MSG_NOSIGNAL, nullptr, 0);
    } else {
      for (const iovec& piece : pieces) wanted += piece.iov_len;
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(pieces.data());
      message.msg_iovlen = pieces.size();
      count = sendmsg(fd_, &message, MSG_NOSIGNAL);
    }
    if (count >= 0) {
      if (static_cast<size_t>(count) < wanted) may_write_ = false;
      return {IoResult::Kind::bytes, static_cast<size_t>(count), 0};
    }
    if (errno == EAGAIN) {
      may_write_ = false;
      return {};
    }
    return {IoResult::Kind::failed, 0, errno};
  }

  void shutdown_write() override { shutdown(fd_, SHUT_WR); }
  void reset_on_close() override { reset_ = true; }

  int connect_error() override {
    if (!may_write_) return EINPROGRESS;
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }

 private:
  Loop& loop_;
  int fd_;
  bool end_seen_ = false;
  bool reset_ = false;
};

void set_no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

class SocketListener final : public Listener, public EventSource {
 public:
  SocketListener(Loop& loop, int fd) : loop_(loop), fd_(fd), local_(socket_address(fd)) {}
  ~SocketListener() override {
    loop_.poller().remove(fd_);
    close(fd_);
  }

  bool start() { return loop_.poller().add(fd_, *this); }
  void on_events(uint32_t) override { acceptable.fire(); }
  Address local_address() const override { return local_; }

  std::unique_ptr<Stream> accept(Address& peer, int& error) override {
    error = 0;
    for (;;) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        // The client was gone before we took it, or the call was interrupted: look at the next one.
        if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) continue;
        if (errno != EAGAIN) error = errno;
        return nullptr;
      }
      if (from.ss_family != AF_UNIX) set_no_delay(fd);
      peer = from_sockaddr(reinterpret_cast<sockaddr&>(from), length);
      auto stream = std::make_unique<SocketStream>(loop_, fd);
      if (stream->start()) return stream;
    }
  }

 private:
  Loop& loop_;
  int fd_;
  Address local_;
};

enum class SharePort : uint8_t { no, yes };

void set_listening_options(int fd, int family, SharePort share) {
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (share == SharePort::yes) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (family == AF_INET6) {
    int off = 0;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
}

// Who may connect is the file's mode (unix(7)), which a umask only narrows. Links are not followed: the
// folder may be somebody else's too.
bool give_mode(const char* path, uint32_t mode) {
  struct stat status{};
  if (fstatat(AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (!S_ISSOCK(status.st_mode)) {
    errno = ENOTSOCK;
    return false;
  }
  return (status.st_mode & 07777) == mode || fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0;
}

// A unix socket's file outlives its listener. It is taken over only when nobody answers on it any more.
bool remove_stale_unix_socket(const sockaddr_storage& address, uint32_t length) {
  const char* path = reinterpret_cast<const sockaddr_un&>(address).sun_path;
  struct stat status{};
  if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int outcome = connect(fd, reinterpret_cast<const sockaddr*>(&address), length);
  bool stale = outcome != 0 && errno == ECONNREFUSED;
  close(fd);
  return stale && unlink(path) == 0;
}

}  // namespace

std::unique_ptr<Stream> SocketNetwork::connect(const Address& to, int& error) {
  sockaddr_storage target{};
  uint32_t length = to_sockaddr(to, target);
  if (length == 0) {
    error = ENAMETOOLONG;
    return nullptr;
  }
  int fd = ::socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = errno;
    return nullptr;
  }
  if (target.ss_family != AF_UNIX) set_no_delay(fd);
  int outcome = ::connect(fd, reinterpret_cast<sockaddr*>(&target), length);
  if (outcome != 0 && errno != EINPROGRESS) {
    error = errno;
    close(fd);
    return nullptr;
  }
  auto stream = std::make_unique<SocketStream>(loop_, fd);
  if (outcome != 0) stream->set_connecting();
  if (!stream->start()) {
    error = errno;
    return nullptr;
  }
  error = 0;
  return stream;
}

std::string set_unix_mode(const std::string& path, uint32_t mode) {
  if (give_mode(path.c_str(), mode)) return {};
  return "cannot set the mode of unix:" + path + ": " + std::strerror(errno);
}

std::expected<std::vector<int>, std::string> open_listening_sockets(const Address& address, int count,
                                                                    uint32_t unix_mode) {
  sockaddr_storage local{};
  uint32_t length = to_sockaddr(address, local);
  std::vector<int> sockets;
  auto failure = [&] {
    std::string why = "cannot listen on " + format_address(address) + ": " + std::strerror(errno);
    for (int fd : sockets) close(fd);
    return std::unexpected(why);
  };
  auto bind_one = [&](SharePort share) {
    int fd = ::socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    sockets.push_back(fd);
    if (local.ss_family != AF_UNIX) {
      set_listening_options(fd, local.ss_family, share);
    } else if (fchmod(fd, unix_mode) != 0) {  // bind() gives the file the descriptor's mode
      return false;
    }
    return bind(fd, reinterpret_cast<sockaddr*>(&local), length) == 0;
  };

  if (local.ss_family == AF_UNIX) {
    if (!bind_one(SharePort::no)) {
      if (errno != EADDRINUSE) return failure();
      if (!remove_stale_unix_socket(local, length)) {
        errno = EADDRINUSE;
        return failure();
      }
      if (bind(sockets[0], reinterpret_cast<sockaddr*>(&local), length) != 0) return failure();
    }
    if (!give_mode(address.path.c_str(), unix_mode)) return failure();
    if (listen(sockets[0], kBacklog) != 0) return failure();
    while (std::ssize(sockets) < count) {
      int fd = fcntl(sockets[0], F_DUPFD_CLOEXEC, 0);
      if (fd < 0) return failure();
      sockets.push_back(fd);
    }
    return sockets;
  }

  // SO_REUSEPORT would let a second gate share the port in silence; binding once without it tells.
  if (!bind_one(SharePort::no)) {
    // A machine without IPv6, as many containers are: "every address" is then every IPv4 address.
    bool every_address = address.ip == base::IpAddress{.bytes = {}, .v6 = true};
    if (!every_address || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) return failure();
    for (int fd : sockets) close(fd);
    return open_listening_sockets({.ip = {}, .port = address.port, .path = {}}, count);
  }
  close(sockets.back());
  sockets.clear();
  while (std::ssize(sockets) < count) {
    if (!bind_one(SharePort::yes) || listen(sockets.back(), kBacklog) != 0) return failure();
    if (sockets.size() == 1) {  // port 0: the others take the port the first was given
      length = to_sockaddr(socket_address(sockets[0]), local);
    }
  }
  return sockets;
}

Address socket_address(int fd) {
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length);
  return from_sockaddr(reinterpret_cast<sockaddr&>(local), length);
}

std::unique_ptr<Listener> make_listener(Loop& loop, int fd) {
  auto listener = std::make_unique<SocketListener>(loop, fd);
  if (!listener->start()) return nullptr;
  return listener;
}

std::unique_ptr<Stream> make_socket_stream(Loop& loop, int fd) {
  auto stream = std::make_unique<SocketStream>(loop, fd);
  if (!stream->start()) return nullptr;
  return stream;
}

}  // namespace io
