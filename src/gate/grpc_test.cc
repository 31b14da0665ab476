// gRPC calls through the gate: both ways as they come, refusals and failures as gRPC says them, deadlines,
// silent streams, gRPC-Web, and what of all that is recorded.
#include "base/base64.h"
#include "gate/grpc_world.h"

namespace gate::test {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

struct World : GateWorld {
  explicit World(std::function<void(Service&)> adjust = {}) : backend(*this, 10) {
    if (adjust) serve({{.path = "/a", .adjust = std::move(adjust)}});
  }
  std::string only_record() {
    auto lines = records();
    EXPECT_EQ(lines.size(), 1u);
    return lines.empty() ? "" : lines[0];
  }
  GrpcBackend backend;
};

CallSetup doing(std::string what, std::vector<std::pair<std::string, std::string>> more = {}) {
  more.emplace_back("x-do", std::move(what));
  return {.headers = std::move(more)};
}

TEST(Grpc, AUnaryCallGoesBothWaysWithItsTrailers) {
  World world;
  GrpcCaller call(world, {});
  call.ask("question");
  EXPECT_EQ(call.failed, "");
  EXPECT_EQ(call.head["status"], "200");
  EXPECT_EQ(call.head["content-type"], "application/grpc+proto");
  EXPECT_EQ(call.head["x-from"], "backend");
  EXPECT_EQ(call.body, message("question"));
  EXPECT_TRUE(has(call.trailers, "grpc-status: 0\r\n")) << call.trailers;
  ASSERT_EQ(world.backend.calls.size(), 1u);
  SeenCall& seen = world.backend.calls[0];
  EXPECT_EQ(seen.headers["te"], "trailers");
  EXPECT_EQ(seen.headers["content-type"], "application/grpc");
  EXPECT_EQ(seen.headers.count("content-length"), 0u);
  EXPECT_EQ(seen.headers.count("grpc-timeout"), 0u);
  const std::string record = world.only_record();
  EXPECT_EQ(field(record, "grpc_status"), "OK") << record;
  EXPECT_EQ(field(record, "status"), "200");
  EXPECT_EQ(field(record, "phase"), "done");
}

TEST(Grpc, MessagesOfAStreamAreRelayedAsTheyCome) {
  World world;
  GrpcCaller call(world, doing("talk"));
  std::string sent;
  for (int i = 0; i < 3; ++i) {
    const std::string next = message("message " + std::to_string(i));
    call.send(next);
    sent += next;
    ASSERT_TRUE(world.sim.run_until([&] { return call.body == sent; })) << call.body;
    world.sim.run_for(base::seconds(600));  // longer than any other wait of the gate's
  }
  call.half_close();
  ASSERT_TRUE(call.wait_for_end());
  EXPECT_TRUE(has(call.trailers, "grpc-status: 0"));
  EXPECT_EQ(field(world.only_record(), "grpc_status"), "OK");
}

// What the gate says itself is all in the head.
TEST(Grpc, RefusalsAndFailuresAreTrailersOnly) {
  struct {
    const char* name;
    CallSetup call;
    const char* status;
    const char* status_name;
    const char* reason;
  } cases[] = {
      {"no rule", {.path = "/a/other"}, "7", "PERMISSION_DENIED", "rule_denied"},
      {"no credential", {.path = "/a/secret"}, "16", "UNAUTHENTICATED", "credential_missing"},
      {"a bad one", {.headers = {{"x-api-key", "nonsense"}}}, "16", "UNAUTHENTICATED", "credential_invalid"},
      {"malformed", {.headers = {{"x-api-key", ""}}}, "16", "UNAUTHENTICATED", "credential_malformed"},
      {"nowhere", {.path = "/b/Method"}, "12", "UNIMPLEMENTED", "no_route"},
      {"the gate's own", {.path = "/.well-known/gatehouse/x"}, "12", "UNIMPLEMENTED", "no_route"},
      {"an encoded slash", {.path = "/a%2Fopen"}, "13", "INTERNAL", "path_refused"},
      {"nobody there", {.path = "/down/open"}, "14", "UNAVAILABLE", "connection_refused"},
      {"nobody known", {.path = "/none/open"}, "14", "UNAVAILABLE", "no_healthy_endpoint"},
  };
  for (const char* type : {"application/grpc+proto", "application/grpc-web-text"}) {
    for (auto& c : cases) {
      SCOPED_TRACE(c.name);
      World world;
      world.serve({{.path = "/a"}, {.path = "/down", .backends = {99}}, {.path = "/none", .backends = {}}});
      c.call.type = type;
      GrpcCaller call(world, c.call);
      call.ask("question");
      EXPECT_EQ(call.failed, "");
      EXPECT_EQ(call.head["status"], "200");
      EXPECT_EQ(call.head["content-type"], type);
      EXPECT_EQ(call.head["grpc-status"], c.status);
      EXPECT_NE(call.head["grpc-message"], "");
      EXPECT_EQ(call.head["proxy-status"], "gatehouse; error=" + std::string(c.reason));
      EXPECT_EQ(call.head.count("www-authenticate"), c.status == std::string("16") ? 1u : 0u);
      EXPECT_EQ(call.head["x-request-id"].size(), 32u);
      EXPECT_EQ(call.body + call.trailers, "");
      EXPECT_TRUE(world.backend.calls.empty());
      const std::string record = world.only_record();
      EXPECT_EQ(field(record, "reason"), c.reason) << record;
      EXPECT_EQ(field(record, "grpc_status"), c.status_name) << record;
      EXPECT_EQ(field(record, "status"), "200") << record;
    }
  }
}

TEST(Grpc, OnlyAPostOfThatTypeIsACall) {
  World world;
  for (const char* request :
       {"POST /a/other HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST /a/other HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpcish\r\nContent-Length: 0\r\n\r\n",
        "GET /a/other HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\r\n"}) {
    const std::string answer = world.ask(request);
    EXPECT_TRUE(has(answer, "HTTP/1.1 403") && has(answer, "problem+json")) << answer;
    EXPECT_FALSE(has(answer, "grpc-status"));
    EXPECT_EQ(field(world.only_record(), "grpc_status"), "");
  }
  const std::string answer = world.ask(
      "POST /a/other HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(has(answer, "HTTP/1.1 200 OK") && has(answer, "grpc-status: 7\r\n")) << answer;
  EXPECT_TRUE(has(answer, "Content-Length: 0\r\n")) << answer;
}

TEST(Grpc, ABackendsOwnStatusIsPassedOn) {
  struct {
    const char* what;
    const char* http;
    const char* status;
    const char* recorded;
  } cases[] = {{"fail", "200", "5", "NOT_FOUND"},
               {"unknown", "200", "12", "UNIMPLEMENTED"},
               // Something in between that is no gRPC: as it is.
               {"html", "502", "", "UNAVAILABLE"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    World world;
    GrpcCaller call(world, doing(c.what));
    call.ask("question");
    EXPECT_EQ(call.failed, "");
    EXPECT_EQ(call.head["status"], c.http);
    EXPECT_EQ(call.head["grpc-status"], c.status);
    const std::string record = world.only_record();
    EXPECT_EQ(field(record, "grpc_status"), c.recorded) << record;
    EXPECT_EQ(field(record, "reason"), "") << record;
  }
}

TEST(Grpc, AnAnswerThatHasBegunEndsWithAStatus) {
  struct {
    const char* name;
    CallSetup call;
    const char* status;
    const char* reason;
    base::Duration patience;
  } cases[] = {
      {"the backend cuts it", doing("cut"), "14", "http_response_incomplete", base::seconds(1)},
      {"the deadline", doing("stall", {{"grpc-timeout", "2S"}}), "4", "http_response_timeout",
       base::seconds(3)},
      {"silence without end", doing("stall"), "4", "connection_read_timeout",
       kCallPatience + base::seconds(1)},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World world;
    GrpcCaller call(world, c.call);
    call.send(message("question"));
    call.half_close();
    ASSERT_TRUE(call.wait_for_end(c.patience));
    EXPECT_EQ(call.failed, "");
    EXPECT_EQ(call.body, message("first"));
    EXPECT_TRUE(has(call.trailers, "grpc-status: " + std::string(c.status) + "\r\n")) << call.trailers;
    EXPECT_TRUE(has(call.trailers, "grpc-message: ")) << call.trailers;
    const std::string record = world.only_record();
    EXPECT_EQ(field(record, "reason"), c.reason) << record;
    EXPECT_EQ(field(record, "phase"), "relay") << record;
    world.sim.run_for(base::seconds(1));
    EXPECT_TRUE(world.backend.calls.at(0).cancelled || c.reason == std::string("http_response_incomplete"));
  }
}

// Over HTTP/1 the end of a chunked answer may carry them too; within a chunk only a cut is honest.
TEST(Grpc, OverHttp1AnAnswerEndsWithAStatusWhereItCan) {
  const std::string question = message("question");
  const std::string head =
      "POST /a/open HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\ngrpc-timeout: "
      "1S\r\nContent-Length: " +
      std::to_string(question.size()) + "\r\n";
  World world;
  const std::string answer = world.ask(head + "X-Do: stall\r\n\r\n" + question);
  EXPECT_TRUE(has(answer, message("first"))) << answer;
  EXPECT_TRUE(has(answer, "\r\n0\r\ngrpc-status: 4\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
  const std::string whole = world.ask(head + "\r\n" + question);
  EXPECT_TRUE(has(whole, "\r\n0\r\ngrpc-status: 0\r\n")) << whole;

  const std::string old = world.ask(
      "POST /a/open HTTP/1.0\r\nHost: a\r\nContent-Type: application/grpc\r\n"
      "X-Do: stall\r\ngrpc-timeout: 1S\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(has(old, "grpc-status")) << old;
}

class NarrowToGate final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    return to.port == 9000 ? io::SimLinkPlan{} : io::SimLinkPlan{.window = 300};
  }
};

// A status there would be read as part of the chunk, and what follows as the next answer.
TEST(Grpc, OverHttp1NoStatusStandsWithinAChunk) {
  NarrowToGate narrow;
  GateWorld world(1, &narrow);
  GrpcBackend backend(world, 10);
  int error = 0;
  auto client = world.sim.network.connect_from(io::sim_address(2, 40'000), io::sim_address(1, 80), error);
  world.sim.run_for(base::milliseconds(1));
  std::string request =
      "POST /a/open HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\ngrpc-timeout: 1S\r\nX-Do: "
      "much\r\n"
      "Content-Length: 0\r\n\r\n";
  iovec piece{request.data(), request.size()};
  ASSERT_EQ(client->write({&piece, 1}).count, request.size());
  world.sim.run_for(base::seconds(2));  // reading nothing
  std::string received;
  std::array<char, 4096> room;
  for (int i = 0; i < 1000; ++i) {
    io::IoResult got = client->read(room);
    received.append(room.data(), got.count);
    if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) break;
    world.sim.run_for(base::milliseconds(10));
  }
  EXPECT_TRUE(has(received, "xxxx") && !has(received, "grpc-status") && !has(received, "\r\n0\r\n"))
      << received;
}

TEST(Grpc, TheDeadlineCountsFromTheRequestsBeginning) {
  World world;
  GrpcCaller call(world, doing("silent", {{"grpc-timeout", "700m"}}));
  const base::Instant began = world.sim.clock.now();
  call.ask("question");
  EXPECT_EQ(call.head["grpc-status"], "4");
  EXPECT_LT(world.sim.clock.now() - began, base::seconds(1));
  const std::string sent = world.backend.calls.at(0).headers["grpc-timeout"];
  const auto left = http::parse_grpc_timeout(sent);
  ASSERT_TRUE(left) << sent;
  EXPECT_TRUE(*left > base::milliseconds(600) && *left <= base::milliseconds(700)) << sent;
  EXPECT_EQ(field(world.only_record(), "reason"), "http_response_timeout");
  world.sim.run_for(base::seconds(1));
  EXPECT_TRUE(world.backend.calls[0].cancelled);
}

TEST(Grpc, TheDeadlineTakesThePlaceOfTheServicesTimeout) {
  World world;  // whose response_timeout is 10 s
  GrpcCaller call(world, doing("silent", {{"grpc-timeout", "60S"}}));
  call.send(message("question"));
  call.half_close();
  world.sim.run_for(base::seconds(58));
  EXPECT_FALSE(call.done);
  world.sim.run_for(base::seconds(3));
  EXPECT_EQ(call.head["grpc-status"], "4");
  GrpcCaller endless(world, doing("silent"));
  endless.send(message("question"));
  endless.half_close();
  world.sim.run_for(kCallPatience - base::seconds(5));
  EXPECT_FALSE(endless.done);
  world.sim.run_for(base::seconds(10));
  EXPECT_EQ(endless.head["grpc-status"], "4");
}

class Links final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address& to, io::SimRandom&) override {
    return to.port == 9000 ? to_backends : io::SimLinkPlan{};
  }
  io::SimLinkPlan to_backends;
};

TEST(Grpc, TheDeadlineBoundsEveryWait) {
  const auto call_it = [](GateWorld& world) {
    GrpcCaller call(world, {.headers = {{"grpc-timeout", "500m"}}});
    const base::Instant began = world.sim.clock.now();
    call.ask("question");
    EXPECT_EQ(call.head["grpc-status"], "4");
    EXPECT_LT(world.sim.clock.now() - began, base::seconds(1));
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "reason"), "http_response_timeout") << records[0];
  };
  {
    SCOPED_TRACE("a connection");
    Links links;
    links.to_backends.connect = io::SimLinkPlan::Connect::ignored;
    GateWorld world(1, &links);
    world.serve({{.path = "/a", .backends = {10, 11}}});
    call_it(world);
  }
  {
    SCOPED_TRACE("a name");
    World world([](Service& s) { s.endpoints = nullptr; });
    call_it(world);
  }
  {
    SCOPED_TRACE("over before it began");
    World world;
    GrpcCaller call(world, {.headers = {{"grpc-timeout", "0n"}}});
    call.ask("question");
    EXPECT_EQ(call.head["grpc-status"], "4");
    EXPECT_TRUE(world.backend.calls.empty());
  }
}

TEST(Grpc, ATimeoutThatIsNoneIsNotPassedOn) {
  using Headers = std::vector<std::pair<std::string, std::string>>;
  for (const Headers& headers : {Headers{{"grpc-timeout", "soon"}}, Headers{{"grpc-timeout", "123456789m"}},
                                 Headers{{"grpc-timeout", "1m"}, {"Grpc-Timeout", "1m"}}}) {
    World world;
    GrpcCaller call(world, {.headers = headers});
    call.ask("question");
    EXPECT_TRUE(has(call.trailers, "grpc-status: 0")) << call.head["grpc-status"];
    EXPECT_EQ(world.backend.calls.at(0).headers.count("grpc-timeout"), 0u);
  }
}

TEST(Grpc, ACancelledCallIsCancelledAtTheBackend) {
  World world;
  GrpcCaller call(world, doing("talk"));
  call.send(message("hello"));
  ASSERT_TRUE(world.sim.run_until([&] { return !call.body.empty(); }));
  call.cancel();
  world.sim.run_for(base::seconds(1));
  EXPECT_TRUE(world.backend.calls.at(0).cancelled);
  const std::string record = world.only_record();
  EXPECT_EQ(field(record, "reason"), "client_disconnected") << record;
  EXPECT_EQ(field(record, "grpc_status"), "CANCELLED") << record;
}

// However it goes on: nobody waits for an end that cannot come.
TEST(Grpc, ABodyBeyondTheLimitEndsTheCall) {
  for (const char* what : {"", "talk"}) {
    SCOPED_TRACE(what);
    World world([](Service& s) { s.body_bytes_max = 20; });
    GrpcCaller call(world, doing(what));
    call.send(message("ten bytes."));
    world.sim.run_for(base::seconds(1));
    call.send(message("ten bytes."));
    ASSERT_TRUE(call.wait_for_end(base::seconds(10)));
    if (*what == '\0') {
      // The backend's head was on its way before the first message.
      EXPECT_TRUE(call.head["grpc-status"] == "8" || has(call.trailers, "grpc-status: 8\r\n"));
    } else {
      EXPECT_EQ(call.body, message("ten bytes."));
      EXPECT_TRUE(has(call.trailers, "grpc-status: 8\r\n")) << call.trailers;
    }
    const std::string record = world.only_record();
    EXPECT_EQ(field(record, "reason"), "request_body_too_large") << record;
    EXPECT_EQ(field(record, "grpc_status"), "RESOURCE_EXHAUSTED") << record;
  }
}

TEST(Grpc, AStatusBeforeTheRequestsEndEndsTheCall) {
  World world;
  GrpcCaller call(world, doing("early"));
  call.send(message("more will follow"));
  ASSERT_TRUE(call.wait_for_end(base::seconds(1)));
  EXPECT_TRUE(has(call.trailers, "grpc-status: 0")) << call.trailers;
  EXPECT_EQ(field(world.only_record(), "reason"), "");
}

// Otherwise any edit of an answer's head would lose the status.
TEST(Grpc, TrailersArePassedWithoutWhatTheServiceEdits) {
  World world([](Service& s) {
    s.response_headers.remove.push_back({.name = "X-Edited", .value = ""});
    s.response_headers.set.push_back({.name = "X-From", .value = "gate"});
  });
  GrpcCaller call(world, {});
  call.ask("question");
  EXPECT_EQ(call.head["x-from"], "gate");
  EXPECT_EQ(call.trailers, "grpc-status: 0\r\ngrpc-message: fine\r\n");
}

// --- gRPC-Web
// ------------------------------------------------------------------------------------------------

std::string text_of(std::string_view bytes) {
  std::string out(base::base64_length(bytes.size()), '\0');
  base::encode_base64(bytes, out.data());
  return out;
}

// Pieces that are padded each may stand behind each other.
std::string bytes_of(std::string_view text) {
  std::string out(text.size(), '\0');
  base::Base64Decoder decoder;
  const auto step = decoder.decode(text, out);
  EXPECT_TRUE(step && step->consumed == text.size() && decoder.complete()) << text;
  out.resize(step ? step->written : 0);
  return out;
}

std::string trailers_frame(std::string_view lines) {
  std::string frame = message(lines);
  frame[0] = '\x80';
  return frame;
}

struct WebCase {
  const char* type;
  const char* what;
  std::string body;    // with the trailers' frame; empty: the status stands in the head
  const char* status;  // in the head
};

TEST(GrpcWeb, IsTranslatedBothWays) {
  const std::string all =
      message("question") + trailers_frame("grpc-status: 0\r\ngrpc-message: fine\r\nx-edited: trailer\r\n");
  const WebCase cases[] = {
      {"application/grpc-web", "", all, ""},      {"application/grpc-web+proto", "", all, ""},
      {"application/grpc-web-text", "", all, ""}, {"application/grpc-web-text+proto", "talk", all, ""},
      {"application/grpc-web", "fail", "", "5"},  {"application/grpc-web-text", "fail", "", "5"}};
  for (const WebCase& c : cases) {
    SCOPED_TRACE(c.type);
    const bool text = has(c.type, "text");
    for (const bool over_http2 : {true, false}) {
      World world;
      const std::string body = text ? text_of(message("question")) : message("question");
      std::string got, type, status;
      if (over_http2) {
        GrpcCaller call(world, {.type = c.type, .headers = {{"x-do", c.what}, {"x-grpc-web", "1"}}});
        call.send(body);
        call.half_close();
        ASSERT_TRUE(call.wait_for_end());
        EXPECT_EQ(call.failed + call.trailers, "");
        got = call.body;
        type = call.head["content-type"];
        status = call.head["grpc-status"];
      } else {
        std::string answer =
            world.ask("POST /a/open HTTP/1.0\r\nHost: a\r\nX-Grpc-Web: 1\r\nX-Do: " + std::string(c.what) +
                      "\r\nContent-Type: " + c.type + "\r\nContent-Length: " + std::to_string(body.size()) +
                      "\r\n\r\n" + body);
        const size_t end = answer.find("\r\n\r\n");
        got = answer.substr(end + 4);
        for (const auto& [name, into] : {std::pair{"content-type: ", &type}, {"grpc-status: ", &status}}) {
          const size_t at = answer.find(name);
          if (at < end) *into = answer.substr(at + strlen(name), answer.find('\r', at) - at - strlen(name));
        }
      }
      if (text) {
        got = bytes_of(got);
      }
      EXPECT_EQ(got, c.body);
      EXPECT_EQ(status, c.status);
      // In the format the backend says.
      EXPECT_EQ(type, text ? "application/grpc-web-text+proto" : "application/grpc-web+proto");
      SeenCall& seen = world.backend.calls.at(0);
      EXPECT_TRUE(seen.headers["content-type"] == "application/grpc" ||
                  seen.headers["content-type"] == "application/grpc+proto")
          << seen.headers["content-type"];
      EXPECT_EQ(seen.headers["te"], "trailers");
      EXPECT_EQ(seen.headers.count("x-grpc-web"), 0u);
      EXPECT_EQ(seen.headers.count("content-length"), 0u);
      if (*c.status == '\0') EXPECT_EQ(seen.body, message("question"));
      EXPECT_EQ(field(world.only_record(), "grpc_status"), *c.status == '\0' ? "OK" : "NOT_FOUND");
    }
  }
}

TEST(GrpcWeb, AFailureWithinTheAnswerIsItsLastFrame) {
  World world;
  CallSetup setup = doing("stall", {{"grpc-timeout", "1S"}});
  setup.type = "application/grpc-web";
  GrpcCaller call(world, setup);
  call.ask("question");
  EXPECT_EQ(call.failed, "");
  EXPECT_TRUE(call.body.starts_with(message("first") + '\x80')) << call.body;
  EXPECT_TRUE(has(call.body, "grpc-status: 4\r\n")) << call.body;

  // Within a message nothing can be said any more.
  setup = doing("within", {{"grpc-timeout", "1S"}});
  setup.type = "application/grpc-web";
  GrpcCaller cut(world, setup);
  cut.ask("question");
  EXPECT_EQ(cut.failed, "http_response_incomplete");
}

TEST(GrpcWeb, TheClientMayAskForText) {
  World world;
  GrpcCaller call(world,
                  {.type = "application/grpc-web", .headers = {{"accept", "application/grpc-web-text"}}});
  call.ask("question");
  EXPECT_EQ(call.head["content-type"], "application/grpc-web-text+proto");
  EXPECT_TRUE(call.body.starts_with("AAAAAAhxdWVzdGlvb"));
}

TEST(GrpcWeb, ABodyThatIsNoBase64IsRefused) {
  World world;
  GrpcCaller call(world, {.type = "application/grpc-web-text"});
  call.send("???");
  call.half_close();
  ASSERT_TRUE(call.wait_for_end());
  EXPECT_EQ(field(world.only_record(), "reason"), "http_request_error");
}

TEST(GrpcWeb, ABackendOverHttp1TakesItAsItIs) {
  GateWorld world;
  auto wire = std::make_shared<backends::Wire>();
  wire->protocol = backends::Protocol::http1;
  world.serve({{.path = "/a", .adjust = [&](Service& s) {
                  auto endpoints = std::make_shared<backends::EndpointList>(*s.endpoints);
                  for (backends::Endpoint& endpoint : *endpoints) endpoint.wire = wire;
                  s.endpoints = endpoints;
                }}});
  const std::string body = text_of(message("question"));
  world.ask(
      "POST /a/open HTTP/1.1\r\nHost: a\r\nX-Grpc-Web: 1\r\nContent-Type: application/grpc-web-text\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_EQ(world.seen.size(), 1u);
  EXPECT_TRUE(has(world.seen[0].head, "application/grpc-web-text\r\n")) << world.seen[0].head;
  EXPECT_TRUE(has(world.seen[0].head, "X-Grpc-Web: 1\r\n"));
  EXPECT_EQ(world.seen[0].body, body);
}

// --- What is counted
// -----------------------------------------------------------------------------------------

TEST(Grpc, CallsAreCountedByMethodAndStatus) {
  World world([](Service& s) { s.strip_prefix = "/a"; });
  std::map<std::string, uint64_t> counted;
  GrpcCaller denied(world, {.path = "/a/other/Method"});
  denied.ask("question");
  GrpcCaller unknown(world, {.path = "/a/open/Made.Up", .headers = {{"x-do", "unknown"}}});
  unknown.ask("question");
  for (const char* what : {"", "", "fail"}) {
    GrpcCaller call(world, {.path = "/a/open/Method", .headers = {{"x-do", what}}});
    call.ask("question");
  }
  world.worker->metrics().grpc_series().for_each(
      [&](const telemetry::GrpcSeries::Method& method, const telemetry::GrpcSeries::Counts& counts) {
        for (size_t i = 0; i < counts.size(); ++i) {
          if (counts[i] > 0) counted[std::string(method.name) + " " + std::to_string(i)] = counts[i];
        }
      });
  EXPECT_EQ(counted, (std::map<std::string, uint64_t>{
                         {"_other 7", 1}, {"_other 12", 1}, {"open/Method 0", 2}, {"open/Method 5", 1}}));
}

}  // namespace
}  // namespace gate::test
