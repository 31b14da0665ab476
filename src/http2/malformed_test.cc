// What a client must not say: none of it reaches the handler, all of it gets an answer.
#include "http2/raw_peer.h"

namespace http2 {
namespace {

using Heard = std::vector<std::string>;

FieldList without(std::string_view name) {
  FieldList fields = get();
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}
FieldList with(std::string name, std::string value) {
  FieldList fields = get();
  for (auto& field : fields) {
    if (field.first == name) {
      field.second = value;
      return fields;
    }
  }
  if (name.starts_with(':')) {
    fields.insert(fields.begin(), {name, value});
  } else {
    fields.emplace_back(name, value);
  }
  return fields;
}

TEST(Malformed, HeaderSetsNeverReachTheHandler) {
  struct {
    const char* name;
    FieldList fields;
  } cases[] = {
      {"no method", without(":method")},
      {"no scheme", without(":scheme")},
      {"no path", without(":path")},
      {"no authority and no Host", without(":authority")},
      {"empty method", with(":method", "")},
      {"method in small letters", with(":method", "get")},
      {"method no token", with(":method", "GE T")},
      {"CONNECT", {{":method", "CONNECT"}, {":authority", "a:80"}}},
      {"CONNECT with a path", with(":method", "CONNECT")},
      {":protocol without CONNECT", with(":protocol", "websocket")},
      {"another protocol",
       {{":method", "CONNECT"},
        {":protocol", "connect-udp"},
        {":scheme", "http"},
        {":path", "/"},
        {":authority", "a"}}},
      {"an upgrade that has ended",
       {{":method", "CONNECT"},
        {":protocol", "websocket"},
        {":scheme", "http"},
        {":path", "/"},
        {":authority", "a"}}},
      {"scheme", with(":scheme", "ftp")},
      {"empty path", with(":path", "")},
      {"path without a slash", with(":path", "echo")},
      {"absolute path", with(":path", "http://a/echo")},
      {"path with a space", with(":path", "/a b")},
      {"path with a fragment", with(":path", "/a#b")},
      {"path with a control", with(":path", "/a\x01")},
      {"path with bytes above", with(":path", "/\xC3\xA4")},
      {"star for a GET", with(":path", "*")},
      {"empty authority", with(":authority", "")},
      {"authority with user", with(":authority", "u@a")},
      {"authority with a space", with(":authority", "a b")},
      {"authority with a path", with(":authority", "a/b")},
      {"Host disagrees", with("host", "b")},
      {"Host's port disagrees", with("host", "a:81")},
      {"Host twice", get("/echo", {{"host", "a"}, {"host", "a"}})},
      {"method twice", get("/echo", {{":method", "GET"}})},
      {"pseudo-header behind fields", get("/echo", {{"x", "y"}, {":method", "GET"}})},
      {"unknown pseudo-header", with(":fancy", "1")},
      {":status", with(":status", "200")},
      {"capital letters", with("X-Capital", "1")},
      {"empty name", with("", "1")},
      {"underscore", with("x_under", "1")},
      {"underscore in a name we own", with("x_forwarded_for", "1.2.3.4")},
      {"name with a colon", with("x:y", "1")},
      {"name with a space", with("x y", "1")},
      {"name with a line end", with("x\r\ny", "1")},
      {"value with CR LF", with("x", "1\r\nhost: b")},
      {"value with LF", with("x", "1\n2")},
      {"value with NUL", with("x", std::string("1\0", 2))},
      {"value with a control", with("x", "1\x02")},
      {"value with DEL", with("x", "1\x7F")},
      {"value with space in front", with("x", " 1")},
      {"connection", with("connection", "close")},
      {"keep-alive", with("keep-alive", "1")},
      {"proxy-connection", with("proxy-connection", "close")},
      {"transfer-encoding", with("transfer-encoding", "chunked")},
      {"upgrade", with("upgrade", "websocket")},
      {"te", with("te", "gzip")},
      {"te, list", with("te", "trailers, gzip")},
      {"length, not there", with("content-length", "5")},
      {"length, negative", with("content-length", "-1")},
      {"length, leading zero", with("content-length", "00")},
      {"length, plus", with("content-length", "+0")},
      {"length, list", with("content-length", "0, 0")},
      {"length, twice", get("/echo", {{"content-length", "0"}, {"content-length", "0"}})},
      {"length, huge", with("content-length", "99999999999999999999")},
      {"cookie with a line end", with("cookie", "a=b\r\nx: y")},
      {"TRACE with a body", with(":method", "trace")},
  };
  for (const auto& c : cases) {
    RawWorld world;
    world.say(hello() + request(1, c.fields));
    const Heard heard = world.heard();
    ASSERT_FALSE(heard.empty()) << c.name;
    EXPECT_TRUE(heard[0] == "RST_STREAM 1 PROTOCOL_ERROR" || heard[0] == "HEADERS 1 400" ||
                heard[0] == "GOAWAY 1 PROTOCOL_ERROR")
        << c.name << ": " << heard[0];
    EXPECT_EQ(world.site.served, 0) << c.name;
    if (heard.back() == "closed") continue;
    world.say(request(3, get()));
    EXPECT_EQ(world.heard(), (Heard{"HEADERS 3 200", "DATA 3 4 end"})) << c.name;
  }
}

TEST(Malformed, WhatIsUnusualButGoodPasses) {
  struct {
    const char* name;
    FieldList fields;
    const char* told;
  } cases[] = {
      {"Host agrees", with("host", "A:80"), "GET http://a/echo\nhost: A:80"},
      {"Host alone",
       {{":method", "GET"}, {":scheme", "https"}, {":path", "/echo"}, {"host", "b"}},
       "GET https://b/echo\nhost: b"},
      {"crumbs", get("/echo", {{"cookie", "a=b"}, {"x", "y"}, {"cookie", "c=d"}}),
       "GET http://a/echo\nx: y\ncookie: a=b; c=d"},
      {"te", with("te", "trailers"), "GET http://a/echo\nte: trailers"},
      {"length of nothing", with("content-length", "0"), "GET http://a/echo\ncontent-length: 0"},
      {"priority", with("priority", "u=1, i"), "GET http://a/echo\npriority: u=1, i"},
      {"empty value", with("x", ""), "GET http://a/echo\nx: "},
      {"bytes above in a value", with("x", "\xC3\xA4"), "GET http://a/echo\nx: \xC3\xA4"},
  };
  for (const auto& c : cases) {
    RawWorld world;
    world.say(hello() + request(1, c.fields));
    EXPECT_EQ(world.heard(), (Heard{"HEADERS 1 200", "DATA 1 4 end"})) << c.name;
    EXPECT_EQ(world.site.last, c.told) << c.name;
  }
}

TEST(Malformed, Bodies) {
  const FieldList post = with(":method", "POST");
  FieldList sized = post;
  sized.emplace_back("content-length", "5");
  const uint8_t open = kEndHeaders;
  struct {
    const char* name;
    std::string bytes;
    Heard expected;
  } cases[] = {
      {"shorter than said",
       request(1, sized, open) + bytes_of({kData, kEndStream, 1, "abc"}),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"longer than said",
       request(1, sized, open) + bytes_of({kData, kEndStream, 1, "abcdef"}),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"trailer that frames",
       request(1, post, open) + bytes_of({kData, 0, 1, "a"}) + request(1, {{"host", "b"}}),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"trailer with an underscore",
       request(1, post, open) + request(1, {{"a_b", "b"}}),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"trailers too long",
       request(1, post, open) + request(1, {{"a", std::string(9000, 'x')}}),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"pseudo-header in trailers",
       request(1, post, open) + request(1, {{":path", "/b"}}),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"trailers that do not end",
       request(1, post, open) + request(1, {{"a", "b"}}, kEndHeaders),
       {"RST_STREAM 1 PROTOCOL_ERROR"}},
      {"a trailer the gate has an opinion about is dropped",
       request(1, post, open) + request(1, {{"x-request-id", "b"}, {"a", "b"}}),
       {"HEADERS 1 200", "DATA 1 14 end"}},
      {"reset in mid-body", request(1, post, open) + bytes_of({kRstStream, 0, 1, number(8)}), {}},
  };
  for (const auto& c : cases) {
    RawWorld world;
    world.say(hello() + c.bytes);
    EXPECT_EQ(world.heard(), c.expected) << c.name;
    EXPECT_EQ(world.server->exchanges(), 0u) << c.name;
  }
}

TEST(Malformed, ConnectionsEndWithTheirReason) {
  struct {
    const char* name;
    std::string bytes;
    const char* goaway;
  } cases[] = {
      {"no preface", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROTOCOL_ERROR"},
      {"no SETTINGS", std::string(kPreface) + request(1, get()), "PROTOCOL_ERROR"},
      {"even stream", hello() + request(2, get()), "PROTOCOL_ERROR"},
      {"DATA on an idle stream", hello() + bytes_of({kData, 0, 1, "a"}), "PROTOCOL_ERROR"},
      {"DATA on stream 0", hello() + bytes_of({kData, 0, 0, "a"}), "PROTOCOL_ERROR"},
      {"frame too large", hello() + bytes_of({kData, 0, 1, std::string(20'000, 'x')}), "FRAME_SIZE_ERROR"},
      {"CONTINUATION alone", hello() + bytes_of({kContinuation, kEndHeaders, 1, ""}), "PROTOCOL_ERROR"},
      {"another frame within a header block",
       hello() + bytes_of({kHeaders, 0, 1, packed(get())}) + bytes_of({kPing, 0, 0, "12345678"}),
       "PROTOCOL_ERROR"},
      {"HPACK beyond its table", hello() + bytes_of({kHeaders, kEndHeaders | kEndStream, 1, "\xFF\xFF\x7F"}),
       "COMPRESSION_ERROR"},
      {"HPACK table too large",
       hello() + bytes_of({kHeaders, kEndHeaders | kEndStream, 1, "\x3F\xFF\xFF\x03"}), "COMPRESSION_ERROR"},
      {"window beyond 2^31", hello() + bytes_of({kWindowUpdate, 0, 0, number(0x7FFFFFFF)}),
       "FLOW_CONTROL_ERROR"},
      {"window update of nothing", hello() + bytes_of({kWindowUpdate, 0, 0, number(0)}), "PROTOCOL_ERROR"},
      {"push from a client", hello() + bytes_of({kPushPromise, kEndHeaders, 1, number(2)}), "PROTOCOL_ERROR"},
      {"PING of seven", hello() + bytes_of({kPing, 0, 0, "1234567"}), "FRAME_SIZE_ERROR"},
      {"SETTINGS of five", hello() + bytes_of({kSettings, 0, 0, "12345"}), "FRAME_SIZE_ERROR"},
      {"acknowledgement out of nothing",
       hello() + bytes_of({kSettings, kAck, 0, ""}) + bytes_of({kSettings, kAck, 0, ""}), "PROTOCOL_ERROR"},
      {"padding beyond the frame",
       hello() + request(1, get(), kEndHeaders) + bytes_of({kData, kPadded, 1, "\xFF"}), "PROTOCOL_ERROR"},
  };
  for (const auto& c : cases) {
    RawWorld world;
    world.say(c.bytes, base::seconds(5));
    world.heard();
    EXPECT_EQ(world.goaway(), c.goaway) << c.name;
    EXPECT_TRUE(world.ended()) << c.name;
  }
}

// RFC 9113 §5.1.1.
TEST(Malformed, AHeadOnAStreamPassedOverEndsTheConnection) {
  RawWorld world;
  world.say(hello() + request(5, get()) + request(3, get()) + request(7, get()));
  EXPECT_LE(world.site.served, 1);
  world.heard();
  EXPECT_EQ(world.goaway(), "PROTOCOL_ERROR");
}

// §5.1: nothing follows END_STREAM.
TEST(Malformed, AHeadOnAStreamThatIsOverIsRefused) {
  RawWorld world;
  world.say(hello() + request(1, get()));
  world.say(request(1, get()));
  EXPECT_EQ(world.site.served, 1);
  Heard heard = world.heard();
  EXPECT_EQ(heard.back(), "RST_STREAM 1 STREAM_CLOSED");
}

TEST(Malformed, OversizedHeadsAreAnswered) {
  for (bool by_count : {false, true}) {
    RawWorld world;
    world.site.server_limits.head.head_bytes_max = 8000;
    FieldList fields = get();
    if (by_count) {
      for (int i = 0; i < 150; ++i) fields.emplace_back("x" + std::to_string(i), "y");
    } else {
      fields.emplace_back("x", std::string(9000, 'x'));
    }
    world.say(hello() + request(1, fields) + request(3, get()));
    EXPECT_EQ(world.heard(), (Heard{"HEADERS 1 431", "HEADERS 3 200", "DATA 1 22 end", "DATA 3 4 end"}));
    EXPECT_EQ(world.site.refused, 1);
  }
}

TEST(Malformed, TheRefusalOfAHeadHasNoContent) {
  RawWorld world;
  FieldList fields = with(":method", "HEAD");
  fields.emplace_back("a_b", "c");
  world.say(hello() + request(1, fields));
  EXPECT_EQ(world.heard(), Heard{"HEADERS 1 400 end"});
}

TEST(Malformed, AnEarlyAnswerEndsTheStreamKindly) {
  RawWorld world;
  world.say(hello() + request(1, get("/early"), kEndHeaders) + bytes_of({kData, 0, 1, "abc"}));
  EXPECT_EQ(world.heard(), (Heard{"HEADERS 1 403", "DATA 1 5 end", "RST_STREAM 1 NO_ERROR"}));
}

}  // namespace
}  // namespace http2
