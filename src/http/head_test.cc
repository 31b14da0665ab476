#include "http/head.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/reason.h"

namespace http {
namespace {

constexpr Method kMethods[] = {Method::get,   Method::head,    Method::post,    Method::put,  Method::delete_,
                               Method::patch, Method::options, Method::connect, Method::trace};

TEST(Method, IsReadBackFromItsName) {
  for (Method method : kMethods) EXPECT_EQ(parse_method(method_name(method)), method) << method_name(method);
  for (std::string_view text : {"", "get", "Get", "GETS", "PUTS", "POSt", "_OTHER", "PROPFIND", "DELETED"}) {
    EXPECT_EQ(parse_method(text), Method::other) << text;
  }
  EXPECT_EQ(method_name(Method::other), "_OTHER");
}

TEST(Method, OnlyIdempotentOnesMayBeSentAgain) {
  for (Method method :
       {Method::get, Method::head, Method::put, Method::delete_, Method::options, Method::trace}) {
    EXPECT_TRUE(is_idempotent(method)) << method_name(method);
  }
  for (Method method : {Method::post, Method::patch, Method::connect, Method::other}) {
    EXPECT_FALSE(is_idempotent(method)) << method_name(method);
  }
}

std::unique_ptr<Headers> make_headers() {
  auto headers = std::make_unique<Headers>();
  headers->add({.name = "Host", .value = "a", .id = HeaderId::host});
  headers->add({.name = "Connection", .value = "close, Foo", .id = HeaderId::connection});
  headers->add({.name = "X-Foo", .value = "1"});
  headers->add({.name = "x-fOO", .value = "2"});
  headers->add({.name = "connection", .value = " ,upgrade", .id = HeaderId::connection});
  return headers;
}

TEST(Headers, AreFoundByIdAndByName) {
  const auto headers = make_headers();
  EXPECT_EQ(headers->find(HeaderId::connection)->value, "close, Foo");
  EXPECT_EQ(headers->count(HeaderId::connection), 2u);
  EXPECT_EQ(headers->find(HeaderId::cookie), nullptr);
  EXPECT_EQ(headers->count(HeaderId::cookie), 0u);
  EXPECT_EQ(headers->find("X-FOO")->value, "1");
  EXPECT_EQ(headers->find("X-Fo"), nullptr);
  EXPECT_EQ(headers->find("host")->value, "a");
}

TEST(Headers, TokensAreWholeAndIgnoreCase) {
  const auto headers = make_headers();
  for (std::string_view token : {"close", "CLOSE", "foo", "Upgrade"}) {
    EXPECT_TRUE(has_token(*headers, HeaderId::connection, token)) << token;
  }
  for (std::string_view token : {"clos", "closed", "", "close, Foo", "a"}) {
    EXPECT_FALSE(has_token(*headers, HeaderId::connection, token)) << token;
  }
  EXPECT_FALSE(has_token(*headers, HeaderId::te, "close"));
}

TEST(Headers, MarksEveryHeaderOfAName) {
  const auto headers = make_headers();
  headers->mark_hop_by_hop("X-Foo");
  std::string marked;
  for (const Header& header : *headers) marked += header.hop_by_hop ? '1' : '0';
  EXPECT_EQ(marked, "00110");
}

TEST(Headers, AreBoundedAndCleared) {
  const auto headers = std::make_unique<Headers>();
  for (uint32_t i = 0; i < Headers::kCapacity; ++i) ASSERT_TRUE(headers->add({.name = "a", .value = "b"}));
  EXPECT_FALSE(headers->add({.name = "Host", .value = "b", .id = HeaderId::host}));
  EXPECT_FALSE(headers->has(HeaderId::host));
  headers->clear();
  EXPECT_EQ(headers->size(), 0u);
  EXPECT_FALSE(headers->has(HeaderId::other));
}

TEST(ReasonPhrase, IsKnownForEveryStatusTheGateAnswers) {
#define X(name, status, title) \
  if (status != 0) EXPECT_NE(default_reason_phrase(status), "") << #name;
  GATEHOUSE_REASONS(X)
#undef X
  EXPECT_EQ(default_reason_phrase(200), "OK");
  EXPECT_EQ(default_reason_phrase(418), "");
}

}  // namespace
}  // namespace http
