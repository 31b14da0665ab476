// What a client that has no token yet is told: the challenge, and the document it points to.
#include "gate/decision.h"
#include "gate/test_world.h"

namespace gate::test {
namespace {

const std::string kMetadata(auth::kResourceMetadataPath);

std::string get(std::string_view path, std::string_view more = "", std::string_view method = "GET") {
  return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: a.example\r\n" +
         std::string(more) + "\r\n";
}
bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }
int status_of(const std::string& answer) { return answer.size() < 12 ? 0 : std::atoi(answer.c_str() + 9); }

void take_tokens(Service& service) {
  service.tokens = auth::TokenTerms{.issuers = {"https://id.example"}, .scopes = {"read"}};
}

class Metadata : public ::testing::Test {
 protected:
  Metadata() { world_.serve({{.path = "/a", .adjust = take_tokens}, {.path = "/plain"}}); }
  GateWorld world_;
};

TEST_F(Metadata, TheChallengePointsToTheDocument) {
  std::string answer = world_.ask(get("/a/secret?token=x"));
  EXPECT_EQ(status_of(answer), 401);
  std::string url = "resource_metadata=\"http://a.example" + kMetadata + "/a/secret\"\r\n";
  EXPECT_TRUE(has(answer, "WWW-Authenticate: Bearer realm=\"a\", " + url)) << answer;
  EXPECT_TRUE(has(answer, "WWW-Authenticate: DPoP realm=\"a\", algs=")) << answer;

  std::string document = world_.ask(get(kMetadata + "/a/secret"));
  EXPECT_EQ(status_of(document), 200);
  EXPECT_TRUE(has(document, "Content-Type: application/json\r\n")) << document;
  EXPECT_TRUE(has(document, "{\"resource\":\"http://a.example/a/secret\",")) << document;
  EXPECT_TRUE(has(document, "\"authorization_servers\":[\"https://id.example\"]")) << document;
  EXPECT_EQ(field(world_.records().back(), "route"), kMetadata);
  EXPECT_EQ(world_.seen.size(), 0u);
}

TEST_F(Metadata, ServicesThatTakeNoTokensHaveNone) {
  std::string answer = world_.ask(get("/plain/secret"));
  EXPECT_TRUE(has(answer, "WWW-Authenticate: Bearer realm=\"plain\"\r\n")) << answer;
  EXPECT_FALSE(has(answer, "DPoP")) << answer;
  for (std::string path : {"/plain", "/plain/secret", "", "/", "/nowhere", "x/a", "/a%2Fb", "/a;x"}) {
    std::string document = world_.ask(get(kMetadata + path));
    EXPECT_TRUE(status_of(document) == 404 || status_of(document) == 400) << path << document;
  }
}

TEST_F(Metadata, IsReadAndNothingElse) {
  std::string head = world_.ask(get(kMetadata + "/a", "", "HEAD"));
  EXPECT_EQ(status_of(head), 200);
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  for (std::string_view method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    EXPECT_EQ(status_of(world_.ask(get(kMetadata + "/a", "Content-Length: 0\r\n", method))), 404) << method;
  }
}

TEST_F(Metadata, TheResourceIsTheUrlThatTheClientUsed) {
  const std::string forwarded = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443\r\n";
  std::string own = world_.ask(get(kMetadata + "/a/x?y=1", forwarded));
  EXPECT_TRUE(has(own, "\"resource\":\"http://a.example/a/x?y=1\"")) << own;
  world_.serve({{.path = "/a", .adjust = take_tokens}},
               [](Snapshot& s) { s.listeners[0].trusted_proxies = {*base::parse_network("0.0.0.0/1")}; });
  std::string seen = world_.ask(get(kMetadata + "/a/x", forwarded));
  EXPECT_TRUE(has(seen, "\"resource\":\"https://shop.example:8443/a/x\"")) << seen;
  std::string challenge = world_.ask(get("/a/secret", forwarded));
  EXPECT_TRUE(has(challenge, "resource_metadata=\"https://shop.example:8443" + kMetadata + "/a/secret\""))
      << challenge;
}

TEST_F(Metadata, AServicesOwnRouteThereGoesFirst) {
  world_.serve({{.path = "/a", .adjust = take_tokens}, {.path = "/.well-known"}});
  world_.ask(get(kMetadata + "/a"));
  EXPECT_EQ(field(world_.records().back(), "service"), ".well-known");
}

}  // namespace
}  // namespace gate::test
