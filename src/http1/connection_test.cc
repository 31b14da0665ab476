// Both connections in a simulated world: what a client's bytes come to, however the network cuts them.
#include "base/bytes.h"
#include "http1/client_connection.h"
#include "http1/server_connection.h"
#include "io/sim.h"

namespace http1 {
namespace {

using base::Result;
using http::BodyLength;

// Answers by path, as a small site would.
class Site final : public http::RequestHandler {
 public:
  explicit Site(io::Loop& loop) : loop_(loop) {}

  io::Task<> serve(http::ServerStream& stream) override {
    std::string_view path = stream.head().target;
    ++served;
    if (path == "/echo")
      co_await echo(stream);
    else if (path == "/chunked")
      co_await send_chunked(stream);
    else if (path == "/early")
      co_await respond(stream, 200, "early");
    else if (path == "/refused")
      co_await respond(stream, 413, "no");
    else if (path == "/continue") {
      http::Headers none;
      (void)stream.send_interim(100, none);
      co_await echo(stream);
    } else if (path == "/hints") {
      http::Headers hints;
      hints.add({.name = "Link", .value = "</a>"});
      (void)stream.send_interim(103, hints);
      co_await respond(stream, 200, "hinted");
    } else if (path == "/abort" || path == "/abort-chunked") {
      http::Headers none;
      BodyLength body{BodyLength::Kind::sized, 100};
      if (path != "/abort") body = {BodyLength::Kind::chunked, 0};
      (void)stream.start_response({.status = 200, .headers = &none, .body = body});
      (void)stream.write("only this");
      (void)stream.flush();
      stream.abort();
    } else if (path == "/slow") {
      co_await io::sleep_for(loop_, base::seconds(5));
      co_await respond(stream, 200, "at last");
    } else if (path == "/empty")
      co_await respond(stream, 204, "");
    else if (path == "/raw")
      co_await raw_echo(stream);
    else
      co_await respond(stream, 404, "nothing");
  }
  io::Task<> refuse(http::ServerStream& stream, base::Error error) override {
    co_await respond(stream, static_cast<uint16_t>(base::reason_status(error.reason)),
                     base::reason_name(error.reason));
  }
  bool draining() const override { return drain; }
  const http::ServerLimits& limits() const override { return server_limits; }

  http::ServerLimits server_limits;
  bool drain = false;
  int served = 0;

 private:
  static io::Task<> settle(io::Loop& loop, http::BodySink& sink) {
    for (;;) {
      auto flushed = sink.flush();
      if (!flushed || *flushed) co_return;
      co_await io::wait_for(loop, loop.now() + base::seconds(100), sink.writable());
    }
  }
  io::Task<> write_all(http::ServerStream& stream, std::string_view bytes) {
    while (!bytes.empty()) {
      auto taken = stream.write(bytes);
      if (!taken) co_return;
      bytes.remove_prefix(*taken);
      if (*taken == 0) co_await io::wait_for(loop_, loop_.now() + base::seconds(100), stream.writable());
    }
  }
  io::Task<> respond(http::ServerStream& stream, uint16_t status, std::string_view body) {
    http::Headers none;
    if (!stream.start_response({.status = status,
                                .headers = &none,
                                .body = {BodyLength::Kind::sized, body.size()},
                                .request_body = http::RequestBody::dropped}))
      co_return;
    if (stream.head().method != http::Method::head) co_await write_all(stream, body);
    (void)stream.finish({});
    co_await settle(loop_, stream);
  }
  io::Task<> read_all(http::ServerStream& stream, std::string& body, bool& whole) {
    for (;;) {
      auto got = stream.peek();
      if (!got) co_return;
      body += got->bytes;
      bool end = got->end;
      stream.consume(got->bytes.size());
      if (end) break;
      if (got->bytes.empty()) co_await io::wait_for(loop_, base::kNever, stream.readable());
    }
    whole = true;
  }
  io::Task<> echo(http::ServerStream& stream) {
    std::string body;
    bool whole = false;
    co_await read_all(stream, body, whole);
    if (!whole) {
      stream.abort();
      co_return;
    }
    std::string answer(stream.head().method_text);
    answer += " " + (body.size() > 100 ? std::to_string(body.size()) : body);
    if (!stream.trailers().empty()) answer.append(" + ").append(stream.trailers());
    co_await respond(stream, 200, answer);
  }
  io::Task<> send_chunked(http::ServerStream& stream) {
    http::Headers none;
    if (!stream.start_response({.status = 200, .headers = &none, .body = {BodyLength::Kind::chunked, 0}}))
      co_return;
    if (stream.head().method != http::Method::head) {
      co_await write_all(stream, "one ");
      co_await settle(loop_, stream);
      co_await io::sleep_for(loop_, base::milliseconds(10));
      co_await write_all(stream, std::string(20'000, 'x'));
      co_await write_all(stream, " two");
    }
    (void)stream.finish("Digest: abc\r\n");
    co_await settle(loop_, stream);
  }
  io::Task<> raw_echo(http::ServerStream& stream) {
    http::Headers none;
    (void)stream.start_response({.status = 101, .headers = &none, .upgrade = "shout"});
    stream.switch_to_raw();
    co_await settle(loop_, stream);
    std::string body;
    bool whole = false;
    co_await read_all(stream, body, whole);
    for (char& c : body) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    co_await write_all(stream, body);
    (void)stream.finish({});
    co_await settle(loop_, stream);
  }
  io::Loop& loop_;
};

class FixedWeather final : public io::SimWeather {
 public:
  explicit FixedWeather(io::SimLinkPlan plan) : plan_(plan) {}
  io::SimLinkPlan plan(const io::Address&, io::SimRandom&) override { return plan_; }

 private:
  io::SimLinkPlan plan_;
};

struct Step {
  std::string send;
  base::Duration pause = {};  // before it
};
enum class Leave : uint8_t { stays, half_closes };

// A site with one client's connection.
struct World {
  explicit World(io::SimLinkPlan plan = {}, uint64_t seed = 1) : sim(seed), weather(plan) {
    sim.network.set_weather(&weather);
    listener = sim.network.listen(io::sim_address(1, 80));
    int error = 0;
    client = sim.network.connect_from(io::sim_address(2, 5000), io::sim_address(1, 80), error);
    sim.run_until([&] {
      io::Address peer;
      auto stream = listener->accept(peer, error);
      if (stream == nullptr) return false;
      server = std::make_unique<ServerConnection>(sim.loop, std::move(stream), peer);
      return true;
    });
    scope.spawn(serve());
    scope.spawn(receive());
  }
  ~World() { scope.cancel_all(); }

  io::Task<> serve() {
    co_await server->serve(site);
    server.reset();
    closed_at = sim.loop.now();
  }
  io::Task<> receive() {
    std::array<char, 5000> bytes;
    for (;;) {
      io::IoResult got = client->read(bytes);
      if (got.kind == io::IoResult::Kind::bytes) received.append(bytes.data(), got.count);
      if (got.kind == io::IoResult::Kind::end) ending = "end";
      if (got.kind == io::IoResult::Kind::failed) ending = "reset";
      if (!ending.empty()) co_return;
      if (got.kind == io::IoResult::Kind::would_block)
        co_await io::wait_for(sim.loop, base::kNever, client->readable());
    }
  }
  io::Task<> send(std::vector<Step> steps, Leave leave) {
    while (client->connect_error() == EINPROGRESS)
      co_await io::wait_for(sim.loop, base::kNever, client->writable());
    for (const Step& step : steps) {
      if (step.pause.ns > 0) co_await io::sleep_for(sim.loop, step.pause);
      std::string_view left = step.send;
      while (!left.empty()) {
        iovec piece{const_cast<char*>(left.data()), left.size()};
        io::IoResult sent = client->write({&piece, 1});
        if (sent.kind == io::IoResult::Kind::failed) co_return;
        left.remove_prefix(sent.count);
        if (sent.kind == io::IoResult::Kind::would_block)
          co_await io::wait_for(sim.loop, base::kNever, client->writable());
      }
    }
    if (leave == Leave::half_closes) client->shutdown_write();
  }
  // Everything received until the connection ends or nothing happens for long.
  std::string converse(std::vector<Step> steps, Leave leave = Leave::half_closes,
                       base::Duration time = base::seconds(30)) {
    scope.spawn(send(std::move(steps), leave));
    sim.run_until([&] { return !ending.empty(); }, time);
    return received;
  }

  io::SimWorld sim;
  FixedWeather weather;
  Site site{sim.loop};
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<io::Stream> client;
  std::unique_ptr<ServerConnection> server;
  std::string received;
  std::string ending;
  base::Instant closed_at;
  io::Scope scope;
};

std::string answer(std::string_view body, std::string_view more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) +
         "\r\n" + std::string(body);
}
constexpr char kClose[] = "Connection: close\r\n";

struct Conversation {
  const char* name;
  std::string sent;
  std::string expected;
  const char* ending = "end";
};

std::vector<Conversation> conversations() {
  std::string long_body(30'000, 'b');
  std::string chunked_answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  return {
      {"one", "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", answer("GET ")},
      {"keep-alive, pipelined",
       "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
       "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n",
       answer("GET ") + answer("POST abc") + answer("DELETE ")},
      {"close asked for, the rest is not read",
       "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
       answer("GET ", kClose)},
      {"chunked up with trailers, pipelined",
       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
       "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nDigest: q\r\n\r\n"
       "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
       answer("POST abcde + Digest: q\r\n") + answer("GET ")},
      {"a long body",
       "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + long_body +
           "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
       answer("POST 30000") + answer("GET ")},
      {"a long chunk",
       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n" + long_body +
           "\r\n0\r\n\r\n",
       answer("POST 30000")},
      {"head only",
       "HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\nHEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\nGET /echo "
       "HTTP/1.1\r\nHost: a\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + chunked_answer + answer("GET ")},
      {"no content", "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
      {"1.0 is closed", "GET /echo HTTP/1.0\r\n\r\n", answer("GET ", kClose)},
      {"1.0 may stay", "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n",
       answer("GET ", "Connection: keep-alive\r\n") + answer("GET ", kClose)},
      {"1.0 knows no chunks", "GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none " + std::string(20'000, 'x') + " two"},
      {"continue",
       "POST /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
       "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
       "HTTP/1.1 100 Continue\r\n\r\n" + answer("POST hi") + answer("GET ")},
      {"hints", "GET /hints HTTP/1.1\r\nHost: a\r\n\r\n",
       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer("hinted")},
      {"no hints for 1.0", "GET /hints HTTP/1.0\r\n\r\n", answer("hinted", kClose)},
      {"early, a short rest is read",
       "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcdeGET /echo HTTP/1.1\r\nHost: "
       "a\r\n\r\n",
       answer("early") + answer("GET ")},
      {"early, a long rest is not",
       "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x') +
           "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
       answer("early", kClose)},
      {"early, a held back body might never come",
       "POST /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
       "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"},
      {"malformed ends it",
       "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost : a\r\n\r\nGET /echo "
       "HTTP/1.1\r\nHost: a\r\n\r\n",
       answer("GET ") +
           "HTTP/1.1 400 Bad Request\r\nContent-Length: 18\r\nConnection: close\r\n\r\nhttp_request_error"},
      {"malformed chunk", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "",
       "reset"},
      {"cut in a head", "GET /echo HTTP/1.1\r\nHost:", ""},
      {"cut in a body", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", "", "reset"},
      {"nothing at all", "", ""},
      {"an empty line first", "\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n", answer("GET ")},
      {"raw", "GET /raw HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhello",
       "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nHELLO"},
      {"half-closed client gets its answer", "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", answer("at last")},
  };
}

// What a client is told apart from how a chunked body was cut into chunks.
TEST(ServerConnection, ConversationsHoweverTheNetworkCutsThem) {
  for (const Conversation& c : conversations()) {
    struct {
      size_t piece_max;
      int64_t delay_ms;
      size_t window;
    } cuts[] = {{SIZE_MAX, 0, 1 << 20}, {SIZE_MAX, 20, 1 << 20},
                {1, 0, 1 << 20},        {1, 3, 100},
                {3, 1, 1 << 20},        {7, 0, 64},
                {1000, 2, 5000},        {5000, 50, 5000}};
    for (uint64_t seed = 0; const auto& cut : cuts) {
      // A byte at a time is for what is short.
      if (cut.piece_max < 100 && c.sent.size() + c.expected.size() > 10'000) continue;
      World world(
          {.delay_max = base::milliseconds(cut.delay_ms), .piece_max = cut.piece_max, .window = cut.window},
          ++seed);
      EXPECT_EQ(world.converse({{c.sent}}), c.expected) << c.name << " in pieces of " << cut.piece_max;
      EXPECT_EQ(world.ending, c.ending) << c.name << " in pieces of " << cut.piece_max;
    }
  }
}

TEST(ServerConnection, ChunkedAnswer) {
  for (size_t piece_max : {size_t{1}, size_t{700}, SIZE_MAX}) {
    World world({.piece_max = piece_max, .window = 3000});
    std::string got =
        world.converse({{"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n"}});
    std::string body;
    ChunkedDecoder decoder(base::Side::backend);
    std::string_view rest(got);
    ASSERT_NE(rest.find("\r\n\r\n"), rest.npos);
    rest.remove_prefix(rest.find("\r\n\r\n") + 4);
    for (bool done = false; !done;) {
      auto step = decoder.decode(rest);
      ASSERT_TRUE(step);
      ASSERT_GT(step->consumed, 0u);
      body += step->data;
      rest.remove_prefix(step->consumed);
      done = step->done;
    }
    EXPECT_EQ(body, "one " + std::string(20'000, 'x') + " two");
    EXPECT_EQ(decoder.trailers(), "Digest: abc\r\n");
    EXPECT_EQ(rest, answer("GET "));
  }
}

TEST(ServerConnection, OversizedHeads) {
  World world;
  world.site.server_limits.head.head_bytes_max = 8000;
  std::string got =
      world.converse({{"GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(7000, 'x') + "\r\n\r\n"},
                      {"GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(9000, 'x')}});
  EXPECT_EQ(
      got,
      answer("GET ") +
          "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 22\r\nConnection: close\r\n\r\n"
          "request_head_too_large");
}

TEST(ServerConnection, ASlowHeadIsAnsweredWith408) {
  World world;
  std::vector<Step> dribble;
  for (char c : std::string("GET /echo HTTP/1.1\r\nHost: a\r\n"))
    dribble.push_back({std::string(1, c), base::seconds(1)});
  base::Instant began = world.sim.clock.now();
  EXPECT_EQ(world.converse(dribble, Leave::stays, base::seconds(60)),
            "HTTP/1.1 408 Request Timeout\r\nContent-Length: 15\r\nConnection: close\r\n\r\nrequest_timeout");
  EXPECT_EQ((world.sim.clock.now() - began).milliseconds() / 1000, 11);  // first byte after 1 s, then 10 s
}

TEST(ServerConnection, IdleConnectionsEndInSilence) {
  for (bool after_one : {false, true}) {
    World world;
    std::string got = world.converse({{after_one ? "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n" : ""}},
                                     Leave::stays, base::seconds(200));
    EXPECT_EQ(got, after_one ? answer("GET ") : "");
    EXPECT_EQ(world.ending, "end");
    EXPECT_EQ(world.closed_at.reached() ? (world.closed_at.ns - 1'000'000'000) / 1'000'000'000 : -1, 75);
  }
}

TEST(ServerConnection, DrainClosesIdleOnesAndFinishesTheRest) {
  World idle;
  idle.converse({{"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"}}, Leave::stays, base::seconds(1));
  idle.site.drain = true;
  idle.server->begin_drain();
  idle.sim.run_until([&] { return !idle.ending.empty(); }, base::seconds(1));
  EXPECT_EQ(idle.ending, "end");

  World busy;
  busy.converse({{"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"}}, Leave::stays, base::seconds(1));
  busy.site.drain = true;
  busy.server->begin_drain();
  EXPECT_EQ(busy.converse({}, Leave::stays), answer("at last", kClose));
  EXPECT_EQ(busy.ending, "end");

  // Told while the request is on its way: answered, and the answer says that it is the last.
  World late;
  late.site.drain = true;
  late.server->begin_drain();
  EXPECT_EQ(late.converse({{"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", base::milliseconds(5)}}, Leave::stays),
            answer("GET ", kClose));

  World silent;
  silent.site.drain = true;
  silent.server->begin_drain();
  silent.converse({}, Leave::stays, base::seconds(3));
  EXPECT_EQ(silent.ending, "end");
}

TEST(ServerConnection, AnAbortedAnswerCannotBeTakenForWhole) {
  World sized;
  std::string got = sized.converse({{"GET /abort HTTP/1.1\r\nHost: a\r\n\r\n"}}, Leave::stays);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"));
  EXPECT_EQ(sized.ending, "end");
  EXPECT_LT(got.size(), 100u);
  // Only a reset tells where the end of the connection is the end of the body.
  World old;
  old.converse({{"GET /abort-chunked HTTP/1.0\r\n\r\n"}}, Leave::stays);
  EXPECT_EQ(old.ending, "reset");
}

TEST(ServerConnection, LimitsMayBeReplacedWhileItWaits) {
  World world;
  auto limits = std::make_unique<http::ServerLimits>();
  // The site's limits live elsewhere and are replaced, as a reload does.
  struct Reloading final : http::RequestHandler {
    Reloading(Site& s, std::unique_ptr<http::ServerLimits>& l) : site(s), current(l) {}
    io::Task<> serve(http::ServerStream& stream) override { return site.serve(stream); }
    io::Task<> refuse(http::ServerStream& stream, base::Error error) override {
      return site.refuse(stream, error);
    }
    bool draining() const override { return false; }
    const http::ServerLimits& limits() const override { return *current; }
    Site& site;
    std::unique_ptr<http::ServerLimits>& current;
  } handler(world.site, limits);
  int error = 0;
  auto client = world.sim.network.connect_from({}, io::sim_address(1, 80), error);
  std::unique_ptr<io::Stream> accepted;
  world.sim.run_until([&] {
    io::Address peer;
    return (accepted = world.listener->accept(peer, error)) != nullptr;
  });
  io::Address peer;
  ServerConnection connection(world.sim.loop, std::move(accepted), peer);
  io::Scope scope;
  scope.spawn(connection.serve(handler));
  world.sim.run_for(base::seconds(1));
  limits = std::make_unique<http::ServerLimits>(http::ServerLimits{.head_timeout = base::seconds(1)});
  iovec piece{const_cast<char*>("GET"), 3};
  client->write({&piece, 1});
  world.sim.run_for(base::seconds(2));
  std::array<char, 200> bytes;
  io::IoResult got = client->read(bytes);
  EXPECT_EQ(std::string_view(bytes.data(), got.count).substr(0, 12), "HTTP/1.1 408");
}

}  // namespace
}  // namespace http1
