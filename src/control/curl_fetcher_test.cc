// Fetches from servers on this machine. Nothing here measures time: what must not wait is waited for only as
// long as a broken machine might need.
#include "control/curl_fetcher.h"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <map>
#include <string>
#include <vector>

#include "control/test_issuer.h"

// Names of these tests, in the place of the system's resolver: libcurl finds this one first.
namespace {
std::latch& look_ups_go_on() {
  static std::latch latch(1);
  return latch;
}
const std::map<std::string, std::vector<const char*>> kNames = {
    {"metadata.test", {"169.254.169.254"}},
    {"mixed.test", {"169.254.169.254", "fe80::1", "127.0.0.1"}},
    {"mapped.test", {"::ffff:169.254.169.254"}},
};
}  // namespace

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* name, const char* service,
                                                                  const addrinfo* hints, addrinfo** out) {
  using Real = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name != nullptr && std::string(name) == "hangs.test") look_ups_go_on().wait();
  auto known = kNames.find(name == nullptr ? "" : name);
  if (known == kNames.end()) return real(name, service, hints, out);
  addrinfo numeric = hints == nullptr ? addrinfo{} : *hints;
  numeric.ai_flags = AI_NUMERICHOST;
  numeric.ai_family = AF_UNSPEC;
  addrinfo** next = out;
  for (const char* address : known->second) {
    if (real(address, service, &numeric, next) != 0) return EAI_FAIL;
    next = &(*next)->ai_next;
  }
  return 0;
}

namespace control {
namespace {

using testing::Asked;
using testing::FetchWorld;
using testing::http_answer;
using testing::TestIssuer;
using tls::testing::TestCertificate;

constexpr base::Duration kLong = base::seconds(600);

TestIssuer::Answer always(std::string answer) {
  return [answer = std::move(answer)](const Asked&) { return answer; };
}

// Connections are taken by the kernel; nobody ever answers.
class SilentHost {
 public:
  SilentHost() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof local;
    bind(fd_, reinterpret_cast<sockaddr*>(&local), length);
    listen(fd_, 64);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &length);
    url = "http://127.0.0.1:" + std::to_string(ntohs(local.sin_port)) + "/";
  }
  ~SilentHost() { close(fd_); }
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;
  std::string url;

 private:
  int fd_;
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(CurlFetcher, AHostThatHangsDelaysNoOther) {
  SilentHost silent;
  TestIssuer good(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  // More than may run at once to one origin.
  for (int i = 0; i < 50; ++i) world.start({.url = silent.url, .timeout = kLong});
  EXPECT_EQ(world.fetch({.url = good.url()}).body, "{}");
  for (size_t i = 0; i < 50; ++i) EXPECT_FALSE(world.answered(i));
  // And the fetcher goes without waiting for them.
}

TEST(CurlFetcher, ANameThatHangsDelaysNoOther) {
  TestIssuer good(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  FetchResult result = world.fetch({.url = "http://hangs.test/", .timeout = base::milliseconds(50)});
  EXPECT_EQ(result.status, 0);  // its look-up goes on, and nobody waits for it
  EXPECT_TRUE(world.fetch({.url = good.url()}).ok());
  look_ups_go_on().count_down();
}

TEST(CurlFetcher, MoreThanRunAtOnceAllHaveTheirTurn) {
  TestIssuer good(always(http_answer("200 OK", "", "{}")));
  SilentHost silent;
  FetchWorld world;
  std::vector<size_t> answered;
  std::vector<size_t> overdue;
  for (int i = 0; i < 200; ++i) {
    answered.push_back(world.start({.url = good.url(), .timeout = kLong}));
    overdue.push_back(world.start({.url = silent.url, .timeout = base::milliseconds(50)}));
  }
  for (size_t number : answered) EXPECT_TRUE(world.wait(number).ok()) << world.wait(number).problem;
  int turned_away = 0;
  for (size_t number : overdue) {
    EXPECT_EQ(world.wait(number).status, 0);
    turned_away += has(world.wait(number).problem, "earlier calls to this host");
  }
  EXPECT_GT(turned_away, 0);  // their time ran out while they waited for their turn
}

TEST(CurlFetcher, TooManyThatWaitAreTurnedAway) {
  SilentHost silent;
  FetchWorld world;
  for (int i = 0; i < 1100; ++i) world.start({.url = silent.url, .timeout = kLong});
  FetchResult result = world.fetch({.url = silent.url, .timeout = kLong});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(has(result.problem, "too many calls")) << result.problem;
  EXPECT_FALSE(world.answered(0));
}

TEST(CurlFetcher, WhatIsAskedAndWhatIsTold) {
  TestIssuer issuer(always(http_answer("400 Bad Request",
                                       "Content-Type: application/json\r\nRetry-After: 7\r\n"
                                       "Cache-Control: public, max-age=300\r\n",
                                       R"({"error":"invalid_grant"})")));
  FetchWorld world;
  FetchResult result = world.fetch(
      {.url = issuer.url("/token?a=b"),
       .method = FetchMethod::post,
       .headers = {{"Authorization", "Basic eDp5"}, {"Content-Type", "application/x-www-form-urlencoded"}},
       .body = std::string("grant_type=a\0b", 14)});
  EXPECT_EQ(result.status, 400);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.problem, "the answer's status is 400, not 200");
  EXPECT_EQ(result.body, R"({"error":"invalid_grant"})");
  EXPECT_EQ(result.content_type, "application/json");
  EXPECT_EQ(result.retry_after, base::seconds(7));
  EXPECT_EQ(result.max_age, base::seconds(300));
  ASSERT_EQ(issuer.asked().size(), 1u);
  Asked asked = issuer.asked().front();
  EXPECT_EQ(asked.line, "POST /token?a=b HTTP/1.1");
  EXPECT_TRUE(has(asked.head, "\r\nAuthorization: Basic eDp5\r\n")) << asked.head;
  EXPECT_TRUE(has(asked.head, "\r\nContent-Type: application/x-www-form-urlencoded\r\n")) << asked.head;
  EXPECT_EQ(asked.body, std::string("grant_type=a\0b", 14));
}

TEST(CurlFetcher, ValuesCannotWriteHeadersOfTheirOwn) {
  TestIssuer issuer(always(http_answer("200 OK", "", "")));
  FetchWorld world;
  for (std::string value : {"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\tb", ""}) {
    FetchResult result = world.fetch({.url = issuer.url(), .headers = {{"Authorization", value}}});
    EXPECT_EQ(result.status, 0);
    EXPECT_TRUE(has(result.problem, "Authorization")) << result.problem;
  }
  EXPECT_FALSE(world.fetch({.url = issuer.url(), .headers = {{"A", std::string("a\0b", 3)}}}).ok());
  EXPECT_TRUE(issuer.asked().empty());
}

TEST(CurlFetcher, WhatIsNoWholeAnswerIsNone) {
  std::string interim;
  for (int i = 0; i < 20'000; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  const struct {
    std::string answer;
    std::string problem;  // contained
  } cases[] = {
      {http_answer("200 OK", "", std::string(101, 'x')), "larger than 100 bytes"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x'),
       "larger than 100 bytes"},
      {http_answer("200 OK", "X: " + std::string(70'000, 'x') + "\r\n", "{}"), "head is larger"},
      {interim, "head is larger"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "50"},
      {"garbage\r\n\r\n", "HTTP/0.9"},
      {"", "Empty reply"},
  };
  for (const auto& c : cases) {
    std::atomic<bool> told = false;
    TestIssuer issuer([&](const Asked&) { return told.exchange(true) ? std::string() : c.answer; });
    FetchWorld world;
    // The connection ends after one answer: nothing more is coming where the answer promises more.
    size_t number = world.start({.url = issuer.url(), .bytes_max = 100, .timeout = base::seconds(2)});
    FetchResult result = world.wait(number);
    EXPECT_EQ(result.status, 0) << c.problem;
    EXPECT_EQ(result.body, "");
    EXPECT_TRUE(has(result.problem, c.problem) || has(result.problem, "timed out")) << result.problem;
  }
}

TEST(CurlFetcher, RedirectsOfGetWithinTheOriginAreFollowed) {
  TestIssuer issuer([](const Asked& asked) {
    if (has(asked.line, " /3")) return http_answer("200 OK", "", "here");
    char next = static_cast<char>(asked.line[5] + 1);
    return http_answer("302 Found", std::string("Cache-Control: max-age=9\r\nLocation: ") + next + "\r\n",
                       "there");
  });
  FetchWorld world;
  FetchResult result = world.fetch({.url = issuer.url("/0"), .headers = {{"Accept", "application/json"}}});
  EXPECT_TRUE(result.ok()) << result.problem;
  EXPECT_EQ(result.body, "here");
  EXPECT_LT(result.max_age, base::Duration{});
  ASSERT_EQ(issuer.asked().size(), 4u);
  EXPECT_TRUE(has(issuer.asked().back().head, "Accept: application/json"));
  EXPECT_EQ(issuer.connections(), 1u);
}

TEST(CurlFetcher, OtherRedirectsAreNot) {
  TestIssuer other(always(http_answer("200 OK", "", "secret")));
  std::string location;
  TestIssuer issuer(
      [&](const Asked&) { return http_answer("302 Found", "Location: " + location + "\r\n", ""); });
  const std::string own = "127.0.0.1:" + issuer.port();
  const struct {
    std::string location;
    std::string problem;
  } cases[] = {
      {other.url(), "another origin"},
      {"//127.0.0.1:" + other.port() + "/", "another origin"},
      {"//localhost:" + issuer.port() + "/", "another origin"},
      {"https://" + own + "/", "another origin"},
      {"http://user:password@" + own + "/", "another origin"},
      {"http://" + own + "@127.0.0.1:" + other.port() + "/", "another origin"},
      {"file:///etc/passwd", "another origin"},
      {"gopher://" + own + "/", "another origin"},
      {"http://169.254.169.254/latest/meta-data/", "another origin"},
      {"/again", "one redirect after another"},
  };
  FetchWorld world;
  for (const auto& c : cases) {
    location = c.location;
    FetchResult result = world.fetch({.url = issuer.url()});
    EXPECT_EQ(result.status, 0) << c.location;
    EXPECT_TRUE(has(result.problem, c.problem)) << c.location << ": " << result.problem;
    EXPECT_EQ(result.body, "");
  }
  EXPECT_EQ(other.connections(), 0u);

  location = "/elsewhere";
  size_t before = issuer.asked().size();
  FetchResult result = world.fetch({.url = issuer.url(), .method = FetchMethod::post, .body = "a=b"});
  EXPECT_EQ(result.status, 302);
  EXPECT_EQ(issuer.asked().size(), before + 1);
}

TEST(CurlFetcher, OnlyPlainHttpUrlsAreCalled) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  for (std::string url : {"file:///etc/passwd", "ftp://127.0.0.1/", "127.0.0.1/", "", "http://", "HTTP//x",
                          "gopher://127.0.0.1/", "dict://127.0.0.1/"}) {
    FetchResult result = world.fetch({.url = url});
    EXPECT_EQ(result.status, 0) << url;
    EXPECT_FALSE(result.problem.empty()) << url;
  }
  EXPECT_FALSE(world.fetch({.url = "http://user@127.0.0.1:" + issuer.port() + "/"}).ok());
  EXPECT_TRUE(issuer.asked().empty());
}

// However the address is written. 0.0.0.0 is one that does reach this machine's listener.
TEST(CurlFetcher, AddressesNobodyCallsOnPurposeAreRefusedWhenConnecting) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  const std::string at = ":" + issuer.port() + "/";
  for (std::string host : {"0.0.0.0", "0", "0x0", "[::ffff:0.0.0.0]", "[::]", "169.254.169.254", "2852039166",
                           "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]", "[fe80::1]",
                           "[fd00:ec2::254]", "100.100.100.200", "224.0.0.1"}) {
    FetchResult result = world.fetch({.url = "http://" + host + at});
    EXPECT_EQ(result.status, 0) << host;
    EXPECT_TRUE(has(result.problem, "fetch.allow")) << host << ": " << result.problem;
  }
  EXPECT_EQ(issuer.connections(), 0u);
  EXPECT_TRUE(world.fetch({.url = issuer.url()}).ok());
}

TEST(CurlFetcher, AddressesCountBehindNamesAndEachThatIsTried) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  for (std::string name : {"metadata.test", "mapped.test"}) {
    FetchResult result = world.fetch({.url = "http://" + name + ":" + issuer.port() + "/"});
    EXPECT_EQ(result.status, 0);
    EXPECT_TRUE(has(result.problem, "169.254.169.254, which is link-local")) << result.problem;
  }
  EXPECT_EQ(world.fetch({.url = "http://mixed.test:" + issuer.port() + "/"}).body, "{}");
  EXPECT_EQ(issuer.connections(), 1u);
}

TEST(CurlFetcher, WhatIsNoLongerAllowedIsNotCalledOverAKeptConnectionEither) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  const std::string url = "http://0.0.0.0:" + issuer.port() + "/";
  world.fetcher().apply({.ca = {}, .allow = {*base::parse_network("0.0.0.0/8")}});
  EXPECT_TRUE(world.fetch({.url = url}).ok());
  EXPECT_TRUE(world.fetch({.url = url}).ok());
  EXPECT_EQ(issuer.connections(), 1u);
  world.fetcher().apply({});
  FetchResult result = world.fetch({.url = url});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(issuer.asked().size(), 2u);
}

TEST(CurlFetcher, TheEnvironmentsProxyIsNotUsed) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  TestIssuer proxy(always(http_answer("200 OK", "", "proxied")));
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) setenv(name, proxy.url().c_str(), 1);
  FetchWorld world;
  EXPECT_EQ(world.fetch({.url = issuer.url()}).body, "{}");
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) unsetenv(name);
  EXPECT_EQ(proxy.connections(), 0u);
}

TEST(CurlFetcher, ConnectionsAreUsedAgain) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(world.fetch({.url = issuer.url()}).ok());
  EXPECT_EQ(issuer.connections(), 1u);
}

TEST(CurlFetcher, TlsIsVerifiedWithTheMachinesRootsAndTheGates) {
  TestCertificate machine = tls::testing::make_authority("Machine CA");
  TestCertificate own = tls::testing::make_authority("Own CA");
  TestCertificate of_machine = machine.issue({.common_name = "localhost", .names = "DNS:localhost"});
  TestCertificate of_own = own.issue({.common_name = "localhost", .names = "DNS:localhost"});
  TestCertificate of_another = own.issue({.common_name = "other", .names = "DNS:other.example"});
  TestIssuer public_issuer(always(http_answer("200 OK", "", "public")), &of_machine);
  TestIssuer own_issuer(always(http_answer("200 OK", "", "own")), &of_own);
  TestIssuer impostor(always(http_answer("200 OK", "", "impostor")), &of_another);
  const std::string roots = ::testing::TempDir() + "machine-roots." + std::to_string(getpid()) + ".pem";
  std::ofstream(roots) << machine.pem();

  FetchWorld world(roots);
  EXPECT_EQ(world.fetch({.url = own_issuer.url()}).status, 0);
  config::FetchSettings settings;
  settings.ca.text = own.pem();
  world.fetcher().apply(settings);
  EXPECT_EQ(world.fetch({.url = own_issuer.url()}).body, "own");
  EXPECT_EQ(world.fetch({.url = public_issuer.url()}).body, "public");
  FetchResult result = world.fetch({.url = impostor.url()});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(has(result.problem, "localhost")) << result.problem;
  // Taken away again: neither new connections nor kept ones.
  world.fetcher().apply({});
  EXPECT_EQ(world.fetch({.url = own_issuer.url()}).status, 0);
}

TEST(CurlFetcher, ATaskMayBeDestroyedWhileItWaits) {
  SilentHost silent;
  TestIssuer good(always(http_answer("200 OK", "", "{}")));
  FetchWorld world;
  world.start({.url = good.url()});
  world.start({.url = silent.url, .timeout = base::milliseconds(50)});
  world.scope.cancel_all();
  EXPECT_TRUE(world.fetch({.url = good.url()}).ok());
  // The silent host's answer arrives for nobody.
  size_t last = world.start({.url = silent.url, .timeout = base::milliseconds(100)});
  EXPECT_FALSE(world.wait(last).ok());
  EXPECT_FALSE(world.answered(0));
}

TEST(CurlFetcher, CommandsFetchWithoutALoop) {
  TestIssuer issuer(always(http_answer("200 OK", "", "{}")));
  EXPECT_EQ(fetch_now({}, {.url = issuer.url()}).body, "{}");
}

}  // namespace
}  // namespace control
