#include "base/ip.h"

#include <arpa/inet.h>

#include <cstring>

#include "base/bytes.h"

namespace base {
namespace {

bool bit_set(const IpAddress& address, unsigned bit) { return address.bytes[bit / 8] >> (7 - bit % 8) & 1; }

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != text.npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress address;
  if (inet_pton(AF_INET, buffer, address.bytes.data()) == 1) return address;
  if (inet_pton(AF_INET6, buffer, address.bytes.data()) != 1) return std::nullopt;
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::memcmp(address.bytes.data(), kMapped, sizeof kMapped) == 0) {
    IpAddress v4;
    std::memcpy(v4.bytes.data(), address.bytes.data() + 12, 4);
    return v4;
  }
  address.v6 = true;
  return address;
}

std::string format_ip(const IpAddress& address) {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<Network> parse_network(std::string_view text) {
  size_t slash = text.find('/');
  auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  uint64_t width = address->v6 ? 128 : 32;
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8; a shorter prefix would hold more than IPv4 addresses.
  uint64_t mapped_bits = !address->v6 && text.find(':') != text.npos ? 96 : 0;
  uint64_t bits = width;
  if (slash != text.npos) {
    auto parsed = parse_unsigned(text.substr(slash + 1));
    if (!parsed || *parsed < mapped_bits || *parsed > width + mapped_bits) return std::nullopt;
    bits = *parsed - mapped_bits;
  }
  for (uint64_t bit = bits; bit < width; ++bit) {
    if (bit_set(*address, static_cast<unsigned>(bit))) return std::nullopt;
  }
  return Network{*address, static_cast<uint8_t>(bits)};
}

std::string format_network(const Network& network) {
  return format_ip(network.address) + "/" + std::to_string(network.prefix_bits);
}

bool contains(const Network& network, const IpAddress& address) {
  if (network.address.v6 != address.v6) return false;
  unsigned whole = network.prefix_bits / 8;
  if (std::memcmp(network.address.bytes.data(), address.bytes.data(), whole) != 0) return false;
  unsigned rest = network.prefix_bits % 8;
  if (rest == 0) return true;
  return ((network.address.bytes[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace base
