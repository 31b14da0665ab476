// Our client against our server, however the network cuts and delays what they say.
#include "http2/test_pair.h"

namespace http2 {
namespace {

using Kind = http::BodyLength::Kind;

std::string answer(std::string_view body, std::string_view status = "200") {
  return std::string(status) + "\nserver: site\ncontent-length: " + std::to_string(body.size()) + "\n\n" +
         std::string(body);
}

struct Conversation {
  const char* name;
  Call call;
  std::string expected;
  std::string trailers = "";
};

std::vector<Conversation> conversations() {
  const std::string long_body(300'000, 'b');
  return {
      {"get", {}, answer("GET ")},
      {"query", {.path = "/echo?a=b"}, answer("nothing", "404")},
      {"post, sized", {.method = "POST", .body = {Kind::sized, 3}, .sent = "abc"}, answer("POST abc")},
      {"post, unsized", {.method = "POST", .body = {Kind::chunked, 0}, .sent = "abc"}, answer("POST abc")},
      {"post of nothing", {.method = "POST", .body = {Kind::chunked, 0}}, answer("POST ")},
      {"trailers up",
       {.method = "POST", .body = {Kind::chunked, 0}, .sent = "abc", .trailers = "Digest: q\r\nX-B: c\r\n"},
       answer("POST abc + digest: q\r\nx-b: c\r\n")},
      {"trailers up without a body",
       {.method = "POST", .body = {Kind::chunked, 0}, .trailers = "Digest: q\r\n"},
       answer("POST  + digest: q\r\n")},
      {"long up",
       {.method = "PUT", .body = {Kind::sized, long_body.size()}, .sent = long_body},
       answer("PUT 300000")},
      {"both ways, trailers both ways",
       {.method = "POST",
        .path = "/mirror",
        .body = {Kind::chunked, 0},
        .sent = "hello",
        .trailers = "A: b\r\n"},
       "200\n\nhello",
       "a: b\r\n"},
      {"long both ways",
       {.method = "POST", .path = "/mirror", .body = {Kind::chunked, 0}, .sent = long_body},
       "200\n\n300000"},
      {"long down", {.path = "/big/1000000"}, "200\nserver: site\ncontent-length: 1000000\n\n1000000"},
      {"head", {.method = "HEAD", .path = "/echo"}, "200\nserver: site\ncontent-length: 5\n\n"},
      {"no content", {.path = "/status/204"}, "204\nserver: site\n\n"},
      {"hints", {.path = "/hints"}, "103\nlink: </a>\n\n" + answer("hinted")},
      {"continue",
       {.method = "POST",
        .path = "/continue",
        .headers = {{.name = "Expect", .value = "100-continue"}},
        .body = {Kind::sized, 2},
        .sent = "hi"},
       "100\n\n" + answer("POST hi")},
      {"trailers only", {.path = "/trailers-only"}, "200\ngrpc-status: 7\n\n"},
      {"early answer",
       {.method = "POST", .path = "/early", .body = {Kind::sized, long_body.size()}, .sent = long_body},
       answer("early", "403")},
      {"upgrade",
       {.path = "/raw", .sent = "hello", .upgrade = "websocket"},
       "101\nupgrade: websocket\n\nHELLO"},
      {"slow reader",
       {.method = "POST", .path = "/slow-reader", .body = {Kind::chunked, 0}, .sent = long_body},
       answer("POST 300000")},
      {"aborted",
       {.path = "/abort"},
       "200\ncontent-length: 100\n\nonly thisfailed: http_response_incomplete"},
      {"not answered", {.path = "/nothing"}, "failed: connection_terminated"},
  };
}

TEST(Connection, ConversationsHoweverTheNetworkCutsThem) {
  struct {
    size_t piece_max;
    int64_t delay_ms;
    size_t window;
  } cuts[] = {{SIZE_MAX, 0, 1 << 20}, {SIZE_MAX, 20, 1 << 20}, {1, 0, 1 << 20},    {1, 3, 100}, {7, 0, 64},
              {1000, 2, 5000},        {5000, 50, 5000},        {20'000, 1, 30'000}};
  for (const Conversation& c : conversations()) {
    uint64_t seed = 0;
    for (const auto& cut : cuts) {
      ++seed;
      // A byte at a time is for what is short. What is still unread when a stream ends is a matter of timing.
      if (cut.piece_max < 1000 && (c.call.sent.size() > 10'000 || c.expected.size() > 1000)) continue;
      if (cut.piece_max < 5000 && c.call.path == "/big/1000000") continue;
      Pair pair(
          {.delay_max = base::milliseconds(cut.delay_ms), .piece_max = cut.piece_max, .window = cut.window},
          seed);
      for (int again = 0; again < 2; ++again) {
        const Told& told = pair.ask(c.call);
        EXPECT_TRUE(told.done) << c.name;
        EXPECT_EQ(told.text, c.expected) << c.name << " in pieces of " << cut.piece_max;
        EXPECT_EQ(told.trailers, c.trailers) << c.name;
      }
      pair.sim.run_for(base::seconds(1));
      EXPECT_EQ(pair.client->in_use(), 0u) << c.name;
      ASSERT_NE(pair.server, nullptr);
      EXPECT_EQ(pair.server->exchanges(), 0u) << c.name;
    }
  }
}

TEST(Connection, InterimHeadsWithoutEndAreNotKept) {
  Pair pair;
  EXPECT_TRUE(pair.ask({.path = "/interim-flood"}).text.ends_with("failed: http_protocol_error"));
  EXPECT_EQ(pair.ask({}).text, answer("GET "));
}

TEST(Connection, HeadsArriveAsHttp1WouldHaveThem) {
  Pair pair;
  pair.ask({.method = "POST",
            .path = "/echo",
            .headers = {{.name = "X-Mixed-Case", .value = "Kept As Is"},
                        {.name = "Cookie", .value = "a=b; c=d"},
                        {.name = "Connection", .value = "close", .hop_by_hop = true},
                        {.name = "Keep-Alive", .value = "1"},
                        {.name = "Transfer-Encoding", .value = "chunked"},
                        {.name = "Host", .value = "elsewhere"},
                        {.name = "Content-Length", .value = "77"},
                        {.name = "TE", .value = "gzip"}},
            .body = {Kind::sized, 2},
            .sent = "hi"});
  EXPECT_EQ(
      pair.site.last,
      "POST http://site.example/echo sized 2\nx-mixed-case: Kept As Is\ncontent-length: 2\ncookie: a=b; "
      "c=d");
  pair.ask({.path = "/echo", .headers = {{.name = "Content-Type", .value = "application/grpc+proto"}}});
  EXPECT_EQ(pair.site.last,
            "GET http://site.example/echo\ncontent-type: application/grpc+proto\nte: trailers");
  pair.ask({.path = "/raw", .upgrade = "websocket"});
  EXPECT_EQ(pair.site.last, "GET http://site.example/raw upgrade\nupgrade: websocket");
}

TEST(Connection, ARequestBeganWhenItsHeadDid) {
  Pair pair;
  pair.ask({});
  pair.sim.run_for(base::seconds(7));
  const base::Instant asked = pair.sim.clock.now();
  pair.ask({.path = "/hints"});
  EXPECT_GE(pair.site.last_began, asked);
  EXPECT_LE(pair.site.last_began, pair.sim.clock.now());
}

TEST(Connection, ManyAtOnceBeyondWhatTheServerAllows) {
  Pair pair({.delay_max = base::milliseconds(3), .piece_max = 3000});
  std::vector<Told*> all;
  const std::string body(5000, 'c');
  for (int i = 0; i < 600; ++i) {
    all.push_back(
        i % 3 == 0
            ? &pair.start({.path = "/big/20000"})
            : &pair.start({.method = "POST", .path = "/mirror", .body = {Kind::chunked, 0}, .sent = body}));
  }
  pair.sim.run_until([&] {
    EXPECT_LE(pair.server->exchanges(), kConcurrentStreamsMax + 20);
    for (const Told* told : all) {
      if (!told->done) return false;
    }
    return true;
  });
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i]->body.size(), i % 3 == 0 ? 20'000u : 5000u) << i;
}

TEST(Connection, AStalledStreamStallsNobodyElse) {
  Pair pair;
  const std::string long_body(3'000'000, 's');
  Told& stalled = pair.start(
      {.method = "POST", .path = "/waits", .body = {Kind::sized, long_body.size()}, .sent = long_body});
  pair.sim.run_for(base::seconds(1));
  const Told& other = pair.ask(
      {.method = "POST", .path = "/mirror", .body = {Kind::sized, long_body.size()}, .sent = long_body});
  EXPECT_EQ(other.body.size(), long_body.size());
  EXPECT_FALSE(stalled.done);
}

// A client that does not read one answer gets the others.
TEST(Connection, AnAnswerNobodyReadsIsHeldWithinItsWindow) {
  Pair pair;
  pair.sim.run_for(base::seconds(1));
  std::unique_ptr<ClientStream> unread = pair.client->open_stream();
  http::Headers none;
  ASSERT_TRUE(
      unread->start_request({.method = "GET", .path = "/big/5000000", .authority = "a", .headers = &none}));
  (void)unread->finish({});
  (void)unread->flush();
  pair.sim.run_for(base::seconds(1));
  EXPECT_EQ(pair.ask({.path = "/big/3000000"}).body.size(), 3'000'000u);
  size_t held = 0;
  while (true) {
    auto got = unread->peek();
    ASSERT_TRUE(got);
    if (got->bytes.empty()) break;
    held += got->bytes.size();
    unread->consume(got->bytes.size());
  }
  EXPECT_GT(held, 60'000u);
  EXPECT_LE(held, kStreamWindow);
}

TEST(Connection, ARequestLetGoOfIsCancelled) {
  Pair pair;
  pair.sim.run_for(base::seconds(1));
  http::Headers none;
  for (int i = 0; i < 10; ++i) {
    std::unique_ptr<ClientStream> stream = pair.client->open_stream();
    ASSERT_TRUE(
        stream->start_request({.method = "GET", .path = "/waits", .authority = "a", .headers = &none}));
    (void)stream->finish({});
    (void)stream->flush();
    if (i % 2 == 0) pair.sim.run_for(base::seconds(1));  // else before it has left
  }
  pair.sim.run_for(base::seconds(1));
  EXPECT_EQ(pair.site.gone, 5);
  EXPECT_EQ(pair.site.served, 5);
  EXPECT_EQ(pair.server->exchanges(), 0u);
  EXPECT_EQ(pair.ask({}).text, answer("GET "));
}

TEST(Connection, TheEndOfTheConnectionEndsItsStreams) {
  Pair pair({.reset_after = 3000});
  std::vector<Told*> all;
  for (int i = 0; i < 5; ++i) all.push_back(&pair.start({.path = "/waits"}));
  pair.sim.run_for(base::seconds(1));
  Told& last = pair.start({.path = "/big/100000"});
  pair.sim.run_for(base::seconds(5));
  for (const Told* told : all) EXPECT_EQ(told->text, "failed: connection_terminated");
  EXPECT_TRUE(last.done);
  EXPECT_EQ(pair.site.gone, 5);
  EXPECT_TRUE(pair.client->gone_stale());
  EXPECT_FALSE(pair.client->can_open());
  EXPECT_EQ(pair.client->open_stream(), nullptr);
  EXPECT_EQ(pair.server, nullptr);
}

TEST(Connection, TheServersEndWithoutAWord) {
  Pair pair;
  Told& waiting = pair.start({.path = "/waits"});
  pair.sim.run_for(base::seconds(1));
  pair.scope.cancel_all();  // its coroutines too
  pair.server.reset();
  waiting.done = false;
  http::Headers none;
  pair.sim.run_for(base::seconds(1));
  EXPECT_TRUE(pair.client->gone_stale());
}

TEST(Connection, StreamsOutliveTheClientConnection) {
  Pair pair;
  pair.sim.run_for(base::seconds(1));
  http::Headers none;
  std::unique_ptr<ClientStream> begun = pair.client->open_stream();
  ASSERT_TRUE(begun->start_request({.method = "GET", .path = "/waits", .authority = "a", .headers = &none}));
  std::unique_ptr<ClientStream> fresh = pair.client->open_stream();
  pair.sim.run_for(base::seconds(1));
  pair.client.reset();
  http::ResponseHead head;
  EXPECT_EQ(begun->receive_head(head).error().reason, base::Reason::connection_terminated);
  EXPECT_FALSE(begun->write("x").has_value());
  EXPECT_FALSE(begun->flush().has_value());
  EXPECT_TRUE(begun->request_left());
  auto started =
      fresh->start_request({.method = "GET", .path = "/waits", .authority = "a", .headers = &none});
  EXPECT_EQ(started.error().retry, base::Retry::safe);
  EXPECT_FALSE(fresh->request_left());
}

TEST(Connection, DrainsInTwoSteps) {
  Pair pair;
  EXPECT_EQ(pair.ask({}).text, answer("GET "));
  Told& slow = pair.start({.path = "/slow"});
  pair.sim.run_for(base::seconds(1));
  pair.site.drain = true;
  pair.server->begin_drain();
  pair.sim.run_for(base::seconds(2));
  EXPECT_TRUE(pair.client->gone_stale());
  EXPECT_FALSE(slow.done);
  pair.sim.run_until([&] { return slow.done && pair.server == nullptr; }, base::seconds(10));
  EXPECT_EQ(slow.text, answer("at last"));
  EXPECT_EQ(pair.server, nullptr);

  Pair idle;
  idle.ask({});
  idle.site.drain = true;
  idle.server->begin_drain();
  idle.sim.run_for(base::seconds(4));
  EXPECT_EQ(idle.server, nullptr);
}

TEST(Connection, IdleOnesEnd) {
  Pair pair;
  pair.ask({});
  Told& waiting = pair.start({.path = "/waits"});
  pair.sim.run_for(base::seconds(200));
  EXPECT_NE(pair.server, nullptr);  // not while a stream is open
  EXPECT_FALSE(waiting.done);

  Pair idle;
  idle.ask({});
  idle.sim.run_for(base::seconds(70));
  EXPECT_NE(idle.server, nullptr);
  idle.sim.run_for(base::seconds(10));
  EXPECT_EQ(idle.server, nullptr);
  EXPECT_TRUE(idle.client->gone_stale());
}

TEST(Connection, StormsOfCallsOverBadWires) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    io::SimRandom random(seed);
    io::SimLinkPlan plan{.delay_max = base::milliseconds(static_cast<int64_t>(random.below(30))),
                         .piece_max = 1 + random.below(3000),
                         .window = 200 + random.below(50'000)};
    if (random.one_in(2)) plan.reset_after = random.below(400'000);
    Pair pair(plan, seed);
    static constexpr const char* kPaths[] = {"/echo",  "/mirror",   "/big/40000",     "/early",
                                             "/hints", "/abort",    "/nothing",       "/slow",
                                             "/raw",   "/continue", "/trailers-only", "/slow-reader"};
    std::vector<Told*> all;
    for (int i = 0; i < 40; ++i) {
      Call call{.path = kPaths[random.below(std::size(kPaths))]};
      if (call.path == "/raw") {
        call.upgrade = "websocket";
        call.sent = "x";
      } else if (random.one_in(2)) {
        call.method = "POST";
        call.sent = std::string(random.below(40'000), 'u');
        call.body = random.one_in(2) ? http::BodyLength{Kind::sized, call.sent.size()}
                                     : http::BodyLength{Kind::chunked, 0};
        if (random.one_in(3) && call.body.kind == Kind::chunked) call.trailers = "A: b\r\n";
      }
      all.push_back(&pair.start(call));
      if (random.one_in(4)) pair.sim.run_for(base::milliseconds(static_cast<int64_t>(random.below(100))));
    }
    const bool ended = pair.sim.run_until([&] {
      for (const Told* told : all) {
        if (!told->done) return false;
      }
      return true;
    });
    EXPECT_TRUE(ended) << seed;
    if (plan.reset_after == UINT64_MAX) {
      EXPECT_EQ(pair.client->in_use(), 0u) << seed;
    }
  }
}

}  // namespace
}  // namespace http2
