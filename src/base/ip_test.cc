#include "base/ip.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Ip, ParsesAndFormats) {
  struct Case {
    std::string_view text;
    std::string_view formatted;
    bool v6;
  };
  for (const Case& c : std::initializer_list<Case>{{"10.0.0.1", "10.0.0.1", false},
                                                   {"255.255.255.255", "255.255.255.255", false},
                                                   {"::1", "::1", true},
                                                   {"2001:DB8:0:0::1", "2001:db8::1", true},
                                                   {"::", "::", true},
                                                   {"::ffff:10.0.0.1", "10.0.0.1", false},
                                                   {"::ffff:a00:1", "10.0.0.1", false},
                                                   {"::fffe:10.0.0.1", "::fffe:a00:1", true}}) {
    auto address = parse_ip(c.text);
    ASSERT_TRUE(address) << c.text;
    EXPECT_EQ(format_ip(*address), c.formatted);
    EXPECT_EQ(address->v6, c.v6);
    EXPECT_EQ(parse_ip(format_ip(*address)), address);
  }
}

TEST(Ip, Refuses) {
  for (std::string_view text :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "0x7f.1", "[::1]",
        "::1%eth0", ":::", "1::2::3", "12345::", "1.2.3.4/8", "localhost"}) {
    EXPECT_FALSE(parse_ip(text)) << text;
  }
  EXPECT_FALSE(parse_ip(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(parse_ip(std::string(100, '1')));
  EXPECT_TRUE(parse_ip("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")) << "the longest writing";
}

TEST(Network, ParsesAndFormats) {
  struct Case {
    std::string_view text;
    std::string_view formatted;
  };
  for (const Case& c : std::initializer_list<Case>{{"10.0.0.0/8", "10.0.0.0/8"},
                                                   {"10.1.2.3", "10.1.2.3/32"},
                                                   {"0.0.0.0/0", "0.0.0.0/0"},
                                                   {"10.128.0.0/9", "10.128.0.0/9"},
                                                   {"2001:db8::/32", "2001:db8::/32"},
                                                   {"::1", "::1/128"},
                                                   {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
                                                   {"::ffff:10.1.2.3/128", "10.1.2.3/32"},
                                                   {"::ffff:10.1.2.3", "10.1.2.3/32"}}) {
    auto network = parse_network(c.text);
    ASSERT_TRUE(network) << c.text;
    EXPECT_EQ(format_network(*network), c.formatted);
  }
  for (std::string_view text :
       {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "/8", "2001:db8::1/32", "::/129",
        "10.0.0.0/8/8", "10.64.0.0/9", "::ffff:10.0.0.0/8", "::ffff:0:0/95"}) {
    EXPECT_FALSE(parse_network(text)) << text;
  }
}

TEST(Network, Contains) {
  struct Case {
    std::string_view network;
    std::string_view address;
    bool contained;
  };
  for (const Case& c : std::initializer_list<Case>{{"10.0.0.0/8", "10.255.1.2", true},
                                                   {"10.0.0.0/8", "11.0.0.0", false},
                                                   {"10.0.0.0/8", "::ffff:10.1.1.1", true},
                                                   {"10.128.0.0/9", "10.128.0.1", true},
                                                   {"10.128.0.0/9", "10.127.255.255", false},
                                                   {"0.0.0.0/0", "1.2.3.4", true},
                                                   {"0.0.0.0/0", "::1", false},
                                                   {"::/0", "1.2.3.4", false},
                                                   {"::/0", "::1", true},
                                                   {"192.0.2.7", "192.0.2.7", true},
                                                   {"192.0.2.7", "192.0.2.6", false},
                                                   {"2001:db8::/33", "2001:db8:7fff::1", true},
                                                   {"2001:db8::/33", "2001:db8:8000::1", false}}) {
    EXPECT_EQ(contains(*parse_network(c.network), *parse_ip(c.address)), c.contained)
        << c.network << " " << c.address;
  }
}

}  // namespace
}  // namespace base
