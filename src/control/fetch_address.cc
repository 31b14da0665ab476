#include "control/fetch_address.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

namespace control {
namespace {

struct Closed {
  base::Network network;
  const char* what;
};

const std::vector<Closed>& closed_networks() {
  static const std::vector<Closed> all = [] {
    constexpr struct {
      const char* network;
      const char* what;
    } kTable[] = {
        {"0.0.0.0/8", "no host's address"},
        {"169.254.0.0/16", "link-local"},
        {"100.100.100.200", "a cloud's metadata service"},  // Alibaba Cloud
        {"168.63.129.16", "a cloud's metadata service"},    // Azure
        {"192.0.0.192", "a cloud's metadata service"},      // Oracle Cloud
        {"224.0.0.0/4", "multicast"},
        {"255.255.255.255", "broadcast"},
        {"::", "no host's address"},
        {"fe80::/10", "link-local"},
        {"fd00:ec2::254", "a cloud's metadata service"},  // AWS
        {"fd20:ce::254", "a cloud's metadata service"},   // Google Cloud
        {"ff00::/8", "multicast"},
    };
    std::vector<Closed> made;
    for (const auto& row : kTable) made.push_back({*base::parse_network(row.network), row.what});
    return made;
  }();
  return all;
}

// The IPv4 address that a gateway or tunnel would send this on to.
std::optional<base::IpAddress> carried_address(const base::IpAddress& address) {
  constexpr struct {
    const char* network;
    size_t at;  // of the IPv4 address, in bytes
  } kForms[] = {
      {"::/96", 12},         // RFC 4291 §2.5.5.1
      {"64:ff9b::/96", 12},  // RFC 6052
      {"2002::/16", 2},      // RFC 3056
  };
  static const base::IpAddress kLoopback = *base::parse_ip("::1");
  if (!address.v6 || address == kLoopback) return std::nullopt;
  for (const auto& form : kForms) {
    if (!base::contains(*base::parse_network(form.network), address)) continue;
    base::IpAddress carried;
    std::memcpy(carried.bytes.data(), address.bytes.data() + form.at, 4);
    return carried;
  }
  return std::nullopt;
}

const char* why_closed(const base::IpAddress& address) {
  for (const Closed& closed : closed_networks()) {
    if (base::contains(closed.network, address)) return closed.what;
  }
  return nullptr;
}

}  // namespace

const char* why_not_called(const base::IpAddress& address, std::span<const base::Network> allow) {
  auto allowed = [&](const base::IpAddress& one) {
    return std::ranges::any_of(allow, [&](const base::Network& open) { return base::contains(open, one); });
  };
  if (allowed(address)) return nullptr;
  if (const char* why = why_closed(address)) return why;
  auto carried = carried_address(address);
  return carried && !allowed(*carried) ? why_closed(*carried) : nullptr;
}

}  // namespace control
