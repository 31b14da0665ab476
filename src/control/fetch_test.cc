// Fetches from servers of one answer each on this machine. Nothing here measures time: what must not wait is
// waited for only as long as a broken machine might need.
#include "control/fetch.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace control {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr base::Duration kLong = base::seconds(600);

// Connections are taken by the kernel; nobody answers unless answer() was called.
class OneAnswer {
 public:
  OneAnswer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof local;
    bind(fd_, reinterpret_cast<sockaddr*>(&local), length);
    listen(fd_, 64);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &length);
    port_ = ntohs(local.sin_port);
  }
  ~OneAnswer() {
    if (thread_.joinable()) thread_.join();
    close(fd_);
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;

  void answer(std::string text) {
    thread_ = std::thread([this, text = std::move(text)] {
      int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      std::string head;
      char byte;
      while (!head.ends_with("\r\n\r\n") && read(client, &byte, 1) == 1) head += byte;
      send(client, text.data(), text.size(), MSG_NOSIGNAL);
      close(client);
    });
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/jwks"; }

 private:
  int fd_;
  uint16_t port_ = 0;
  std::thread thread_;
};

struct Promised final : Fetcher::Done {
  explicit Promised(std::promise<FetchResult> promise) : promise(std::move(promise)) {}
  void fetched(FetchResult result) override { promise.set_value(std::move(result)); }
  std::promise<FetchResult> promise;
};

std::future<FetchResult> fetch(Fetcher& fetcher, FetchRequest request) {
  std::promise<FetchResult> promise;
  std::future<FetchResult> future = promise.get_future();
  fetcher.fetch(std::move(request), std::make_unique<Promised>(std::move(promise)));
  return future;
}

std::string http_answer(std::string_view status, std::string_view fields, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

TEST(Fetch, AHostThatHangsDelaysNoOther) {
  OneAnswer silent;
  OneAnswer good;
  good.answer(http_answer("200 OK", "Cache-Control: public, max-age=300\r\n", "{}"));
  Fetcher fetcher;
  std::vector<std::future<FetchResult>> hanging;
  for (int i = 0; i < 8; ++i) hanging.push_back(fetch(fetcher, {.url = silent.url(), .timeout = kLong}));
  std::future<FetchResult> future = fetch(fetcher, {.url = good.url()});
  ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
  FetchResult result = future.get();
  EXPECT_TRUE(result.ok) << result.problem;
  EXPECT_EQ(result.body, "{}");
  EXPECT_EQ(result.max_age, base::seconds(300));
  for (auto& other : hanging) EXPECT_EQ(other.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  // And the fetcher goes without waiting for them.
}

TEST(Fetch, MoreThanRunAtOnceAllHaveTheirTurn) {
  OneAnswer refused;
  std::string url = refused.url();
  Fetcher fetcher;
  std::vector<std::future<FetchResult>> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(fetch(fetcher, {.url = url, .timeout = base::milliseconds(20)}));
  }
  for (auto& future : all) {
    ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
    EXPECT_FALSE(future.get().ok);
  }
}

TEST(Fetch, WhatIsNotTakenIsToldWhy) {
  const struct {
    std::string answer;
    std::string problem;  // contained
  } cases[] = {
      {http_answer("404 Not Found", "", "{}"), "status is 404, not 200"},
      {http_answer("302 Found", "Location: http://127.0.0.1:1/\r\n", ""), "status is 302, not 200"},
      {http_answer("200 OK", "", std::string(101, 'x')), "larger than 100 bytes"},
      {"", "Empty reply"},
  };
  for (const auto& c : cases) {
    OneAnswer server;
    server.answer(c.answer);
    Fetcher fetcher;
    std::future<FetchResult> future = fetch(fetcher, {.url = server.url(), .bytes_max = 100});
    ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
    FetchResult result = future.get();
    EXPECT_FALSE(result.ok);
    EXPECT_NE(result.problem.find(c.problem), std::string::npos) << result.problem;
  }
}

}  // namespace
}  // namespace control
