// What stands before a request: TLS with either HTTP inside, HTTP/2 in clear text, PROXY headers, redirects.
#include "gate/test_world.h"
#include "http2/client_connection.h"
#include "tls/server_context.h"
#include "tls/test_meeting.h"

namespace gate::test {
namespace {

std::shared_ptr<const tls::ServerContext> context(std::vector<std::string> alpn = {"h2", "http/1.1"}) {
  tls::ServerSettings settings = tls::testing::server_settings("DNS:a.example,DNS:*.b.example");
  settings.alpn = std::move(alpn);
  settings.unknown_name = tls::UnknownName::refuse;
  return tls::testing::compile(settings);
}

auto over_tls() {
  return [](Snapshot& snapshot) { snapshot.listeners[0].tls = context(); };
}

struct Heard {
  std::string alpn;
  std::string received;
  uint16_t status = 0;  // over HTTP/2
  bool failed = false;
};

struct Call {
  std::string name = "a.example";  // connected to
  std::vector<std::string> alpn = {"h2", "http/1.1"};
  std::string raw;  // over HTTP/1
  std::string host = "a.example";
  std::string path = "/a/open";
};

io::Task<> ask_http2(GateWorld& world, std::unique_ptr<io::Stream> stream, const Call& call, Heard& heard) {
  http2::ClientConnection connection(world.sim.loop, std::move(stream), {});
  auto request = connection.open_stream();
  http::Headers none;
  if (!request->start_request({.method = "GET",
                               .method_kind = http::Method::get,
                               .path = call.path,
                               .authority = call.host,
                               .headers = &none}) ||
      !request->finish({})) {
    heard.failed = true;
    co_return;
  }
  http::ResponseHead head;
  for (;;) {
    auto got = request->receive_head(head);
    if (!got) {
      heard.failed = true;
      co_return;
    }
    if (*got) break;
    co_await io::wait_for(world.sim.loop, base::kNever, request->readable());
  }
  heard.status = head.status;
  for (;;) {
    auto body = request->peek();
    if (!body) co_return;
    heard.received += body->bytes;
    bool end = body->end;
    request->consume(body->bytes.size());
    if (end) co_return;
    co_await io::wait_for(world.sim.loop, base::kNever, request->readable());
  }
}

io::Task<> ask_raw(GateWorld& world, std::unique_ptr<io::Stream> stream, const Call& call, Heard& heard) {
  iovec piece{const_cast<char*>(call.raw.data()), call.raw.size()};
  stream->write({&piece, 1});
  std::array<char, 4096> bytes;
  for (;;) {
    io::IoResult got = stream->read(bytes);
    if (got.kind == io::IoResult::Kind::bytes) {
      heard.received.append(bytes.data(), got.count);
    } else if (got.kind == io::IoResult::Kind::would_block) {
      co_await io::wait_for(world.sim.loop, base::kNever, stream->readable());
    } else {
      co_return;
    }
  }
}

io::Task<> connect(GateWorld& world, std::unique_ptr<io::Stream>& stream) {
  int error = 0;
  stream = world.sim.network.connect_from(io::sim_address(2, 40'000), io::sim_address(1, 80), error);
  while (stream->connect_error() == EINPROGRESS)
    co_await io::wait_for(world.sim.loop, base::kNever, stream->writable());
}

io::Task<> call_over_tls(GateWorld& world, Call call, Heard& heard, bool& done) {
  std::unique_ptr<io::Stream> stream;
  co_await connect(world, stream);
  tls::ClientSettings settings = tls::testing::client_settings();
  settings.alpn = call.alpn;
  auto secure = tls::Stream::connect(
      std::move(stream), {.context = tls::testing::compile(settings), .name = call.name, .session = nullptr});
  if (!co_await secure->handshake(world.sim.loop, base::kNever)) {
    heard.failed = true;
  } else {
    heard.alpn = secure->alpn();
    if (heard.alpn == "h2") {
      co_await ask_http2(world, std::move(secure), call, heard);
    } else {
      co_await ask_raw(world, std::move(secure), call, heard);
    }
  }
  done = true;
}

io::Task<> call_in_clear(GateWorld& world, Call call, Heard& heard, bool& done) {
  std::unique_ptr<io::Stream> stream;
  co_await connect(world, stream);
  co_await ask_http2(world, std::move(stream), call, heard);
  done = true;
}

Heard run(GateWorld& world, io::Task<> (*talk)(GateWorld&, Call, Heard&, bool&), const Call& call) {
  Heard heard;
  bool done = false;
  io::Scope scope;
  scope.spawn(talk(world, call, heard, done));
  world.sim.run_until([&] { return done; }, base::seconds(100));
  world.sim.run_for(base::seconds(1));
  return heard;
}

std::string get(std::string_view host, std::string_view path = "/a/open") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) +
         "\r\nConnection: close\r\n\r\n";
}

TEST(Client, SpeaksWhatWasAgreedOn) {
  GateWorld world;
  world.serve({{.path = "/a"}}, over_tls());
  Heard http2 = run(world, call_over_tls, {});
  EXPECT_EQ(http2.alpn, "h2");
  EXPECT_EQ(http2.status, 200);
  EXPECT_EQ(http2.received, "hello from 10");
  Heard http1 = run(world, call_over_tls, {.alpn = {"http/1.1"}, .raw = get("a.example")});
  EXPECT_EQ(http1.alpn, "http/1.1");
  EXPECT_TRUE(http1.received.starts_with("HTTP/1.1 200")) << http1.received;
  Heard unasked = run(world, call_over_tls, {.alpn = {}, .raw = get("a.example")});
  EXPECT_EQ(unasked.alpn, "");
  EXPECT_TRUE(unasked.received.starts_with("HTTP/1.1 200")) << unasked.received;

  ASSERT_EQ(world.seen.size(), 3u);
  for (const Seen& seen : world.seen) {
    EXPECT_NE(seen.head.find("X-Forwarded-Proto: https\r\n"), std::string::npos) << seen.head;
    EXPECT_NE(seen.head.find(";proto=https\r\n"), std::string::npos) << seen.head;
  }
  EXPECT_NE(world.seen[0].head.find("Via: 2 gatehouse\r\n"), std::string::npos) << world.seen[0].head;
  auto records = world.records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(field(records[0], "protocol"), "HTTP/2");
  EXPECT_EQ(world.worker->metrics().value(telemetry::Counter::tls_handshakes_full), 3u);
}

TEST(Client, IsNotServedForAHostItsCertificateIsNotFor) {
  GateWorld world;
  world.serve({{.path = "/a"}}, over_tls());
  EXPECT_EQ(run(world, call_over_tls, {.host = "other.example"}).status, 421);
  EXPECT_TRUE(run(world, call_over_tls, {.alpn = {}, .raw = get("other.example")})
                  .received.starts_with("HTTP/1.1 421 "));
  // The certificate at hand is for this one too, though the client did not name it.
  EXPECT_EQ(run(world, call_over_tls, {.host = "x.b.example"}).status, 200);
  auto records = world.records();
  ASSERT_EQ(records.size(), 3u);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(field(records[i], "reason"), "misdirected_request");
  EXPECT_EQ(world.seen.size(), 1u);
}

TEST(Client, FailsItsHandshakeWithoutARecord) {
  GateWorld world;
  world.serve({{.path = "/a"}}, over_tls());
  EXPECT_NE(world.ask(get("a.example")).find("use https://"), std::string::npos);
  world.ask("\x16\x03\x01nonsense that is no hello");
  Client silent(world.sim);
  world.sim.run_until([&] { return silent.ended(); }, base::seconds(100));
  EXPECT_TRUE(silent.ended());
  EXPECT_EQ(world.accepted(), 0u);
  EXPECT_EQ(world.worker->metrics().value(telemetry::Counter::tls_handshakes_failed), 3u);
}

TEST(Client, MayBeginWithHttp2InClearText) {
  GateWorld world;
  world.serve({{.path = "/a"}});
  Heard heard = run(world, call_in_clear, {});
  EXPECT_EQ(heard.status, 200);
  EXPECT_EQ(heard.received, "hello from 10");
  EXPECT_EQ(field(world.records().at(0), "protocol"), "HTTP/2");
}

TEST(Client, MayNotWhereTheListenerDoesNotSpeakIt) {
  GateWorld world;
  world.serve({{.path = "/a"}}, [](Snapshot& s) { s.listeners[0].protocols.http2 = false; });
  EXPECT_TRUE(run(world, call_in_clear, {}).failed);
  world.serve({{.path = "/a"}}, [](Snapshot& s) { s.listeners[0].protocols.http1 = false; });
  EXPECT_EQ(run(world, call_in_clear, {}).status, 200);
  EXPECT_EQ(world.ask(get("a")).find("HTTP/1"), std::string::npos);
}

TEST(Client, IsWhomAProxyHeaderNames) {
  GateWorld world;
  auto trusting = [](Snapshot& s) {
    s.listeners[0].proxy_protocol = ProxyProtocol::required;
    s.listeners[0].trusted_proxies = {*base::parse_network("10.0.0.2/32")};
  };
  world.serve({{.path = "/a"}}, trusting);
  std::string line = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n";
  EXPECT_NE(world.ask(line + get("a")).find("200 OK"), std::string::npos);
  EXPECT_EQ(field(world.records().at(0), "client"), "192.0.2.7");
  EXPECT_NE(world.seen.at(0).head.find("X-Forwarded-For: 192.0.2.7\r\n"), std::string::npos);
  std::string v2("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc0\0\x02\x01\x12\x67\0\x50", 28);
  EXPECT_NE(world.ask(v2 + get("a")).find("200 OK"), std::string::npos);
  EXPECT_EQ(field(world.records().at(0), "client"), "192.0.2.8");

  uint64_t served = world.accepted();
  EXPECT_EQ(world.ask(get("a")), "");  // it was promised
  EXPECT_EQ(world.ask("PROXY TCP4 nonsense\r\n" + get("a")), "");
  world.serve({{.path = "/a"}}, [&](Snapshot& s) {
    trusting(s);
    s.listeners[0].trusted_proxies = {*base::parse_network("10.0.0.3/32")};
  });
  EXPECT_EQ(world.ask(line + get("a")), "");  // not from there
  EXPECT_EQ(world.accepted(), served);
}

TEST(Client, IsSentToHttps) {
  GateWorld world;
  world.serve({{.path = "/a"}}, [](Snapshot& s) { s.listeners[0].redirect_port = 443; });
  std::string answer =
      world.ask("POST /a/open/%61?q=%20 HTTP/1.1\r\nHost: A.example:80\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 308 ")) << answer;
  EXPECT_NE(answer.find("Location: https://a.example/a/open/a?q=%20\r\n"), std::string::npos) << answer;
  world.serve({{.path = "/a"}}, [](Snapshot& s) { s.listeners[0].redirect_port = 8443; });
  EXPECT_NE(world.ask(get("a.example", "/x")).find("Location: https://a.example:8443/x\r\n"),
            std::string::npos);
  EXPECT_TRUE(world.seen.empty());
}

}  // namespace
}  // namespace gate::test
