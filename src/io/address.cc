#include "io/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "base/bytes.h"

namespace io {

std::expected<HostPort, std::string> parse_host_port(std::string_view text) {
  HostPort where;
  if (text.starts_with("unix:")) {
    where.unix_path = std::string(text.substr(5));
    if (where.unix_path.empty())
      return std::unexpected("a unix socket needs a path, as in unix:/run/app.sock");
    if (where.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
      return std::unexpected("the path of the unix socket is longer than the 107 bytes the kernel allows");
    }
    return where;
  }
  size_t colon = text.rfind(':');
  if (colon == text.npos) {
    return std::unexpected("a port is missing; write it as host:port, as in 127.0.0.1:8080");
  }
  auto port = base::parse_unsigned(text.substr(colon + 1));
  if (!port || *port > 65535) {
    return std::unexpected("'" + std::string(text.substr(colon + 1)) + "' is not a port between 0 and 65535");
  }
  where.port = static_cast<uint16_t>(*port);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || !base::parse_ip(host.substr(1, host.size() - 2))) {
      return std::unexpected("'" + std::string(host) +
                             "' is not an IPv6 address in brackets, as in [::1]:8080");
    }
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return std::unexpected("an IPv6 address stands in brackets, as in [::1]:8080");
  }
  for (char c : host) {
    if (!base::is_alpha(c) && !base::is_digit(c) &&
        std::string_view("-._:").find(c) == std::string_view::npos) {
      return std::unexpected("'" + std::string(host) + "' is not a host name or an IP address");
    }
  }
  where.host = base::lowercase(host);
  return where;
}

std::string format_host_port(const HostPort& where) {
  if (!where.unix_path.empty()) return "unix:" + where.unix_path;
  bool v6 = where.host.find(':') != std::string::npos;
  return (v6 ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

std::string format_address(const Address& address) {
  if (address.kind == Address::Kind::unix_path) return "unix:" + address.path;
  std::string host = base::format_ip(address.ip);
  return (address.ip.v6 ? "[" + host + "]" : host) + ":" + std::to_string(address.port);
}

uint32_t to_sockaddr(const Address& address, sockaddr_storage& out) {
  out = {};
  if (address.kind == Address::Kind::unix_path) {
    auto& un = reinterpret_cast<sockaddr_un&>(out);
    if (address.path.size() >= sizeof un.sun_path) return 0;
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, address.path.data(), address.path.size());
    return static_cast<uint32_t>(offsetof(sockaddr_un, sun_path) + address.path.size() + 1);
  }
  if (address.ip.v6) {
    auto& in = reinterpret_cast<sockaddr_in6&>(out);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    std::memcpy(&in.sin6_addr, address.ip.bytes.data(), 16);
    return sizeof in;
  }
  auto& in = reinterpret_cast<sockaddr_in&>(out);
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port);
  std::memcpy(&in.sin_addr, address.ip.bytes.data(), 4);
  return sizeof in;
}

Address from_sockaddr(const sockaddr& from, uint32_t length) {
  Address address;
  if (from.sa_family == AF_INET) {
    auto& in = reinterpret_cast<const sockaddr_in&>(from);
    std::memcpy(address.ip.bytes.data(), &in.sin_addr, 4);
    address.port = ntohs(in.sin_port);
  } else if (from.sa_family == AF_INET6) {
    auto& in = reinterpret_cast<const sockaddr_in6&>(from);
    address.port = ntohs(in.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
      std::memcpy(address.ip.bytes.data(), in.sin6_addr.s6_addr + 12, 4);
    } else {
      address.ip.v6 = true;
      std::memcpy(address.ip.bytes.data(), &in.sin6_addr, 16);
    }
  } else if (from.sa_family == AF_UNIX) {
    address.kind = Address::Kind::unix_path;
    auto& un = reinterpret_cast<const sockaddr_un&>(from);
    if (length > offsetof(sockaddr_un, sun_path)) {
      address.path.assign(un.sun_path, strnlen(un.sun_path, length - offsetof(sockaddr_un, sun_path)));
    }
  }
  return address;
}

}  // namespace io
