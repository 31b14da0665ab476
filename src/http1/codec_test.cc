// What the golden files cannot say: responses, limits, the search for a head's end, and the chunk encoder.
#include "http1/codec.h"

#include <gtest/gtest.h>

#include <string>

#include "http1/test_reader.h"

namespace http1 {
namespace {

using base::Side;
using http::Method;
using State = Outcome::State;

Outcome read_response(std::string_view bytes, Method method, size_t split) {
  TestReader reader(Side::backend, method);
  reader.feed(bytes.substr(0, split));
  reader.feed(bytes.substr(split));
  reader.close();
  return reader.outcome();
}

Outcome read_response(std::string_view bytes, Method method = Method::get) {
  const Outcome whole = read_response(bytes, method, bytes.size());
  TestReader by_byte(Side::backend, method);
  for (size_t i = 0; i < bytes.size(); ++i) by_byte.feed(bytes.substr(i, 1));
  by_byte.close();
  EXPECT_TRUE(by_byte.outcome() == whole) << bytes;
  for (size_t at = 1; at < bytes.size(); ++at) {
    EXPECT_TRUE(read_response(bytes, method, at) == whole) << bytes << " split at " << at;
  }
  return whole;
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";

TEST(Responses, Accepted) {
  struct Case {
    std::string bytes;
    Method method;
    std::string body;
    size_t rest;
    bool keep_alive;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Method::get, "hello", 0, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", Method::get, "he", 3, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello", Method::get, "", 5, true},
      {"HTTP/1.1 200 OK\r\n\r\nhello", Method::get, "hello", 0, false},
      {"HTTP/1.0 200 OK\r\n\r\nhello", Method::get, "hello", 0, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Method::get, "hello", 0, false},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", Method::get, "hello", 0,
       true},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", Method::get, "hello", 0,
       false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Method::get, "hello",
       0, true},
      {"HTTP/1.1 200 OK\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       Method::get, "", 0, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::head, "", 0, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::head, "", 0, true},
      {"HTTP/1.1 200 OK\r\n\r\n", Method::head, "", 0, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Method::get, "", 19, true},
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
       Method::get, "", 3, true},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 404 N\xc3\xa9 trouv\xe9\tici\r\nContent-Length: 0\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 200 OK\r\nX_Odd: 1\r\nContent-Length: 0\r\n\r\n", Method::get, "", 0, true},
      {"HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n", Method::get, "", 0, true},
  };
  for (const Case& c : cases) {
    const Outcome outcome = read_response(c.bytes, c.method);
    ASSERT_EQ(outcome.state, State::complete) << c.bytes << outcome.error.detail;
    EXPECT_EQ(outcome.body, c.body) << c.bytes;
    EXPECT_EQ(c.bytes.size() - outcome.consumed, c.rest) << c.bytes;
    EXPECT_EQ(outcome.head_text.contains("\nkeep_alive\n"), c.keep_alive) << c.bytes;
  }
}

TEST(Responses, RefusedStatusLines) {
  for (std::string_view line : {"HTTP/1.1  200 OK",
                                "HTTP/1.1\t200 OK",
                                "HTTP/1.1 200\tOK",
                                "HTTP/2.0 200 OK",
                                "HTTP/1.2 200 OK",
                                "http/1.1 200 OK",
                                "HTTP/1.1 99 x",
                                "HTTP/1.1 099 x",
                                "HTTP/1.1 600 x",
                                "HTTP/1.1 999 x",
                                "HTTP/1.1 2000 OK",
                                "HTTP/1.1 20 OK",
                                "HTTP/1.1 +20 OK",
                                "HTTP/1.1 2x0 OK",
                                "HTTP/1.1 200OK",
                                "HTTP/1.1 OK",
                                "HTTP/1.1",
                                "HTTP/1.1 ",
                                "ICY 200 OK",
                                "200 OK",
                                "HTTP/1.1 200 O\rK",
                                "HTTP/1.1 200 O\nK",
                                "HTTP/1.1 200 O\x01K",
                                " HTTP/1.1 200 OK",
                                "\r\nHTTP/1.1 200 OK",
                                ""}) {
    const std::string bytes = std::string(line) + "\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(read_response(bytes).state, State::refused) << line;
  }
}

TEST(Responses, RefusedFields) {
  for (std::string_view fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 05\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length:\r\n",
           "Content-Length: 18446744073709551617\r\n",
           "Content_Length: 5\r\n",
           "Set_Cookie: a=b\r\n",
           "Transfer-Encoding: gzip\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Foo: bar\r\n baz\r\n",
           "Foo: bar\n",
           "Foo: b\rar\r\n",
           "Foo : bar\r\n",
           "Foo\r\n",
           ": bar\r\n",
           "F(oo): bar\r\n",
           "Connection: content-length\r\n",
           "Connection: set-cookie\r\n",
       }) {
    const std::string bytes = std::string(kOk) + std::string(fields) + "\r\n";
    const Outcome outcome = read_response(bytes);
    ASSERT_EQ(outcome.state, State::refused) << fields;
    EXPECT_EQ(outcome.error.reason, base::Reason::http_protocol_error) << fields;
    EXPECT_EQ(outcome.error.side, Side::backend) << fields;
  }
  EXPECT_EQ(read_response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").state, State::refused);
  EXPECT_EQ(read_response("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n").state, State::refused);
  EXPECT_EQ(read_response("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n").state, State::refused);
  EXPECT_EQ(read_response("HTTP/1.1 101 x\r\nTransfer-Encoding: chunked\r\n\r\n").state, State::refused);
  EXPECT_EQ(read_response("HTTP/1.1 200 OK\n\n").state, State::refused);
  const Outcome chunk = read_response(std::string(kOk) + "Transfer-Encoding: chunked\r\n\r\n5 \r\n");
  EXPECT_EQ(chunk.error.reason, base::Reason::http_protocol_error);
}

TEST(Responses, TooLarge) {
  const std::string long_value = std::string(kOk) + "Foo: " + std::string(70000, 'a') + "\r\n\r\n";
  http::ResponseHead head;
  const auto parsed = parse_response_head(long_value, {}, Method::get, head);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().reason, base::Reason::http_response_header_section_size);
  EXPECT_EQ(parsed.error().side, Side::backend);
}

TEST(HeadLimits, AreTheCallers) {
  http::RequestHead head;
  const std::string_view three = "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: e\r\n\r\n";
  EXPECT_TRUE(parse_request_head(three, {.head_bytes_max = 100, .headers_max = 3}, head));
  EXPECT_FALSE(parse_request_head(three, {.head_bytes_max = 100, .headers_max = 2}, head));
  const auto long_by_one =
      parse_request_head(three, {.head_bytes_max = static_cast<uint32_t>(three.size() - 1)}, head);
  ASSERT_FALSE(long_by_one);
  EXPECT_EQ(long_by_one.error().reason, base::Reason::request_head_too_large);
  // A limit above the product's bound is still bounded.
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (uint32_t i = 1; i < http::Headers::kCapacity; ++i) many += "B: c\r\n";
  EXPECT_TRUE(parse_request_head(many + "\r\n", {.headers_max = 1000}, head));
  EXPECT_FALSE(parse_request_head(many + "B: c\r\n\r\n", {.headers_max = 1000}, head));
}

TEST(HeadLimits, AHeadIsReadAfreshIntoAUsedOne) {
  http::RequestHead head;
  ASSERT_TRUE(
      parse_request_head("POST http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n"
                         "Upgrade: websocket\r\n\r\n",
                         {}, head));
  ASSERT_TRUE(head.upgrade);
  ASSERT_TRUE(parse_request_head("GET / HTTP/1.1\r\nHost: b\r\n\r\n", {}, head));
  EXPECT_EQ(tell(head), "GET [] [b] [/] version 1\nbody 0 0\nkeep_alive\nHost=b #" +
                            std::to_string(static_cast<int>(http::HeaderId::host)) + "\n");
}

TEST(FindHeadEnd, FindsTheFirstBlankLine) {
  struct Case {
    std::string_view bytes;
    std::optional<size_t> end;
  };
  const Case cases[] = {
      {"", {}},
      {"\r\n", {}},
      {"a\r\n\r\n", 5},
      {"a\r\n\r\nb\r\n\r\n", 5},
      {"a\n\n", 3},
      {"a\n\r\n", 4},
      {"a\r\n\n", 4},
      {"\r\n\r\n", 4},
      {"\n\n", 2},
      {"a\r\n\r", {}},
      {"a\n\r\r\n", {}},
      {"a\r\r\n", {}},
      {"0123456789abcde\r\n\r\n", 19},
      {"0123456789abcd\r\n\r\nxxxxxxxxxxxxxxxxxxx", 18},
      {"0123456789ab\r\n\r\n", 16},
      {"\nabc\n\rabc\nabcdefgh\n\nxx", 20},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(find_head_end(c.bytes, 0), c.end) << c.bytes;
    for (size_t seen = 0; seen <= c.bytes.size(); ++seen) {
      if (find_head_end(c.bytes.substr(0, seen), 0)) break;
      EXPECT_EQ(find_head_end(c.bytes, seen), c.end) << c.bytes << " after " << seen;
    }
  }
}

TEST(ChunkedDecoder, TellsWhatIsLeftAndStopsAtTheEnd) {
  ChunkedDecoder decoder(Side::client);
  auto step = decoder.decode("A\r\nhel");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->data, "hel");
  EXPECT_EQ(decoder.chunk_left(), 7u);
  step = decoder.decode("lo56789\r\n3\r\nabc");
  EXPECT_EQ(step->data, "lo56789");
  EXPECT_EQ(step->consumed, 7u);
  EXPECT_EQ(decoder.chunk_left(), 0u);
  step = decoder.decode("\r\n3\r\nabc\r\n0\r\n\r\nGET");
  EXPECT_EQ(step->data, "abc");
  step = decoder.decode("\r\n0\r\nA: b\r\n\r\nGET");
  EXPECT_TRUE(step->done);
  EXPECT_EQ(step->consumed, 13u);
  EXPECT_EQ(decoder.trailers(), "A: b\r\n");
  step = decoder.decode("GET");
  EXPECT_TRUE(step->done);
  EXPECT_EQ(step->consumed, 0u);
  decoder.reset();
  EXPECT_EQ(decoder.trailers(), "");
  EXPECT_EQ(decoder.decode("1\r\nx")->data, "x");
}

TEST(ChunkedDecoder, ManySmallExtensionsMayGoWithMuchData) {
  ChunkedDecoder decoder(Side::client);
  const std::string chunk =
      "400;chunk-signature=" + std::string(64, 'a') + "\r\n" + std::string(1024, 'x') + "\r\n";
  for (int i = 0; i < 1000; ++i) {
    for (std::string_view rest = chunk; !rest.empty();) {
      const auto step = decoder.decode(rest);
      ASSERT_TRUE(step) << step.error().detail;
      rest.remove_prefix(step->consumed);
    }
  }
}

TEST(ChunkedEncoder, IsReadBack) {
  for (uint64_t size : {uint64_t{1}, uint64_t{9}, uint64_t{10}, uint64_t{16}, uint64_t{255}, uint64_t{65536},
                        kBodyBytesMax}) {
    char out[kChunkHeaderMax];
    const size_t length = write_chunk_header(out, size);
    ASSERT_LE(length, kChunkHeaderMax);
    ChunkedDecoder decoder(Side::backend);
    const auto step = decoder.decode({out, length});
    ASSERT_TRUE(step) << size;
    EXPECT_EQ(decoder.chunk_left(), size);
  }
  char out[kChunkHeaderMax];
  EXPECT_EQ(std::string_view(out, write_chunk_header(out, 0xfe)), "fe\r\n");
  EXPECT_EQ(write_chunk_header(out, ~uint64_t{0}), kChunkHeaderMax);
}

}  // namespace
}  // namespace http1
