// A small name server for tests, in a thread of its own: answers A and AAAA from a table, over UDP and over
// TCP.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace io::test {

struct DnsEntry {
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  uint32_t ttl = 60;
  int rcode = 0;
  bool silent = false;    // never answered
  bool tcp_only = false;  // over UDP the answer says it was truncated
};

class DnsServer {
 public:
  explicit DnsServer(std::map<std::string, DnsEntry> entries) : entries_(std::move(entries)) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // The same port for both kinds; another process may hold it for one of them, then the next is tried.
    for (;;) {
      udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      local.sin_port = 0;
      if (bind(udp_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) std::abort();
      socklen_t length = sizeof local;
      getsockname(udp_, reinterpret_cast<sockaddr*>(&local), &length);
      tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (bind(tcp_, reinterpret_cast<sockaddr*>(&local), sizeof local) == 0) break;
      close(udp_);
      close(tcp_);
    }
    listen(tcp_, 16);
    port_ = ntohs(local.sin_port);
    if (pipe(stop_) != 0) std::abort();
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    close(stop_[1]);
    thread_.join();
    close(stop_[0]);
    close(udp_);
    close(tcp_);
  }
  std::string text() const { return "127.0.0.1:" + std::to_string(port_); }
  int questions() const { return questions_; }

 private:
  void serve() {
    for (;;) {
      pollfd fds[] = {{stop_[0], POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      poll(fds, 3, -1);
      if (fds[0].revents != 0) return;
      if (fds[1].revents != 0) serve_datagram();
      if (fds[2].revents != 0) serve_connection();
    }
  }
  void serve_datagram() {
    char bytes[1500];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    ssize_t count = recvfrom(udp_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (count < 12) return;
    std::string reply = answer({bytes, static_cast<size_t>(count)}, true);
    if (!reply.empty())
      sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  }
  // In pieces, so that the client has to put the answer together. A and AAAA may come on one connection.
  void serve_connection() {
    int fd = accept(tcp_, nullptr, nullptr);
    for (;;) {
      uint8_t size[2];
      if (recv(fd, size, 2, MSG_WAITALL) != 2) break;
      std::string question(static_cast<size_t>(size[0] << 8 | size[1]), '\0');
      if (recv(fd, question.data(), question.size(), MSG_WAITALL) != static_cast<ssize_t>(question.size()))
        break;
      std::string reply = answer(question, false);
      std::string framed = {static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size())};
      framed += reply;
      for (size_t at = 0; at < framed.size(); at += 100)
        send(fd, framed.data() + at, std::min<size_t>(100, framed.size() - at), MSG_NOSIGNAL);
    }
    close(fd);
  }

  std::string answer(std::string_view question, bool datagram) {
    ++questions_;
    std::string name;
    size_t at = 12;
    while (at < question.size() && question[at] != 0) {
      size_t label = static_cast<uint8_t>(question[at]);
      if (!name.empty()) name += '.';
      name += question.substr(at + 1, label);
      at += label + 1;
    }
    at += 1;
    int type = question[at] << 8 | question[at + 1];
    at += 4;
    auto found = entries_.find(name);
    DnsEntry entry = found != entries_.end() ? found->second : DnsEntry{.rcode = 3};
    if (entry.silent) return {};
    const auto& addresses = type == 28 ? entry.v6 : entry.v4;
    bool truncated = entry.tcp_only && datagram;
    std::string reply(question.substr(0, 2));
    reply += static_cast<char>(truncated ? 0x87 : 0x85);
    reply += static_cast<char>(0x80 | entry.rcode);
    reply += std::string{"\0\1\0", 3};
    reply += static_cast<char>(truncated ? 0 : addresses.size());
    reply += std::string(4, '\0');
    reply += question.substr(12, at - 12);
    if (truncated) return reply;
    for (const std::string& address : addresses) {
      char raw[16];
      inet_pton(type == 28 ? AF_INET6 : AF_INET, address.c_str(), raw);
      uint32_t ttl = htonl(entry.ttl);
      reply += std::string{"\xC0\x0C\0", 3} + static_cast<char>(type) + std::string{"\0\1", 2};
      reply.append(reinterpret_cast<char*>(&ttl), 4);
      reply += '\0';
      reply += static_cast<char>(type == 28 ? 16 : 4);
      reply.append(raw, type == 28 ? 16 : 4);
    }
    return reply;
  }

  std::map<std::string, DnsEntry> entries_;
  int udp_ = -1;
  int tcp_ = -1;
  int stop_[2];
  uint16_t port_ = 0;
  std::atomic<int> questions_ = 0;
  std::thread thread_;
};

}  // namespace io::test
