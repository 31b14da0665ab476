// A socket address as a value: an IP address with a port, or a unix socket's path.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/ip.h"

struct sockaddr;
struct sockaddr_storage;

namespace io {

struct Address {
  enum class Kind : uint8_t { ip, unix_path } kind = Kind::ip;
  base::IpAddress ip;
  uint16_t port = 0;
  std::string path;  // for unix_path

  bool operator==(const Address&) const = default;
};

// A place to connect to or listen on, as users write it: "host:port", ":port", "[::1]:port", "unix:/path".
// The host may be a name; then it has to be resolved.
struct HostPort {
  std::string host;  // empty for ":port" and for unix
  uint16_t port = 0;
  std::string unix_path;

  bool operator==(const HostPort&) const = default;
};

// The error is a sentence for the user.
std::expected<HostPort, std::string> parse_host_port(std::string_view text);
std::string format_host_port(const HostPort& where);

std::string format_address(const Address& address);  // "127.0.0.1:80", "[::1]:80", "unix:/path"

// Both return the length to hand to the kernel, or 0 when a unix path is too long.
uint32_t to_sockaddr(const Address& address, sockaddr_storage& out);
Address from_sockaddr(const sockaddr& address, uint32_t length);

}  // namespace io
