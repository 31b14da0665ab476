#include "tls/stream.h"

#include "tls/test_meeting.h"

namespace tls {
namespace {

using namespace testing;
using base::Reason;
using io::IoResult;

TEST(Stream, BothSidesKnowWhatWasAgreed) {
  for (Version version : {Version::tls12, Version::tls13}) {
    MeetingPlace place;
    ServerSettings server = server_settings();
    server.version_min = version;
    Meeting met = place.meet(server, client_settings(), "A.example");
    place.expect_talk(met);
    EXPECT_EQ(met.server->version(), Version::tls13);
    EXPECT_EQ(met.server->cipher(), "TLS_AES_128_GCM_SHA256");
    EXPECT_EQ(met.server->sni(), "a.example");
    EXPECT_FALSE(met.server->resumed());
    EXPECT_FALSE(met.server->peer_certificate());
    EXPECT_EQ(met.client->peer_certificate()->dns_names, std::vector<std::string>{"a.example"});
    EXPECT_EQ(met.server->failure().reason, Reason::none);
  }
}

std::string long_text(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

struct LinkCase {
  const char* what;
  io::SimLinkPlan plan;
};

TEST(Stream, WorksHoweverTheNetworkCutsIt) {
  const LinkCase cases[] = {
      {"perfect", {}},
      {"byte by byte", {.piece_max = 1}},
      {"in pieces, late", {.delay_max = base::milliseconds(5), .piece_max = 700}},
      {"a window of one byte", {.window = 1}},
      {"a window below a record", {.delay_max = base::microseconds(50), .piece_max = 3000, .window = 5000}},
  };
  std::string text = long_text(100'000);
  for (const LinkCase& c : cases) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(c.what);
      MeetingPlace place(seed);
      place.links.all = c.plan;
      Meeting met = place.meet(server_settings(), client_settings());
      place.expect_talk(met);
      if (HasFatalFailure()) return;
      size_t size = c.plan.window == 1 ? 3000 : text.size();
      std::string_view sent = std::string_view(text).substr(0, size);
      EXPECT_EQ(place.pass(*met.server, *met.client, sent), sent);
      EXPECT_EQ(place.pass(*met.client, *met.server, sent), sent);
      met.server->shutdown_write();
      for (int i = 0; i < 100; ++i) {  // whoever shut down goes on reading
        std::array<char, 10> nothing;
        EXPECT_EQ(met.server->read(nothing).kind, IoResult::Kind::would_block);
        EXPECT_EQ(place.receive(*met.client), "");
        if (place.ending == IoResult::Kind::end) break;
      }
      EXPECT_EQ(place.ending, IoResult::Kind::end);
    }
  }
}

// Counts what passes below, and can be told to take no more.
class CountingStream final : public io::Stream {
 public:
  explicit CountingStream(std::unique_ptr<io::Stream> below) : below_(std::move(below)) {}
  IoResult read(std::span<char> into) override {
    ++reads;
    return below_->read(into);
  }
  IoResult write(std::span<const iovec> pieces) override {
    if (room == 0) return {};
    ++writes;
    if (room == SIZE_MAX) return below_->write(pieces);
    iovec piece{pieces[0].iov_base, std::min(pieces[0].iov_len, room)};
    IoResult sent = below_->write({&piece, 1});
    room -= sent.count;
    return sent;
  }
  void shutdown_write() override { below_->shutdown_write(); }
  void reset_on_close() override { below_->reset_on_close(); }
  int connect_error() override { return below_->connect_error(); }
  bool may_read() const override { return below_->may_read(); }
  bool peer_gone() const override { return below_->peer_gone(); }
  io::Signal& readable() override { return below_->readable(); }
  io::Signal& writable() override { return below_->writable(); }
  io::Signal& gone() override { return below_->gone(); }

  int reads = 0;
  int writes = 0;
  size_t room = SIZE_MAX;

 private:
  std::unique_ptr<io::Stream> below_;
};

// A meeting whose server's end is counted.
struct CountedMeeting {
  explicit CountedMeeting(MeetingPlace& place, const ServerSettings& settings = server_settings()) {
    auto [client_end, server_end] = place.connect();
    auto counting = std::make_unique<CountingStream>(std::move(server_end));
    below = counting.get();
    client =
        Stream::connect(std::move(client_end),
                        {.context = compile(client_settings()), .name = "a.example", .session = nullptr});
    server = Stream::accept(std::move(counting), compile(settings));
    place.sim.run_until([&] {
      auto one = client->step_handshake();
      auto other = server->step_handshake();
      return *one == Stream::Progress::done && *other == Stream::Progress::done;
    });
    below->reads = below->writes = 0;
  }
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
  CountingStream* below = nullptr;
};

TEST(Stream, ASmallMessageIsOneReadAndOneWriteBelow) {
  MeetingPlace place;
  ServerSettings settings = server_settings();
  settings.ticket_keys = make_ticket_keys();
  CountedMeeting met(place, settings);
  for (int round = 0; round < 3; ++round) {
    met.below->reads = met.below->writes = 0;
    ASSERT_TRUE(place.send(*met.client, "GET / HTTP/1.1\r\n\r\n"));
    place.sim.run_until([&] { return met.server->may_read(); });
    std::array<char, 4096> bytes;
    EXPECT_EQ(met.server->read(bytes).count, 18u);
    EXPECT_FALSE(met.server->may_read());
    std::string head = "HTTP/1.1 200 OK\r\n\r\n", body = "hello";
    const iovec pieces[] = {{head.data(), head.size()}, {nullptr, 0}, {body.data(), body.size()}};
    EXPECT_EQ(met.server->write(pieces).count, 24u);
    EXPECT_EQ(met.below->reads, 1);
    EXPECT_EQ(met.below->writes, 1) << "the ticket of the handshake leaves with the first answer";
    EXPECT_EQ(place.receive(*met.client), head + body);
  }
}

TEST(Stream, PiecesAreGatheredIntoFullRecords) {
  MeetingPlace place;
  place.links.all.window = 1'000'000;
  CountedMeeting met(place);
  std::string text = long_text(50'000);
  std::vector<iovec> pieces;
  for (size_t at = 0; at < 30'000; at += 300) pieces.push_back({text.data() + at, 300});
  pieces.push_back({text.data() + 30'000, 20'000});
  size_t sent = 0;
  while (sent < text.size()) {
    std::vector<iovec> rest;
    size_t skip = sent;
    for (iovec piece : pieces) {
      size_t taken = std::min(skip, piece.iov_len);
      skip -= taken;
      rest.push_back({static_cast<char*>(piece.iov_base) + taken, piece.iov_len - taken});
    }
    IoResult result = met.server->write(rest);
    ASSERT_NE(result.kind, IoResult::Kind::failed);
    sent += result.count;
    if (sent < text.size()) place.sim.run_for(base::microseconds(10));
  }
  EXPECT_LE(met.below->writes, 12) << "50,000 bytes are four records, each perhaps in parts";
  EXPECT_EQ(place.receive(*met.client), text);
}

TEST(Stream, ABlockedWriteKeepsTheLastByteBack) {
  for (size_t room : {size_t{0}, size_t{1}, size_t{500}, size_t{20'000}}) {
    MeetingPlace place;
    CountedMeeting met(place);
    std::string text = long_text(40'000);
    met.below->room = room;
    iovec piece{text.data(), text.size()};
    IoResult sent = met.server->write({&piece, 1});
    ASSERT_EQ(sent.kind, IoResult::Kind::bytes);
    EXPECT_EQ(sent.count, room < 16'384 ? 16'383u : 32'767u);
    std::string_view rest = std::string_view(text).substr(sent.count);
    // Offering less than was encrypted, and nothing, does no harm.
    iovec one{const_cast<char*>(rest.data()), 1};
    EXPECT_EQ(met.server->write({&one, 1}).kind, IoResult::Kind::would_block);
    EXPECT_EQ(met.server->write({}).kind, IoResult::Kind::would_block);
    met.below->room = SIZE_MAX;
    sent = met.server->write({&one, 1});
    EXPECT_EQ(sent.count, 1u);
    rest.remove_prefix(1);
    ASSERT_TRUE(place.send(*met.server, rest));
    EXPECT_EQ(place.receive(*met.client), text);
  }
}

TEST(Stream, ASingleByteThatIsBlockedIsNotTaken) {
  MeetingPlace place;
  CountedMeeting met(place);
  met.below->room = 0;
  char x = 'x';
  iovec piece{&x, 1};
  EXPECT_EQ(met.server->write({&piece, 1}).kind, IoResult::Kind::would_block);
  EXPECT_EQ(met.server->write({&piece, 1}).kind, IoResult::Kind::would_block);
  met.below->room = SIZE_MAX;
  EXPECT_EQ(met.server->write({&piece, 1}).count, 1u);
  EXPECT_EQ(place.receive(*met.client), "x") << "once";
}

TEST(Stream, AnEndIsToldFromACut) {
  for (bool properly : {true, false}) {
    MeetingPlace place;
    CountedMeeting met(place);
    ASSERT_TRUE(place.send(*met.server, "the whole body"));
    if (properly) {
      met.server->shutdown_write();
    } else {
      met.below->shutdown_write();
    }
    EXPECT_EQ(place.receive(*met.client), "the whole body");
    EXPECT_EQ(place.ending, properly ? IoResult::Kind::end : IoResult::Kind::failed);
    EXPECT_EQ(place.ending_error, properly ? 0 : ECONNRESET);
    EXPECT_TRUE(met.client->may_read()) << "as a socket at its end";
    if (!properly) {
      EXPECT_EQ(met.client->failure().reason, Reason::connection_terminated);
    }
    // The other direction goes on after a proper end.
    EXPECT_EQ(place.send(*met.client, "and you?"), properly);
    if (properly) {
      EXPECT_EQ(place.receive(*met.server), "and you?");
    }
  }
}

TEST(Stream, DestroyingEndsProperlyUnlessReset) {
  for (bool reset : {true, false}) {
    MeetingPlace place;
    Meeting met = place.meet(server_settings(), client_settings());
    ASSERT_TRUE(met.made());
    if (reset) met.server->reset_on_close();
    met.server.reset();
    EXPECT_EQ(place.receive(*met.client), "");
    EXPECT_EQ(place.ending, reset ? IoResult::Kind::failed : IoResult::Kind::end);
  }
}

TEST(Stream, AnEndThatIsBlockedFollowsLater) {
  MeetingPlace place;
  CountedMeeting met(place);
  met.below->room = 0;
  met.server->shutdown_write();
  EXPECT_EQ(place.receive(*met.client), "");
  EXPECT_EQ(place.ending, IoResult::Kind::would_block);
  met.below->room = SIZE_MAX;
  std::array<char, 10> bytes;
  EXPECT_EQ(met.server->read(bytes).kind, IoResult::Kind::would_block);
  EXPECT_EQ(place.receive(*met.client), "");
  EXPECT_EQ(place.ending, IoResult::Kind::end);
}

TEST(Stream, AResetBelowIsAFailure) {
  for (uint64_t after = 1; after < 6000; after += 97) {
    MeetingPlace place(after);
    place.links.all.reset_after = after;
    Meeting met = place.meet(server_settings(), client_settings());
    if (met.made()) {
      place.send(*met.client, long_text(8000));
      place.receive(*met.server);
      EXPECT_EQ(place.ending, IoResult::Kind::failed);
      continue;
    }
    if (!met.server_outcome) {
      EXPECT_EQ(met.server_outcome.error().reason, Reason::client_disconnected);
    }
    if (!met.client_outcome) {
      EXPECT_EQ(met.client_outcome.error().reason, Reason::connection_terminated);
      EXPECT_EQ(met.client_outcome.error().retry, base::Retry::safe);
    }
  }
}

struct GarbageCase {
  const char* what;
  std::string bytes;
  const char* detail;
  bool plain_http = false;
};

TEST(Stream, WhatIsNotTlsIsNamed) {
  const GarbageCase cases[] = {
      {"GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "plain HTTP was sent to a TLS port", true},
      {"POST", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", "plain HTTP was sent to a TLS port", true},
      {"DELETE, which libssl does not know", "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
       "what the client sent is not TLS"},
      {"h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "what the client sent is not TLS"},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "what the client sent is not TLS"},
      {"zeros", std::string(600, '\0'), "what the client sent is not TLS"},
      {"an answer", "HTTP/1.1 400 Bad Request\r\n\r\n", "what the client sent is not TLS"},
  };
  for (const GarbageCase& c : cases) {
    SCOPED_TRACE(c.what);
    MeetingPlace place;
    auto [client, server_end] = place.connect();
    auto server = Stream::accept(std::move(server_end), compile(server_settings()));
    ASSERT_TRUE(place.send(*client, c.bytes));
    base::Result<Stream::Progress> step;
    place.sim.run_until([&] { return !(step = server->step_handshake()); }, base::seconds(1));
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().reason, Reason::tls_protocol_error);
    EXPECT_EQ(step.error().side, base::Side::client);
    EXPECT_STREQ(step.error().detail, c.detail);
    EXPECT_EQ(server->spoke_plain_http(), c.plain_http);
    if (!c.plain_http) continue;
    ASSERT_TRUE(place.send(server->below(), "HTTP/1.1 400 Bad Request\r\n\r\n"));
    EXPECT_EQ(place.receive(*client), "HTTP/1.1 400 Bad Request\r\n\r\n") << "and nothing before it";
  }
}

TEST(Stream, ABackendWithoutTlsIsNamed) {
  MeetingPlace place;
  auto [client_end, server] = place.connect();
  auto client =
      Stream::connect(std::move(client_end),
                      {.context = compile(client_settings()), .name = "a.example", .session = nullptr});
  ASSERT_TRUE(place.send(*server, "HTTP/1.1 400 Bad Request\r\n\r\n"));
  base::Result<Stream::Progress> step;
  place.sim.run_until([&] { return !(step = client->step_handshake()); }, base::seconds(1));
  EXPECT_EQ(step.error().reason, Reason::tls_protocol_error);
  EXPECT_STREQ(step.error().detail, "the backend does not speak TLS here");
  EXPECT_EQ(step.error().retry, base::Retry::safe);
}

TEST(Stream, ASilentPeerRunsIntoTheDeadline) {
  for (bool dribbling : {false, true}) {
    MeetingPlace place;
    auto [client, server_end] = place.connect();
    auto server = Stream::accept(std::move(server_end), compile(server_settings()));
    base::Result<> outcome;
    bool done = false;
    io::Scope scope;
    base::Instant began = place.sim.clock.now();
    scope.spawn([](Stream& stream, io::Loop& loop, base::Instant due, base::Result<>& out,
                   bool& ended) -> io::Task<> {
      out = co_await stream.handshake(loop, due);
      ended = true;
    }(*server, place.sim.loop, began + base::seconds(10), outcome, done));
    std::string hello = {'\x16', '\x03', '\x01', '\x02', '\0'};  // a record of 512 bytes, one a second
    for (int i = 0; dribbling && i < 9; ++i) {
      place.send(*client, i < 5 ? std::string(1, hello[static_cast<size_t>(i)]) : "\x01");
      place.sim.run_for(base::seconds(1));
    }
    place.sim.run_until([&] { return done; });
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, Reason::request_timeout);
    EXPECT_EQ((place.sim.clock.now() - began).milliseconds() / 1000, 10);
  }
}

TEST(Stream, DamageOnTheWayIsNeverData) {
  // Flips one bit of the bytes that carry a message.
  for (size_t at : {0u, 3u, 5u, 20u, 30u}) {
    MeetingPlace place;
    CountedMeeting met(place);
    auto [left, right] = place.connect();
    ASSERT_TRUE(place.send(*met.client, "a message of some length"));
    place.sim.run_for(base::milliseconds(1));
    // The sealed record, taken from below the server and given to another stream, is no message there.
    std::array<char, 200> sealed;
    IoResult got = met.below->read(sealed);
    ASSERT_GT(got.count, at);
    sealed[at] = static_cast<char>(sealed[at] ^ 0x40);
    ASSERT_TRUE(place.send(*left, std::string_view(sealed.data(), got.count)));
    auto victim = Stream::accept(std::move(right), compile(server_settings()));
    base::Result<Stream::Progress> step;
    place.sim.run_until([&] { return !(step = victim->step_handshake()); }, base::seconds(1));
    EXPECT_FALSE(step && *step == Stream::Progress::done);
  }
}

}  // namespace
}  // namespace tls
