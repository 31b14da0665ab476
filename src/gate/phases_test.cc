// Which phase an exchange's time counts under, in a world whose clock moves only where the test says so.
#include "gate/test_world.h"

namespace gate::test {
namespace {

std::string request(std::string_view line, std::string_view more = "") {
  return std::string(line) + " HTTP/1.1\r\nHost: api.example.com\r\n" + std::string(more) + "\r\n";
}

TEST(Phases, SigningTheAssertionIsNoPartOfAuthorising) {
  GateWorld world;
  world.random.before_fill = [&] { world.sim.clock.advance_to(world.sim.clock.now() + base::seconds(1)); };
  world.ask(request("GET /a/secret", "X-Api-Key: " + world.key + "\r\n"));
  world.ask(request("GET /a/secret", "X-Api-Key: " + world.key + "\r\n"));
  auto records = world.records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(field(records[0], "authorise"), "0") << records[0];
  EXPECT_GE(std::stod(field(records[0], "connect")), 1000) << records[0];
  EXPECT_LT(std::stod(field(records[0], "connect_ms")), 1) << records[0];
  // The second finds the assertion made, and the connection too.
  EXPECT_EQ(field(records[1], "connect"), "0") << records[1];
}

TEST(Phases, ARefusalNamesTheStageItEndedIn) {
  GateWorld world;
  world.serve({{.path = "/a", .adjust = [](Service& s) { s.body_bytes_max = 1; }}});
  struct {
    std::string request;
    const char* phase;
  } cases[] = {{request("GET /b"), "route"},
               {request("GET /a/open", "X-Api-Key: wrong\r\n"), "authenticate"},
               {request("GET /a/other"), "authorise"},
               {request("POST /a/open", "Content-Length: 2\r\n"), "limit"}};
  for (const auto& c : cases) {
    world.ask(c.request);
    auto records = world.records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(field(records[0], "phase"), c.phase) << records[0];
  }
}

}  // namespace
}  // namespace gate::test
