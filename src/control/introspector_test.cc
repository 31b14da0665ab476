// One question to an issuer for a token, however many wait, and what is kept of the answer.
#include "control/introspector.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "control/test_fetcher.h"
#include "io/sim.h"

namespace control {
namespace {

using base::Reason;
using testing::answered;
using testing::unanswered;

constexpr std::string_view kActive = R"({"active":true,"aud":"orders","sub":"alice"})";

std::shared_ptr<const auth::Providers> providers(base::Duration cache = base::seconds(30),
                                                 std::string audience = "orders") {
  auth::ProviderSpec spec;
  spec.name = "legacy";
  spec.introspection = auth::IntrospectionSpec{};
  spec.introspection->url = "https://id.example/introspect";
  spec.introspection->audience = {std::move(audience)};
  spec.introspection->cache = cache;
  std::vector<auth::ProviderSpec> specs;
  specs.push_back(std::move(spec));
  return *auth::compile_providers(specs, nullptr);
}

struct World {
  World() {
    introspector.apply(providers());
    fetcher.answer = [](const FetchRequest&) { return answered(200, std::string(kActive)); };
  }
  size_t start(std::string token) {
    answers.emplace_back();
    scope.spawn(ask(answers.size() - 1, std::move(token)));
    return answers.size() - 1;
  }
  io::Task<> ask(size_t number, std::string token) {
    gate::Answer answer = co_await introspector.ask({.provider = "legacy", .token = std::move(token)});
    answers[number] = std::move(answer);
  }
  gate::Answer wait(std::string token) {
    size_t number = start(std::move(token));
    run();
    EXPECT_TRUE(answers[number]);
    return answers[number].value_or(gate::Answer{});
  }
  void run(base::Duration time = base::milliseconds(1)) { sim.run_for(time); }
  std::string outcome(const gate::Answer& answer) {
    return answer.outcome ? answer.identity->subject
                          : std::string(base::reason_name(answer.outcome.error().reason));
  }

  io::SimWorld sim{1};
  testing::ScriptedFetcher fetcher{sim.loop};
  TokenEndpoint endpoint{fetcher};
  Introspector introspector{sim.loop, endpoint};
  std::deque<std::optional<gate::Answer>> answers;
  io::Scope scope;
};

TEST(Introspector, AThousandQuestionsAreOne) {
  World world;
  world.fetcher.hold();
  for (int i = 0; i < 1000; ++i) world.start("token");
  world.run();
  EXPECT_EQ(world.fetcher.asked.size(), 1u);
  for (const auto& answer : world.answers) EXPECT_FALSE(answer);
  world.fetcher.release();
  world.run();
  for (const auto& answer : world.answers) {
    ASSERT_TRUE(answer);
    EXPECT_EQ(world.outcome(*answer), "alice");
    EXPECT_EQ(answer->identity, world.answers.front()->identity);
  }
  EXPECT_EQ(world.fetcher.asked.size(), 1u);
}

TEST(Introspector, AnAnswerIsSharedForAMomentWhateverItIs) {
  for (bool active : {true, false}) {
    World world;
    if (!active)
      world.fetcher.answer = [](const FetchRequest&) { return answered(200, R"({"active":false})"); };
    const std::string expected = active ? "alice" : "credential_invalid";
    EXPECT_EQ(world.outcome(world.wait("token")), expected);
    EXPECT_EQ(world.outcome(world.wait("token")), expected);
    EXPECT_EQ(world.fetcher.asked.size(), 1u);
    EXPECT_EQ(world.outcome(world.wait("other")), expected);
    EXPECT_EQ(world.fetcher.asked.size(), 2u);
    world.run(Introspector::kAnswerShared);
    EXPECT_EQ(world.outcome(world.wait("token")), expected);
    EXPECT_EQ(world.fetcher.asked.size(), 3u);
  }
}

TEST(Introspector, NothingIsKeptOfAnswersThatMayNotBe) {
  World world;
  world.introspector.apply(providers(base::seconds(0)));
  EXPECT_EQ(world.outcome(world.wait("token")), "alice");
  EXPECT_EQ(world.outcome(world.wait("token")), "alice");
  EXPECT_EQ(world.fetcher.asked.size(), 2u);
  // Not beyond the token's own end either.
  World other;
  int64_t end = other.sim.loop.clock().wall_now().unix_seconds() + 2;
  other.fetcher.answer = [&](const FetchRequest&) {
    return answered(200, R"({"active":true,"aud":"orders","sub":"alice","exp":)" + std::to_string(end) + "}");
  };
  EXPECT_EQ(other.wait("token").until.unix_seconds(), end);
  other.run(base::seconds(2));
  other.fetcher.answer = [](const FetchRequest&) { return answered(200, R"({"active":false})"); };
  EXPECT_EQ(other.outcome(other.wait("token")), "credential_invalid");
  EXPECT_EQ(other.fetcher.asked.size(), 2u);
}

TEST(Introspector, AnEndpointThatFailedIsLeftAloneForAMoment) {
  for (const FetchResult& failure :
       {unanswered(), answered(500, ""), answered(200, "<html>"), answered(401, "{}")}) {
    World world;
    world.fetcher.answer = [&](const FetchRequest&) { return failure; };
    EXPECT_EQ(world.outcome(world.wait("token")), "introspection_unavailable");
    EXPECT_EQ(world.fetcher.asked.size(), 1u);
    // Nobody waits for it now, whatever the token.
    EXPECT_EQ(world.outcome(world.wait("token")), "introspection_unavailable");
    EXPECT_EQ(world.outcome(world.wait("other")), "introspection_unavailable");
    EXPECT_EQ(world.fetcher.asked.size(), 1u);
    // And the failure itself is not kept.
    world.fetcher.answer = [](const FetchRequest&) { return answered(200, std::string(kActive)); };
    world.run(Introspector::kFailurePause);
    EXPECT_EQ(world.outcome(world.wait("token")), "alice");
    EXPECT_EQ(world.fetcher.asked.size(), 2u);
  }
}

// A client with a token whose answer cannot be used must not lock out the others.
TEST(Introspector, ATokenThatIsRefusedPausesNobody) {
  World world;
  world.fetcher.answer = [](const FetchRequest& asked) {
    bool odd = asked.body.find("odd") != asked.body.npos;
    return answered(200,
                    odd ? R"({"active":true,"aud":"orders","sub":7,"exp":"never"})" : std::string(kActive));
  };
  EXPECT_EQ(world.outcome(world.wait("odd")), "credential_invalid");
  EXPECT_EQ(world.outcome(world.wait("token")), "alice");
}

TEST(Introspector, TokensCanBeMadeUpAtWillAndThatManyAreAskedAbout) {
  World world;
  world.fetcher.hold();
  for (size_t i = 0; i <= Introspector::kUnderWayMax; ++i) world.start("token " + std::to_string(i));
  world.run();
  EXPECT_EQ(world.fetcher.asked.size(), Introspector::kUnderWayMax);
  ASSERT_TRUE(world.answers.back());
  EXPECT_EQ(world.outcome(*world.answers.back()), "introspection_unavailable");
  world.fetcher.release();
  world.run();
  for (size_t i = 0; i < Introspector::kUnderWayMax; ++i) ASSERT_TRUE(world.answers[i]);
  EXPECT_EQ(world.outcome(world.wait("token again")), "alice");
}

TEST(Introspector, AChangedProviderIsAskedAnew) {
  World world;
  EXPECT_EQ(world.outcome(world.wait("token")), "alice");
  world.introspector.apply(providers(base::seconds(30), "billing"));
  EXPECT_EQ(world.outcome(world.wait("token")), "credential_invalid");
  EXPECT_EQ(world.fetcher.asked.size(), 2u);
  world.introspector.apply(*auth::compile_providers({}, nullptr));
  EXPECT_EQ(world.outcome(world.wait("token")), "credential_invalid");
  EXPECT_EQ(world.fetcher.asked.size(), 2u);
}

// Whoever asked first may be gone before the answer comes.
TEST(Introspector, NobodyWaitsForOneWhoHasGone) {
  World world;
  world.fetcher.hold();
  {
    io::Scope first;
    world.answers.emplace_back();
    first.spawn(world.ask(0, "token"));
    world.run();
  }
  size_t second = world.start("token");
  world.run();
  world.fetcher.release();
  world.run();
  ASSERT_TRUE(world.answers[second]);
  EXPECT_EQ(world.outcome(*world.answers[second]), "alice");
}

TEST(Introspector, GoesWhileItsQuestionsAreUnderWay) {
  World world;
  world.fetcher.hold();
  for (int i = 0; i < 3; ++i) world.start("token");
  world.start("other");
  world.run();
}

}  // namespace
}  // namespace control
