// IP addresses and networks as values. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is the IPv4 address it
// stands for, so that a rule about 10.0.0.0/8 cannot be passed by as ::ffff:10.0.0.1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace base {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // network order; IPv4 stands in the first four
  bool v6 = false;
  bool operator==(const IpAddress&) const = default;
};

struct Network {
  IpAddress address;
  uint8_t prefix_bits = 0;
  bool operator==(const Network&) const = default;
};

std::optional<IpAddress> parse_ip(std::string_view text);  // no brackets, no zone
std::string format_ip(const IpAddress& address);

// "10.0.0.0/8", "2001:db8::/32" or a bare address. nullopt also when bits are set behind the prefix.
std::optional<Network> parse_network(std::string_view text);
std::string format_network(const Network& network);
bool contains(const Network& network, const IpAddress& address);

}  // namespace base
