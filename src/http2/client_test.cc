// Our client against a backend that says exactly what the test wants: refusals, farewells, malformed answers.
#include "http2/client_connection.h"
#include "http2/raw_peer.h"

namespace http2 {
namespace {

using base::Reason;

const std::string kSettingsFrame = bytes_of({kSettings, 0, 0, ""});

struct Backend {
  explicit Backend(const ClientSettings& settings = {}) {
    listener = sim.network.listen(io::sim_address(1, 80));
    int error = 0;
    auto near = sim.network.connect_from(io::sim_address(2, 5000), io::sim_address(1, 80), error);
    sim.run_until([&] {
      io::Address peer;
      if (far == nullptr) far = listener->accept(peer, error);
      return far != nullptr && near->connect_error() == 0;
    });
    client = std::make_unique<ClientConnection>(sim.loop, std::move(near), settings);
  }

  void say(const std::string& bytes) {
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    far->write({&piece, 1});
    sim.run_for(base::milliseconds(10));
  }
  std::unique_ptr<ClientStream> ask(http::Method method = http::Method::get, std::string_view upgrade = "") {
    auto stream = client->open_stream();
    http::Headers none;
    const auto started = stream->start_request({.method = http::method_name(method),
                                                .method_kind = method,
                                                .path = "/",
                                                .authority = "a",
                                                .headers = &none,
                                                .upgrade = upgrade});
    if (!started) return nullptr;
    (void)stream->finish({});
    sim.run_for(base::milliseconds(10));
    return stream;
  }

  io::SimWorld sim{1};
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<io::Stream> far;
  std::unique_ptr<ClientConnection> client;
  http::ResponseHead head;
};

std::string answer(const FieldList& fields, uint8_t flags = kEndHeaders | kEndStream) {
  return request(1, fields, flags);
}

TEST(Client, HowAStreamCanEnd) {
  struct {
    const char* name;
    std::string said;
    Reason reason;
    base::Retry retry;
  } cases[] = {
      {"refused", bytes_of({kRstStream, 0, 1, number(7)}), Reason::connection_terminated, base::Retry::safe},
      {"reset", bytes_of({kRstStream, 0, 1, number(2)}), Reason::connection_terminated, base::Retry::never},
      {"farewell before it", bytes_of({kGoaway, 0, 0, number(0) + number(0)}), Reason::connection_terminated,
       base::Retry::safe},
      {"farewell behind it, then reset",
       bytes_of({kGoaway, 0, 0, number(1) + number(0)}) + bytes_of({kRstStream, 0, 1, number(0)}),
       Reason::connection_terminated, base::Retry::never},
      {"no status", answer({{"a", "b"}}), Reason::http_protocol_error, base::Retry::never},
      {"status 99", answer({{":status", "099"}}), Reason::http_protocol_error, base::Retry::never},
      {"status 600", answer({{":status", "600"}}), Reason::http_protocol_error, base::Retry::never},
      {"status of words", answer({{":status", "abc"}}), Reason::http_protocol_error, base::Retry::never},
      {"101", answer({{":status", "101"}}, kEndHeaders), Reason::http_protocol_error, base::Retry::never},
      {"connection", answer({{":status", "200"}, {"connection", "close"}}), Reason::http_protocol_error,
       base::Retry::never},
      {"capital letters", answer({{":status", "200"}, {"A", "b"}}), Reason::http_protocol_error,
       base::Retry::never},
      {"line end in a value", answer({{":status", "200"}, {"a", "b\r\nc: d"}}), Reason::http_protocol_error,
       base::Retry::never},
      {"a known name with an underscore", answer({{":status", "200"}, {"set_cookie", "b"}}),
       Reason::http_protocol_error, base::Retry::never},
      {"length, twice", answer({{":status", "200"}, {"content-length", "1"}, {"content-length", "1"}}),
       Reason::http_protocol_error, base::Retry::never},
      {"length, not there", answer({{":status", "200"}, {"content-length", "5"}}),
       Reason::http_protocol_error, base::Retry::never},
      {"204 with a length", answer({{":status", "204"}, {"content-length", "5"}}),
       Reason::http_protocol_error, base::Retry::never},
      {"head too large",
       answer({{":status", "200"}, {"a", std::string(9000, 'x')}, {"b", std::string(4000, 'x')}}),
       Reason::http_response_header_section_size, base::Retry::never},
      {"no HTTP/2", "HTTP/1.1 400 Bad Request\r\n\r\n", Reason::connection_terminated, base::Retry::never},
  };
  for (const auto& c : cases) {
    Backend backend({.head = {.head_bytes_max = 10'000}});
    auto stream = backend.ask();
    ASSERT_NE(stream, nullptr) << c.name;
    EXPECT_TRUE(stream->request_left()) << c.name;
    backend.say((c.said.starts_with("HTTP") ? "" : kSettingsFrame) + c.said);
    auto got = stream->receive_head(backend.head);
    ASSERT_FALSE(got) << c.name;
    EXPECT_EQ(got.error().reason, c.reason) << c.name;
    EXPECT_EQ(got.error().retry, c.retry) << c.name;
    EXPECT_EQ(got.error().side, base::Side::backend) << c.name;
    stream.reset();
    EXPECT_EQ(backend.client->in_use(), 0u) << c.name;
  }
}

TEST(Client, AHeadAndItsEnd) {
  Backend backend;
  auto stream = backend.ask();
  backend.say(kSettingsFrame +
              answer({{":status", "200"}, {"x_y", "z"}, {"content-length", "5"}}, kEndHeaders) +
              bytes_of({kData, 0, 1, "ab"}));
  ASSERT_TRUE(stream->receive_head(backend.head).value_or(false));
  EXPECT_EQ(backend.head.status, 200);
  EXPECT_EQ(backend.head.body.bytes, 5u);
  EXPECT_EQ(stream->peek()->bytes, "ab");
  stream->consume(2);
  backend.say(bytes_of({kRstStream, 0, 1, number(2)}));
  EXPECT_EQ(stream->peek().error().reason, Reason::http_response_incomplete);
}

TEST(Client, AnAnswerBeforeTheRequestsEndIsWhole) {
  Backend backend;
  auto stream = backend.client->open_stream();
  http::Headers none;
  ASSERT_TRUE(stream->start_request({.method = "POST",
                                     .method_kind = http::Method::post,
                                     .path = "/",
                                     .authority = "a",
                                     .headers = &none,
                                     .body = {http::BodyLength::Kind::chunked, 0}}));
  backend.say(kSettingsFrame + answer({{":status", "413"}}, kEndHeaders) +
              bytes_of({kData, kEndStream, 1, "no"}) + bytes_of({kRstStream, 0, 1, number(0)}));
  ASSERT_TRUE(stream->receive_head(backend.head).value_or(false));
  EXPECT_EQ(backend.head.status, 413);
  EXPECT_EQ(stream->peek()->bytes, "no");
  EXPECT_TRUE(stream->peek()->end);
  EXPECT_FALSE(stream->write("more"));
}

TEST(Client, CapacityIsTheBackends) {
  Backend backend;
  EXPECT_FALSE(backend.client->settings_known());
  EXPECT_TRUE(backend.client->can_open());  // assumed
  backend.say(bytes_of({kSettings, 0, 0, std::string("\0\3", 2) + number(2)}));
  EXPECT_TRUE(backend.client->settings_known());
  auto one = backend.ask();
  auto two = backend.ask();
  EXPECT_FALSE(backend.client->can_open());
  EXPECT_EQ(backend.client->open_stream(), nullptr);
  backend.say(answer({{":status", "200"}}));
  EXPECT_TRUE(backend.client->can_open());
  EXPECT_EQ(backend.client->in_use(), 1u);
  two.reset();
  EXPECT_EQ(backend.client->in_use(), 0u);
  backend.say(bytes_of({kGoaway, 0, 0, number(3) + number(0)}));
  EXPECT_FALSE(backend.client->can_open());
  EXPECT_TRUE(backend.client->gone_stale());
}

TEST(Client, UpgradesOnlyWhereTheyAreTaken) {
  Backend backend;
  backend.say(kSettingsFrame);
  EXPECT_EQ(backend.ask(http::Method::get, "websocket"), nullptr);
  backend.say(bytes_of({kSettings, 0, 0, std::string("\0\10", 2) + number(1)}));
  EXPECT_TRUE(backend.client->takes_upgrades());
  EXPECT_NE(backend.ask(http::Method::get, "websocket"), nullptr);
}

TEST(Server, TakesOverWhatWasReadAlready) {
  RawWorld world;
  int error = 0;
  auto near = world.sim.network.connect_from({}, io::sim_address(1, 80), error);
  std::unique_ptr<io::Stream> far;
  world.sim.run_until([&] {
    io::Address peer;
    far = world.listener->accept(peer, error);
    return far != nullptr;
  });
  const std::string bytes = hello() + request(1, get());
  for (size_t read_before : {size_t{0}, kPreface.size(), kPreface.size() + 5, bytes.size()}) {
    if (far == nullptr) break;
    io::Buffer received;
    received.reserve(io::kTinyBuffer);
    received.append(std::string_view(bytes).substr(0, read_before));
    const int before = world.site.served;
    iovec piece{const_cast<char*>(bytes.data() + read_before), bytes.size() - read_before};
    if (piece.iov_len > 0) near->write({&piece, 1});
    ServerConnection connection(world.sim.loop, std::move(far), {}, std::move(received));
    io::Scope scope;
    scope.spawn(connection.serve(world.site));
    world.sim.run_for(base::seconds(1));
    EXPECT_EQ(world.site.served, before + 1) << read_before;
    scope.cancel_all();
    near = world.sim.network.connect_from({}, io::sim_address(1, 80), error);
    world.sim.run_until([&] {
      io::Address peer;
      far = world.listener->accept(peer, error);
      return far != nullptr;
    });
  }
}

}  // namespace
}  // namespace http2
