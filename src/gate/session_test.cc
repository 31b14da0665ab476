// People's sessions in the simulated world: what each kind of cookie comes to, what goes to the browser and
// what does not go to the backend, logging in and out. The control thread's part is played by the tests.
#include <gtest/gtest.h>

#include "access/test_tokens.h"
#include "gate/test_world.h"
#include "http/query.h"

namespace gate::test {
namespace {

constexpr base::WallTime kForEver{INT64_MAX};

std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) + "\r\n";
}
std::string navigate(std::string_view path, std::string_view more = "") {
  return get(path, "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n" +
                       std::string(more));
}
std::string post(std::string_view path, std::string_view body, std::string_view more = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " +
         "application/x-www-form-urlencoded\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}
int status_of(const std::string& answer) { return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3)); }
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }
std::string header_of(const std::string& answer, std::string_view name) {
  std::string begin = "\r\n" + std::string(name) + ": ";
  size_t at = answer.find(begin);
  if (at == answer.npos) return {};
  at += begin.size();
  return answer.substr(at, answer.find("\r\n", at) - at);
}

class PeopleWorld : public GateWorld {
 public:
  PeopleWorld() {
    sealer = std::make_shared<const auth::Sealer>(
        std::vector{crypto::derive_aead_key("a secret of the test's own", "sessions")});
    serve_people();
    worker->sessions().set_revoked(Sessions::Revoked::known);
    worker->put_issuer("staff", std::make_shared<const auth::IssuerMetadata>(auth::IssuerMetadata{
                                    .issuer = "https://id.example",
                                    .authorization_endpoint = "https://id.example/authorize",
                                    .token_endpoint = "https://id.example/token",
                                    .jwks_uri = "https://id.example/jwks"}));
    control.on_question = [this](SilentControl::Asked& asked) {
      if (answers) worker->answer(asked.number, answers(asked.question));
    };
  }
  void serve_people(std::function<void(Service&)> adjust = {}) {
    serve({{.path = "/a", .adjust = [adjust](Service& service) {
              service.login_providers = {"staff"};
              if (adjust) adjust(service);
            }}});
  }
  base::WallTime now() { return worker->wall_at(sim.loop.now()); }
  base::WallTime in(base::Duration duration) { return {now().ns + duration.ns}; }

  auth::Session session() {
    auth::Session session;
    session.id = auth::make_session_id(random);
    session.provider = "staff";
    session.host = "localhost";
    session.registration = worker->snapshot()->providers->find("staff")->oidc->registration;
    session.signed_in = session.seen = session.tokens_from = now();
    session.tokens_until = in(base::seconds(600));
    session.ends = in(base::seconds(3600));
    session.claims = R"({"sub":"alice","groups":["support"],"email":"alice@example.com","sid":"s1"})";
    return session;
  }
  std::string cookie(const auth::Session& session) {
    return "Cookie: __Host-gatehouse.session.staff=" + auth::seal_session(session, *sealer, random) + "\r\n";
  }
  // The one record since the last call.
  std::string record() {
    auto all = records();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? std::string() : all.back();
  }

  std::function<Answer(Question&)> answers;
};

TEST(Session, LetsItsOwnerInAndStaysHere) {
  PeopleWorld world;
  std::string answer = world.ask(get("/a/people", "Cookie: theme=dark\r\n" + world.cookie(world.session())));
  EXPECT_EQ(status_of(answer), 200) << answer;
  std::string record = world.record();
  EXPECT_EQ(field(record, "subject"), "alice") << record;
  EXPECT_EQ(field(record, "provider"), "staff") << record;
  ASSERT_EQ(world.seen.size(), 1u);
  EXPECT_FALSE(has(world.seen[0].head, "gatehouse.session")) << world.seen[0].head;
  EXPECT_TRUE(has(world.seen[0].head, "theme=dark")) << world.seen[0].head;
  EXPECT_TRUE(has(world.seen[0].head, "Gatehouse-Identity: ")) << world.seen[0].head;
  // Once more, out of the worker's cache.
  uint64_t hits = world.worker->metrics().value(telemetry::Counter::token_cache_hits);
  std::string same = world.cookie(world.session());
  world.ask(get("/a/people", same));
  world.ask(get("/a/people", same));
  EXPECT_EQ(world.worker->metrics().value(telemetry::Counter::token_cache_hits), hits + 1);
}

TEST(Session, WhatCountsForNothing) {
  PeopleWorld world;
  auto of = [&](auto change) {
    auth::Session session = world.session();
    change(session);
    return world.cookie(session);
  };
  std::string good = world.cookie(world.session());
  std::string tampered = good;
  tampered[60] = tampered[60] == 'A' ? 'B' : 'A';
  auth::Session foreign_provider = world.session();
  foreign_provider.provider = "others";
  struct Case {
    const char* name;
    std::string cookie;
    const char* reason;
  } cases[] = {
      {"none", "", "credential_missing"},
      {"tampered with", tampered, "session_invalid"},
      {"cut", good.substr(0, good.size() - 10) + "\r\n", "session_invalid"},
      {"of another host", of([](auth::Session& s) { s.host = "other.example"; }), "session_invalid"},
      {"of a login with another issuer", of([](auth::Session& s) { s.registration = "another"; }),
       "session_invalid"},
      {"of another provider", world.cookie(foreign_provider), "session_invalid"},
      {"twice", good + good, "session_invalid"},
      {"over", of([&](auth::Session& s) { s.ends = world.in(base::seconds(-1)); }), "session_ended"},
      {"idle for too long", of([&](auth::Session& s) { s.seen = world.in(base::seconds(-3700)); }),
       "session_ended"},
      {"tokens ended", of([&](auth::Session& s) { s.tokens_until = world.in(base::seconds(-1)); }),
       "session_ended"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string answer = world.ask(get("/a/people", c.cookie));
    EXPECT_EQ(status_of(answer), 401) << answer;
    EXPECT_EQ(field(world.record(), "reason"), c.reason);
    bool removed = has(answer, "Set-Cookie: __Host-gatehouse.session.staff=; ");
    EXPECT_EQ(removed, std::string_view(c.reason) != "credential_missing") << answer;
    // What is anybody's stays so.
    EXPECT_EQ(status_of(world.ask(get("/a/open", c.cookie))), 200);
    EXPECT_EQ(field(world.record(), "subject"), "");
  }
  EXPECT_EQ(world.seen.size(), std::size(cases));
}

TEST(Session, ACookieIsNoBearerToken) {
  PeopleWorld world;
  std::string cookie = world.cookie(world.session());
  EXPECT_EQ(status_of(world.ask(get("/a/people", cookie))), 200);
  std::string value = cookie.substr(cookie.find('=') + 1);
  EXPECT_EQ(status_of(world.ask(get("/a/people", "Authorization: Bearer " + value))), 401);
}

TEST(Session, EndsWhenItIsRevoked) {
  PeopleWorld world;
  auth::Session session = world.session();
  std::string cookie = world.cookie(session);
  EXPECT_EQ(status_of(world.ask(get("/a/people", cookie))), 200);
  world.record();
  world.worker->revoke({.by = auth::RevokedBy::session,
                        .provider = "staff",
                        .name = session.id,
                        .before = kForEver,
                        .until = session.ends});
  EXPECT_EQ(status_of(world.ask(get("/a/people", cookie))), 401);
  EXPECT_EQ(field(world.record(), "reason"), "session_ended");
  EXPECT_EQ(status_of(world.ask(get("/a/people", world.cookie(world.session())))), 200);
}

// What strangers do, and how often files change, is nothing to an open connection.
TEST(Session, OpenConnectionsOfSeveralPeopleStayTheirOwn) {
  PeopleWorld world;
  auth::Session alices = world.session();
  auth::Session bobs = world.session();
  bobs.claims = R"({"sub":"bob","groups":["support"]})";
  bobs.provider_session = "s2";
  auto open = [&](Client& client, const auth::Session& session) {
    client.send(get("/a/people",
                    "X-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n" + world.cookie(session)));
    ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "ready "); }));
  };
  Client alice(world.sim);
  Client bob(world.sim);
  open(alice, alices);
  open(bob, bobs);
  for (int i = 0; i < 500; ++i) {
    world.serve_people();
    world.sim.run_for(base::milliseconds(10));
  }
  ASSERT_FALSE(alice.ended());
  ASSERT_FALSE(bob.ended());
  world.worker->revoke({.by = auth::RevokedBy::session,
                        .provider = "staff",
                        .name = bobs.id,
                        .before = kForEver,
                        .until = bobs.ends});
  world.sim.run_for(base::seconds(1));
  EXPECT_TRUE(bob.ended());
  EXPECT_FALSE(alice.ended());
}

TEST(Session, OpenConnectionsOutliveStrangersSigningOut) {
  PeopleWorld world;
  auth::Session session = world.session();
  Client client(world.sim);
  client.send(
      get("/a/people", "X-Do: switch\r\nConnection: upgrade\r\nUpgrade: shout\r\n" + world.cookie(session)));
  ASSERT_TRUE(world.sim.run_until([&] { return has(client.received, "ready "); }));
  world.sim.run_for(base::seconds(1200));  // the browser has had newer tokens since
  world.worker->revoke({.by = auth::RevokedBy::subject,
                        .provider = "staff",
                        .name = "mallory",
                        .before = kForEver,
                        .until = session.ends});
  world.sim.run_for(base::seconds(1));
  EXPECT_FALSE(client.ended());
}

TEST(Session, CountsOnlyWhenItIsKnownWhichOnesHaveEnded) {
  PeopleWorld world;
  world.worker->sessions().set_revoked(Sessions::Revoked::unknown);
  std::string answer = world.ask(get("/a/people", world.cookie(world.session())));
  EXPECT_EQ(status_of(answer), 503) << answer;
  EXPECT_EQ(header_of(answer, "Set-Cookie"), "");
  EXPECT_EQ(field(world.record(), "reason"), "session_store_unavailable");
}

TEST(Session, ForgedRequestsAreRefused) {
  PeopleWorld world;
  world.serve_people(
      [](Service& s) { s.csrf.origins.push_back(*websocket::OriginPattern::parse("https://app.example")); });
  std::string cookie = world.cookie(world.session());
  struct Case {
    const char* headers;
    int status;
  } cases[] = {
      {"", 403},
      {"Sec-Fetch-Site: same-origin\r\n", 200},
      {"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n", 403},
      {"Sec-Fetch-Site: same-site\r\nOrigin: http://other.localhost\r\n", 403},
      {"Origin: null\r\n", 403},
      {"Origin: http://localhost\r\n", 200},
      {"Origin: https://app.example\r\nSec-Fetch-Site: cross-site\r\n", 200},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.headers);
    std::string answer = world.ask(post("/a/people", "", cookie + c.headers));
    EXPECT_EQ(status_of(answer), c.status) << answer;
    if (c.status == 403) EXPECT_EQ(field(world.record(), "reason"), "cross_site_refused");
    if (c.status == 200) world.record();
  }
  EXPECT_EQ(status_of(world.ask(get("/a/people", cookie + "Sec-Fetch-Site: cross-site\r\n"))), 200);
}

TEST(Session, IsSealedAnewNowAndThenButNotIntoSharedCaches) {
  PeopleWorld world;
  auth::Session session = world.session();
  session.seen = world.in(base::seconds(-600));
  std::string answer = world.ask(get("/a/people", world.cookie(session)));
  std::string set = header_of(answer, "Set-Cookie");
  ASSERT_TRUE(set.starts_with("__Host-gatehouse.session.staff=")) << answer;
  for (const char* part : {"; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age="}) {
    EXPECT_TRUE(has(set, part)) << set;
  }
  EXPECT_EQ(header_of(answer, "Cache-Control"), "private");
  std::string value = set.substr(set.find('=') + 1, set.find(';') - set.find('=') - 1);
  std::string again = world.ask(get("/a/people", "Cookie: __Host-gatehouse.session.staff=" + value + "\r\n"));
  EXPECT_EQ(status_of(again), 200);
  EXPECT_EQ(header_of(again, "Set-Cookie"), "");
}

TEST(Session, ItsCookieGoesWithNoAnswerThatIsKeptForEverybody) {
  struct Case {
    const char* cache_control;  // as the service's `headers` set it
    bool sent;
    bool made_private;
  } cases[] = {
      {"private", true, false},
      {"no-store", true, false},
      {"no-cache", true, true},  // kept, if only asked about again
      {"no-cache, public", false, false},
      {"max-age=60", false, false},
      {"public, max-age=60", false, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.cache_control);
    PeopleWorld world;
    world.serve_people([&](Service& service) {
      service.response_headers.set.push_back(
          {.name = "Cache-Control", .value = c.cache_control, .id = http::HeaderId::cache_control});
    });
    auth::Session session = world.session();
    session.seen = world.in(base::seconds(-600));
    std::string answer = world.ask(get("/a/people", world.cookie(session)));
    EXPECT_EQ(status_of(answer), 200) << answer;
    EXPECT_EQ(has(answer, "Set-Cookie: "), c.sent) << answer;
    EXPECT_EQ(has(answer, "\r\nCache-Control: private\r\n"),
              c.made_private || std::string_view(c.cache_control) == "private")
        << answer;
  }
}

TEST(Session, BackendsSetNoneOfOurCookies) {
  PeopleWorld world;
  std::string answer = world.ask(get("/a/open", "X-Do: hints\r\n"));
  EXPECT_TRUE(has(answer, "103 Early Hints")) << answer;
  EXPECT_FALSE(has(answer, "Set-Cookie")) << answer;
}

TEST(Session, BackendsAreShownTheGatesTokenOrNone) {
  PeopleWorld world;
  std::string request = get("/a/open", "Authorization: Basic bWFkZTp1cA==\r\n");
  world.ask(request);
  world.serve_people([](Service& service) { service.token.kind = BackendToken::exchange; });
  EXPECT_EQ(status_of(world.ask(request)), 200);
  ASSERT_EQ(world.seen.size(), 2u);
  EXPECT_TRUE(has(world.seen[0].head, "Authorization: Basic")) << world.seen[0].head;
  EXPECT_FALSE(has(world.seen[1].head, "Authorization")) << world.seen[1].head;
}

TEST(Session, ACallsDeadlineIsItsOwnFailure) {
  PeopleWorld world;
  auth::Session session = world.session();
  session.renewal = auth::Renewal::possible;
  session.tokens_until = world.in(base::seconds(-5));
  std::string answer = world.ask(
      "POST /a/people HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\n"
      "grpc-timeout: 1S\r\nContent-Length: 0\r\n" +
      world.cookie(session) + "\r\n");
  EXPECT_TRUE(has(answer, "grpc-status: 4\r\n")) << answer;
  EXPECT_EQ(field(world.record(), "reason"), "http_response_timeout");
}

TEST(Session, IsRenewedAheadOnceAndEveryoneGetsTheNewCookie) {
  PeopleWorld world;
  auth::Session session = world.session();
  session.renewal = auth::Renewal::possible;
  session.tokens_from = world.in(base::seconds(-590));
  session.tokens_until = world.in(base::seconds(10));
  std::string cookie = world.cookie(session);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of(world.ask(get("/a/people", cookie))), 200);
  ASSERT_EQ(world.control.asked.size(), 1u);
  EXPECT_EQ(world.control.asked[0].number, kNobodyWaits);
  EXPECT_TRUE(std::holds_alternative<RenewSession>(world.control.asked[0].question));

  auth::Session next = session;
  ++next.version;
  next.tokens_from = world.now();
  next.tokens_until = world.in(base::seconds(600));
  std::string value = auth::seal_session(next, *world.sealer, world.random);
  world.worker->put_renewed_session({std::make_shared<const auth::Session>(next), value});
  std::string answer = world.ask(get("/a/people", cookie));
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_TRUE(has(header_of(answer, "Set-Cookie"), value)) << answer;
}

TEST(Session, WaitsForItsRenewalWhenItsTokensHaveEnded) {
  PeopleWorld world;
  auth::Session session = world.session();
  session.renewal = auth::Renewal::possible;
  session.tokens_until = world.in(base::seconds(-5));
  std::string cookie = world.cookie(session);
  world.answers = [&](Question& question) {
    EXPECT_TRUE(std::holds_alternative<RenewSession>(question));
    auto next = std::make_shared<auth::Session>(session);
    ++next->version;
    next->tokens_until = world.in(base::seconds(600));
    Answer answer;
    answer.text = auth::seal_session(*next, *world.sealer, world.random);
    answer.session = next;
    return answer;
  };
  std::string answer = world.ask(get("/a/people", cookie));
  EXPECT_EQ(status_of(answer), 200) << answer;
  EXPECT_TRUE(has(header_of(answer, "Set-Cookie"), "__Host-gatehouse.session.staff=")) << answer;
  world.record();

  world.answers = [](Question&) {
    Answer answer;
    answer.outcome =
        base::client_error(base::Reason::session_ended, "the identity provider did not renew it");
    return answer;
  };
  EXPECT_EQ(status_of(world.ask(get("/a/people", cookie))), 401);
  EXPECT_EQ(field(world.record(), "reason"), "session_ended");

  world.answers = {};  // nobody answers
  EXPECT_EQ(status_of(world.ask(get("/a/people", cookie))), 503);
  EXPECT_EQ(field(world.record(), "reason"), "identity_provider_unavailable");
  EXPECT_EQ(status_of(world.ask(get("/a/open", cookie))), 200);
}

TEST(Login, NavigationsAreSentToTheIssuerAndProgramsAreNot) {
  PeopleWorld world;
  std::string answer = world.ask(navigate("/a/people?page=2&x=%2F"));
  EXPECT_EQ(status_of(answer), 302) << answer;
  EXPECT_EQ(header_of(answer, "Cache-Control"), "no-store");
  std::string location = header_of(answer, "Location");
  EXPECT_TRUE(location.starts_with("https://id.example/authorize?")) << location;
  std::string query = location.substr(location.find('?') + 1);
  auto parameter = [&](std::string_view name) {
    return http::find_parameter(query, name)->value_or("(none)");
  };
  EXPECT_EQ(parameter("response_type"), "code");
  EXPECT_EQ(parameter("client_id"), "gate");
  EXPECT_EQ(parameter("redirect_uri"), "http://localhost/.well-known/gatehouse/callback/staff");
  EXPECT_EQ(parameter("code_challenge_method"), "S256");
  EXPECT_EQ(parameter("code_challenge").size(), 43u);
  EXPECT_EQ(parameter("state").size(), 43u);
  EXPECT_EQ(parameter("nonce").size(), 43u);
  EXPECT_TRUE(has(header_of(answer, "Set-Cookie"), auth::login_cookie_name(parameter("state")) + "="));
  EXPECT_EQ(field(world.record(), "reason"), "credential_missing");

  for (const std::string& request :
       {get("/a/people"), get("/a/people", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n"),
        get("/a/people", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"),
        post("/a/people", "", "Accept: text/html\r\n")}) {
    EXPECT_EQ(status_of(world.ask(request)), 401) << request;
  }
  // Where browsers keep no Secure cookies.
  for (std::string_view host : {"shop.example", "127.0.0.1.shop.example"}) {
    std::string plain = navigate("/a/people");
    plain.replace(plain.find("localhost"), 9, host);
    EXPECT_EQ(status_of(world.ask(plain)), 401) << host;
  }
  EXPECT_TRUE(world.seen.empty());
}

// What the browser has after being sent to log in: the state, and the cookie that goes with it.
struct Begun {
  std::string state;
  std::string cookie;
};
Begun begin(PeopleWorld& world, std::string_view path = "/a/people?page=2") {
  std::string answer = world.ask(navigate(path));
  world.record();
  std::string location = header_of(answer, "Location");
  std::string set = header_of(answer, "Set-Cookie");
  return {*http::find_parameter(location.substr(location.find('?') + 1), "state").value(),
          "Cookie: " + set.substr(0, set.find(';')) + "\r\n"};
}
std::string callback(const Begun& begun, std::string_view more = "&code=c0de") {
  return "/.well-known/gatehouse/callback/staff?state=" + begun.state + std::string(more);
}

TEST(Login, ComesBackToThePageAskedFor) {
  PeopleWorld world;
  Begun begun = begin(world);
  world.answers = [&](Question& question) {
    auto* login = std::get_if<CompleteLogin>(&question);
    EXPECT_NE(login, nullptr);
    EXPECT_EQ(login->answer.code, "c0de");
    EXPECT_EQ(login->redirect_uri, "http://localhost/.well-known/gatehouse/callback/staff");
    EXPECT_EQ(login->login.host, "localhost");
    Answer answer;
    auth::Session session = world.session();
    answer.text = auth::seal_session(session, *world.sealer, world.random);
    answer.session = std::make_shared<const auth::Session>(session);
    return answer;
  };
  std::string answer = world.ask(navigate(callback(begun), begun.cookie));
  EXPECT_EQ(status_of(answer), 303) << answer;
  EXPECT_EQ(header_of(answer, "Location"), "/a/people?page=2");
  EXPECT_TRUE(has(answer, "Set-Cookie: __Host-gatehouse.session.staff=")) << answer;
  EXPECT_TRUE(has(answer, "Set-Cookie: " + auth::login_cookie_name(begun.state) + "=; ")) << answer;
  EXPECT_EQ(field(world.record(), "reason"), "");
}

TEST(Login, AnswersToNoLoginOfThisBrowserAreRefused) {
  PeopleWorld world;
  Begun mine = begin(world);
  Begun other = begin(world);
  struct Case {
    const char* name;
    std::string path;
    std::string cookie;
    const char* reason;
    int status;
  } cases[] = {
      {"no cookie", callback(mine), "", "login_state_invalid", 400},
      {"another login's cookie", callback(mine), other.cookie, "login_state_invalid", 400},
      {"no state", "/.well-known/gatehouse/callback/staff?code=c", mine.cookie, "login_state_invalid", 400},
      {"state twice", callback(mine, "&state=x&code=c"), mine.cookie, "login_state_invalid", 400},
      {"neither code nor error", callback(mine, ""), mine.cookie, "login_state_invalid", 400},
      {"refused there", callback(mine, "&error=access_denied"), mine.cookie, "login_refused", 403},
      {"from another issuer", callback(mine, "&code=c&iss=https%3A%2F%2Fevil.example"), mine.cookie,
       "login_refused", 403},
      {"another provider", "/.well-known/gatehouse/callback/robots?state=" + mine.state + "&code=c",
       mine.cookie, "no_route", 404},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string answer = world.ask(get(c.path, c.cookie));
    EXPECT_EQ(status_of(answer), c.status) << answer;
    EXPECT_EQ(field(world.record(), "reason"), c.reason);
    EXPECT_FALSE(has(answer, "gatehouse.session.staff=")) << answer;
  }
  EXPECT_TRUE(world.control.asked.empty());
}

TEST(Login, AStrongerOneIsAskedForOnce) {
  PeopleWorld world;
  auth::Session session = world.session();
  std::string answer = world.ask(navigate("/a/strong", world.cookie(session)));
  EXPECT_EQ(status_of(answer), 302) << answer;
  std::string location = header_of(answer, "Location");
  std::string query = location.substr(location.find('?') + 1);
  EXPECT_EQ(http::find_parameter(query, "acr_values")->value_or(""), "urn:mfa") << location;
  EXPECT_EQ(http::find_parameter(query, "max_age")->value_or(""), "900") << location;
  EXPECT_EQ(field(world.record(), "reason"), "step_up_required");
  // Programs are told what to ask for.
  std::string challenge = header_of(world.ask(get("/a/strong", world.cookie(session))), "WWW-Authenticate");
  EXPECT_TRUE(has(challenge, "error=\"insufficient_user_authentication\"")) << challenge;
  EXPECT_TRUE(has(challenge, "acr_values=\"urn:mfa\"")) << challenge;
  world.record();
  // Who has just logged in for it, in vain, is not sent round again.
  session.asked = auth::StepUp{.acr_values = "urn:mfa", .max_age = base::seconds(900)}.text();
  EXPECT_EQ(status_of(world.ask(navigate("/a/strong", world.cookie(session)))), 401);
  session.claims = R"({"sub":"alice","acr":"urn:mfa","auth_time":)" +
                   std::to_string(world.now().unix_seconds() - 100) + "}";
  EXPECT_EQ(status_of(world.ask(navigate("/a/strong", world.cookie(session)))), 200);
}

TEST(Login, ReturnsOnlyToPathsOfThisHost) {
  PeopleWorld world;
  for (std::string_view to : {"https://evil.example/", "//evil.example/", "/\\evil.example", "evil", "/%09/x",
                              "/.well-known/gatehouse/login"}) {
    std::string path = "/.well-known/gatehouse/login?";
    http::append_form(path, "to", to);
    EXPECT_EQ(status_of(world.ask(navigate(path))), 400) << to;
    EXPECT_EQ(field(world.record(), "reason"), "return_refused");
  }
  EXPECT_EQ(status_of(world.ask(navigate("/.well-known/gatehouse/login?to=%2Fa%2Fpeople"))), 302);
  EXPECT_EQ(status_of(world.ask(navigate("/.well-known/gatehouse/login?to=/&provider=nobody"))), 404);
}

TEST(Login, TooManyAtOnceMakeRoom) {
  PeopleWorld world;
  std::string cookies;
  for (size_t i = 0; i < auth::kLoginsMax; ++i) {
    Begun begun = begin(world);
    cookies += (cookies.empty() ? "" : "; ") + begun.cookie.substr(8, begun.cookie.size() - 10);
    world.sim.run_for(base::seconds(1));
  }
  std::string oldest = cookies.substr(0, cookies.find('='));
  std::string answer = world.ask(navigate("/a/people", "Cookie: " + cookies + "\r\n"));
  EXPECT_TRUE(has(answer, "Set-Cookie: " + oldest + "=; ")) << answer;
}

TEST(SignOut, AsksFirstAndEndsTheSession) {
  PeopleWorld world;
  std::string cookie = world.cookie(world.session());
  std::string page = world.ask(navigate("/.well-known/gatehouse/session", cookie));
  EXPECT_TRUE(has(page, "alice@example.com")) << page;
  EXPECT_TRUE(has(page, "Our staff")) << page;
  std::string json = world.ask(get("/.well-known/gatehouse/session", cookie));
  EXPECT_TRUE(has(json, R"("subject":"alice")")) << json;
  EXPECT_TRUE(has(world.ask(get("/.well-known/gatehouse/session")), R"({"sessions":[]})"));
  // A link signs nobody out.
  EXPECT_EQ(status_of(world.ask(navigate("/.well-known/gatehouse/logout", cookie))), 200);
  EXPECT_TRUE(world.control.asked.empty());
  world.records();
  EXPECT_EQ(status_of(world.ask(post("/.well-known/gatehouse/logout", "reach=provider",
                                     cookie + "Sec-Fetch-Site: cross-site\r\n"))),
            403);
  EXPECT_EQ(field(world.record(), "reason"), "cross_site_refused");

  world.answers = [](Question& question) {
    EXPECT_EQ(std::get<EndSession>(question).reach, SignOut::everywhere);
    EXPECT_EQ(std::get<EndSession>(question).subject, "alice");
    Answer answer;
    answer.text = "https://id.example/logout?x=y";
    return answer;
  };
  std::string answer = world.ask(
      post("/.well-known/gatehouse/logout", "reach=everywhere", cookie + "Sec-Fetch-Site: same-origin\r\n"));
  EXPECT_EQ(status_of(answer), 303) << answer;
  EXPECT_EQ(header_of(answer, "Location"), "https://id.example/logout?x=y");
  EXPECT_TRUE(has(answer, "Set-Cookie: __Host-gatehouse.session.staff=; ")) << answer;
}

// Whose issuer or store cannot be asked now is signed out all the same, or told that it did not work; never
// left signed in behind a page that says otherwise.
TEST(SignOut, NeedsNoSessionThatIsKeptUp) {
  PeopleWorld world;
  auth::Session session = world.session();
  session.renewal = auth::Renewal::possible;
  session.tokens_until = world.in(base::seconds(-5));
  std::string cookie = world.cookie(session) + "Sec-Fetch-Site: same-origin\r\n";
  bool ended = false;
  world.answers = [&](Question& question) {
    Answer answer;
    if (std::holds_alternative<EndSession>(question)) {
      ended = true;
    } else {
      answer.outcome = base::gate_error(base::Reason::identity_provider_unavailable, "it is away");
    }
    return answer;
  };
  EXPECT_EQ(status_of(world.ask(navigate("/.well-known/gatehouse/session", cookie))), 503);
  EXPECT_EQ(status_of(world.ask(navigate("/.well-known/gatehouse/logout", cookie))), 503);
  std::string answer = world.ask(post("/.well-known/gatehouse/logout", "reach=gate", cookie));
  EXPECT_EQ(status_of(answer), 303) << answer;
  EXPECT_TRUE(ended);
  EXPECT_TRUE(has(answer, "Set-Cookie: __Host-gatehouse.session.staff=; ")) << answer;

  // Whose claims are in the store that cannot be read.
  session.claims_in_store = true;
  ended = false;
  cookie = world.cookie(session) + "Sec-Fetch-Site: same-origin\r\n";
  EXPECT_EQ(status_of(world.ask(post("/.well-known/gatehouse/logout", "reach=gate", cookie))), 503);
  EXPECT_FALSE(ended);
}

TEST(SignOut, LogoutTokensAreVerifiedBeforeAnybodyIsAsked) {
  PeopleWorld world;
  const auth::Provider* staff = world.worker->snapshot()->providers->find("staff");
  const crypto::SigningKey& key = auth::testing::signing_key(crypto::Algorithm::es256);
  auto keys = auth::parse_key_set(auth::testing::key_set_json({key.public_jwk()}));
  auto token = [&](std::string_view more) {
    std::string now = std::to_string(world.now().unix_seconds());
    return auth::testing::sign_raw(
        key, R"({"alg":"ES256","typ":"logout+jwt","kid":")" + key.kid() + R"("})",
        R"({"iss":"https://id.example","aud":"gate","sub":"alice","jti":"j1","iat":)" + now + R"(,"exp":)" +
            now + R"(0,"events":{"http://schemas.openid.net/event/backchannel-logout":{}})" +
            std::string(more) + "}");
  };
  auto tell = [&](std::string_view form, std::string_view provider = "staff") {
    return world.ask(post("/.well-known/gatehouse/backchannel-logout/" + std::string(provider), form));
  };
  EXPECT_EQ(status_of(tell("logout_token=" + token(""))), 503);  // no keys yet
  world.record();
  world.worker->put_keys(staff->key_slot, *keys);
  world.answers = [](Question& question) {
    EXPECT_EQ(std::get<TakeLogoutToken>(question).token.subject, "alice");
    return Answer{};
  };
  std::string answer = tell("logout_token=" + token(""));
  EXPECT_EQ(status_of(answer), 200) << answer;
  EXPECT_EQ(header_of(answer, "Cache-Control"), "no-store");
  EXPECT_EQ(field(world.record(), "reason"), "");
  size_t asked = world.control.asked.size();
  EXPECT_EQ(status_of(tell("logout_token=" + token(R"(,"nonce":"n")"))), 400);
  EXPECT_EQ(field(world.record(), "reason"), "logout_token_invalid");
  EXPECT_EQ(status_of(tell("logout_token=bad")), 400);
  EXPECT_EQ(status_of(tell("x=y")), 400);
  EXPECT_EQ(status_of(tell("logout_token=" + token(""), "robots")), 404);
  EXPECT_EQ(world.control.asked.size(), asked);
}

}  // namespace
}  // namespace gate::test
