#include "control/fetch_address.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace control {
namespace {

std::string refusal(const char* address, std::vector<base::Network> allow = {}) {
  auto ip = base::parse_ip(address);
  if (!ip) return "not an address";
  const char* why = why_not_called(*ip, allow);
  return why == nullptr ? "" : why;
}

TEST(FetchAddress, WhatIsRefusedAndWhatIsNot) {
  const struct {
    const char* address;
    const char* why;  // empty: called
  } cases[] = {
      // Where services live.
      {"127.0.0.1", ""},
      {"127.255.255.254", ""},
      {"::1", ""},
      {"::ffff:127.0.0.1", ""},
      {"10.0.0.1", ""},
      {"172.16.0.1", ""},
      {"192.168.1.1", ""},
      {"100.64.0.1", ""},
      {"fd00::1", ""},
      {"203.0.113.7", ""},
      {"2001:db8::1", ""},
      // Link-local: to the edges, and not one further.
      {"169.254.169.254", "link-local"},
      {"169.254.0.0", "link-local"},
      {"169.254.255.255", "link-local"},
      {"169.253.255.255", ""},
      {"169.255.0.0", ""},
      {"fe80::1", "link-local"},
      {"febf:ffff::1", "link-local"},
      {"fec0::1", ""},
      // Clouds' metadata services elsewhere.
      {"fd00:ec2::254", "a cloud's metadata service"},
      {"fd00:ec2::253", ""},
      {"fd20:ce::254", "a cloud's metadata service"},
      {"100.100.100.200", "a cloud's metadata service"},
      {"100.100.100.201", ""},
      {"168.63.129.16", "a cloud's metadata service"},
      {"192.0.0.192", "a cloud's metadata service"},
      // No single host. 0.0.0.0 reaches this machine.
      {"0.0.0.0", "no host's address"},
      {"0.1.2.3", "no host's address"},
      {"::", "no host's address"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.250", "multicast"},
      {"ff02::1", "multicast"},
      {"255.255.255.255", "broadcast"},
      // The same, dressed as IPv6: mapped, compatible, NAT64, 6to4.
      {"::ffff:169.254.169.254", "link-local"},
      {"::ffff:a9fe:a9fe", "link-local"},
      {"::ffff:0.0.0.0", "no host's address"},
      {"::ffff:100.100.100.200", "a cloud's metadata service"},
      {"::ffff:224.0.0.1", "multicast"},
      {"::169.254.169.254", "link-local"},
      {"64:ff9b::a9fe:a9fe", "link-local"},
      {"64:ff9b::6464:64c8", "a cloud's metadata service"},
      {"64:ff9b::a00:1", ""},
      {"2002:a9fe:a9fe::1", "link-local"},
      {"2002:a00:1::1", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(refusal(c.address), c.why) << c.address;
}

TEST(FetchAddress, WhatIsNamedIsAllowedAndNothingBesideIt) {
  std::vector<base::Network> allow = {*base::parse_network("169.254.10.0/24"),
                                      *base::parse_network("fe80::/64")};
  EXPECT_EQ(refusal("169.254.10.7", allow), "");
  EXPECT_EQ(refusal("::ffff:169.254.10.7", allow), "");
  EXPECT_EQ(refusal("64:ff9b::a9fe:a07", allow), "");
  EXPECT_EQ(refusal("fe80::1", allow), "");
  EXPECT_EQ(refusal("169.254.11.7", allow), "link-local");
  EXPECT_EQ(refusal("169.254.169.254", allow), "link-local");
  EXPECT_EQ(refusal("fe80:1::1", allow), "link-local");
}

}  // namespace
}  // namespace control
