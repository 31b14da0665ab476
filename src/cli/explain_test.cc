#include "cli/explain.h"

#include <gtest/gtest.h>

namespace {

TEST(ReadUrl, SplitsWhatARequestIsMadeOf) {
  const struct {
    const char *url, *authority, *target;
  } cases[] = {
      {"http://api.example.com/orders/1?a=b", "api.example.com", "/orders/1?a=b"},
      {"https://api.example.com:8443", "api.example.com:8443", "/"},
      {"http://api.example.com?a", "api.example.com", "/?a"},
      {"http://[::1]:80/x#there", "[::1]:80", "/x"},
      {"/orders?to=http://elsewhere/", "", "/orders?to=http://elsewhere/"},
  };
  for (const auto& c : cases) {
    control::RequestToDecide request;
    auto read = cli::read_url(c.url, request);
    ASSERT_TRUE(read) << c.url << ": " << read.error();
    EXPECT_EQ(request.authority, c.authority) << c.url;
    EXPECT_EQ(request.target, c.target) << c.url;
  }
}

TEST(ReadUrl, RefusesWhatNoGateServes) {
  for (const char* url : {"", "orders", "ftp://host/x", "http:///x", "?a"}) {
    control::RequestToDecide request;
    EXPECT_FALSE(cli::read_url(url, request)) << url;
  }
}

}  // namespace
