#include "websocket/handshake.h"

#include <gtest/gtest.h>

#include <set>

namespace websocket {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 §1.3
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

void set_headers(http::Headers& headers, const Fields& fields) {
  headers.clear();
  for (const auto& [name, value] : fields) {
    headers.add({.name = name, .value = value, .id = http::find_header_id(name)});
  }
}

Fields without(Fields fields, std::string_view name) {
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

Fields with(Fields fields, std::string_view name, std::string_view value) {
  fields.emplace_back(name, value);
  return fields;
}

Fields changed(const Fields& fields, std::string_view name, std::string_view value) {
  return with(without(fields, name), name, value);
}

const Fields kAsked = {{"Host", "a"},
                       {"Upgrade", "websocket"},
                       {"Connection", "Upgrade"},
                       {"Sec-WebSocket-Key", kKey},
                       {"Sec-WebSocket-Version", "13"}};
const Fields kAnswered = {
    {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", kAccept}};

std::string checked_request(const Fields& fields) {
  static http::RequestHead head;
  head.clear();
  head.method = http::Method::get;
  set_headers(head.headers, fields);
  const auto result = check_request(head);
  if (result) return "good";
  const std::string detail = result.error().detail;
  EXPECT_EQ(result.error().reason, detail.find("Version") != detail.npos
                                       ? base::Reason::websocket_version_refused
                                       : base::Reason::http_request_error);
  return detail;
}

TEST(Handshake, AcceptOfAKey) {
  EXPECT_EQ(as_text(make_accept(kKey)), kAccept);
  EXPECT_NE(as_text(make_accept("")), kAccept);
  EXPECT_NE(as_text(make_accept(std::string(1000, 'x'))), kAccept);
}

TEST(Handshake, AMadeKeyIsFreshAndGood) {
  crypto::SystemRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const Key key = make_key(random);
    EXPECT_EQ(checked_request(changed(kAsked, "Sec-WebSocket-Key", as_text(key))), "good");
    EXPECT_TRUE(seen.emplace(as_text(key)).second);
  }
}

TEST(Handshake, Requests) {
  constexpr std::string_view kBadKey = "Sec-WebSocket-Key is not one key of 16 bytes";
  constexpr std::string_view kBadVersion = "Sec-WebSocket-Version is not 13";
  constexpr std::string_view kBadUpgrade = "Upgrade does not ask for websocket";
  constexpr std::string_view kBadConnection = "Connection does not say upgrade";
  struct Case {
    Fields fields;
    std::string_view told;
  } const cases[] = {
      {kAsked, "good"},
      {changed(kAsked, "Upgrade", "WebSocket"), "good"},
      {changed(kAsked, "Connection", "keep-alive, UPGRADE"), "good"},
      {with(kAsked, "Sec-WebSocket-Protocol", "chat"), "good"},
      {without(kAsked, "Upgrade"), kBadUpgrade},
      {changed(kAsked, "Upgrade", "websockets"), kBadUpgrade},
      {without(kAsked, "Connection"), kBadConnection},
      {changed(kAsked, "Connection", "close"), kBadConnection},
      {without(kAsked, "Sec-WebSocket-Key"), kBadKey},
      {with(kAsked, "sec-websocket-key", kKey), kBadKey},
      {changed(kAsked, "Sec-WebSocket-Key", ""), kBadKey},
      {changed(kAsked, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), kBadKey},
      {changed(kAsked, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSEh"), kBadKey},
      {changed(kAsked, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=!"), kBadKey},
      {changed(kAsked, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==AAAA"), kBadKey},
      {without(kAsked, "Sec-WebSocket-Version"), kBadVersion},
      {changed(kAsked, "Sec-WebSocket-Version", "8"), kBadVersion},
      {changed(kAsked, "Sec-WebSocket-Version", "013"), kBadVersion},
      {changed(kAsked, "Sec-WebSocket-Version", "13, 8"), kBadVersion},
      {with(kAsked, "Sec-WebSocket-Version", "13"), kBadVersion},
  };
  for (const Case& c : cases) EXPECT_EQ(checked_request(c.fields), c.told);
}

TEST(Handshake, RequestsThatAreNoHandshakeByTheirHead) {
  static http::RequestHead head;
  const auto check = [&](auto change) {
    head.clear();
    head.method = http::Method::get;
    set_headers(head.headers, kAsked);
    change();
    return check_request(head).has_value();
  };
  EXPECT_TRUE(check([] {}));
  EXPECT_FALSE(check([] { head.method = http::Method::post; }));
  EXPECT_FALSE(check([] { head.version = http::Version::http10; }));
  EXPECT_FALSE(check([] { head.version = http::Version::http2; }));
  EXPECT_FALSE(check([] { head.body = {.kind = http::BodyLength::Kind::sized, .bytes = 1}; }));
}

TEST(Handshake, WhetherItIsAskedFor) {
  static http::RequestHead head;
  head.clear();
  set_headers(head.headers, kAsked);
  EXPECT_FALSE(asks_for_websocket(head)) << "the codec saw no upgrade";
  head.upgrade = true;
  EXPECT_TRUE(asks_for_websocket(head));
  set_headers(head.headers, changed(kAsked, "Upgrade", "shout"));
  EXPECT_FALSE(asks_for_websocket(head));
}

TEST(Handshake, ExtendedConnect) {
  http::Headers headers;
  set_headers(headers, {{"sec-websocket-version", "13"}});
  EXPECT_TRUE(check_extended_connect(headers));
  set_headers(headers, {{"sec-websocket-version", "12"}});
  EXPECT_FALSE(check_extended_connect(headers));
  headers.clear();
  EXPECT_FALSE(check_extended_connect(headers));
}

TEST(Handshake, Answers) {
  struct Case {
    Fields fields;
    bool good;
  } const cases[] = {
      {kAnswered, true},
      {changed(kAnswered, "Upgrade", "WEBSOCKET"), true},
      {changed(kAnswered, "Connection", "upgrade, x"), true},
      {without(kAnswered, "Upgrade"), false},
      {changed(kAnswered, "Upgrade", "websocket, h2c"), false},
      {with(kAnswered, "Upgrade", "websocket"), false},
      {without(kAnswered, "Connection"), false},
      {without(kAnswered, "Sec-WebSocket-Accept"), false},
      {with(kAnswered, "Sec-WebSocket-Accept", kAccept), false},
      {changed(kAnswered, "Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), false},
      {changed(kAnswered, "Sec-WebSocket-Accept", kKey), false},
  };
  static http::ResponseHead head;
  for (const Case& c : cases) {
    head.clear();
    head.status = 101;
    set_headers(head.headers, c.fields);
    const auto result = check_response(head, kKey);
    EXPECT_EQ(result.has_value(), c.good) << (result ? "" : result.error().detail);
    if (!result) EXPECT_EQ(result.error().reason, base::Reason::http_upgrade_failed);
    head.status = 200;
    EXPECT_FALSE(check_response(head, kKey));
  }
}

}  // namespace
}  // namespace websocket
