#include "routing/table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <new>

// Lookups must not allocate: every operator new of this binary counts.
static thread_local size_t allocations = 0;

#if !__has_feature(thread_sanitizer)  // which brings its own, not to be replaced: it counts nothing
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace routing {
namespace {

using Methods = std::vector<http::Method>;
using Conditions = std::vector<HeaderCondition>;

struct RouteText {
  std::vector<std::string> hosts;
  std::string path;
  Methods methods;
  Conditions headers;
};

RouteSpec make_spec(const RouteText& text, std::string_view file, int line) {
  RouteSpec spec{.path = PathPattern::parse(text.path).value()};
  for (const std::string& host : text.hosts) spec.hosts.push_back(HostPattern::parse(host).value());
  spec.methods = text.methods;
  spec.headers = text.headers;
  spec.source = {.file = std::make_shared<const std::string>(file), .line = line, .column = 3};
  return spec;
}

// Services named by their number, each in a file of its own.
class Gate {
 public:
  Gate& add(uint32_t service, std::vector<RouteText> routes) {
    std::vector<RouteSpec>& specs = specs_.emplace_back();
    std::string file = "services/" + std::to_string(service) + ".yaml";
    for (size_t i = 0; i < routes.size(); ++i)
      specs.push_back(make_spec(routes[i], file, static_cast<int>(i + 1)));
    services_.push_back({service, specs});
    return *this;
  }
  auto compile() const { return Table::compile(services_); }
  auto compile_reversed() const {
    std::vector<ServiceRoutes> reversed(services_.rbegin(), services_.rend());
    return Table::compile(reversed);
  }

 private:
  std::deque<std::vector<RouteSpec>> specs_;
  std::vector<ServiceRoutes> services_;
};

http::Headers make_headers(std::vector<std::pair<std::string_view, std::string_view>> lines) {
  http::Headers headers;
  for (auto [name, value] : lines) headers.add({.name = name, .value = value});
  return headers;
}

constexpr uint32_t kNobody = UINT32_MAX;

uint32_t find_service(const Table& table, Request request) {
  const Route* route = table.lookup(request);
  return route ? route->service : kNobody;
}

TEST(Table, FindsTheMostSpecificHost) {
  Gate gate;
  gate.add(1, {{{"api.example.com"}, "/", {}, {}}});
  gate.add(2, {{{"*.example.com"}, "/", {}, {}}});
  gate.add(3, {{{"*.eu.example.com"}, "/", {}, {}}});
  gate.add(4, {{{"*.com"}, "/", {}, {}}});
  gate.add(5, {{{}, "/", {}, {}}});
  gate.add(6, {{{"[::1]", "10.0.0.1"}, "/", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  struct Case {
    std::string_view host;
    uint32_t service;
  };
  for (const Case& c : std::initializer_list<Case>{{"api.example.com", 1},
                                                   {"www.example.com", 2},
                                                   {"a.api.example.com", 2},
                                                   {"a.eu.example.com", 3},
                                                   {"a.b.eu.example.com", 3},
                                                   {"eu.example.com", 2},
                                                   {"example.com", 4},
                                                   {"com", 5},
                                                   {".com", 5},
                                                   {"example.org", 5},
                                                   {"api.example.com.evil.org", 5},
                                                   {"", 5},
                                                   {"[::1]", 6},
                                                   {"10.0.0.1", 6},
                                                   {std::string_view("a.\0.com", 7), 4}}) {
    EXPECT_EQ(find_service(*table, {.host = c.host, .path = "/x"}), c.service) << c.host;
  }
}

TEST(Table, FallsBackToLessSpecificHosts) {
  Gate gate;
  gate.add(1, {{{"api.example.com"}, "/orders", {}, {}}});
  gate.add(2, {{{"*.example.com"}, "/users", {}, {}}});
  gate.add(3, {{{}, "/health", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  EXPECT_EQ(find_service(*table, {.host = "api.example.com", .path = "/orders/1"}), 1u);
  EXPECT_EQ(find_service(*table, {.host = "api.example.com", .path = "/users/1"}), 2u);
  EXPECT_EQ(find_service(*table, {.host = "api.example.com", .path = "/health"}), 3u);
  EXPECT_EQ(find_service(*table, {.host = "api.example.com", .path = "/"}), kNobody);
}

TEST(Table, FindsTheMostSpecificPath) {
  Gate gate;
  gate.add(1, {{{}, "/orders", {}, {}}});
  gate.add(2, {{{}, "/orders/{id}", {}, {}}});
  gate.add(3, {{{}, "/orders/new", {}, {}}});
  gate.add(4, {{{}, "/orders/{id}/lines/{line}", {}, {}}});
  gate.add(5, {{{}, "/orders/new/lines/1", {}, {}}});
  gate.add(6, {{{}, "/a/{x}/c", {}, {}}});
  gate.add(7, {{{}, "/files/**", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  struct Case {
    std::string_view path;
    uint32_t service;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"/orders", 1},
                                   {"/orders/", 1},
                                   {"/orders/7", 2},
                                   {"/orders/7/", 2},
                                   {"/orders/7/lines", 2},
                                   {"/orders/7/lines/3", 4},
                                   {"/orders/7/lines/3/x", 4},
                                   {"/orders/new", 3},
                                   {"/orders/newer", 2},
                                   {"/orders/new/lines/1", 5},
                                   // Segment by segment: `new` stands before `{id}`, whatever follows.
                                   {"/orders/new/lines/2", 3},
                                   {"/orders-old", kNobody},
                                   {"/order", kNobody},
                                   {"/ORDERS", kNobody},
                                   {"/a/b/c", 6},
                                   {"/a/b", kNobody},
                                   {"/a//c", kNobody},
                                   {"/files", 7},
                                   {"/files/x/y", 7},
                                   {"/", kNobody},
                                   {"", kNobody},
                                   {"orders", kNobody},
                                   {"*", kNobody}}) {
    EXPECT_EQ(find_service(*table, {.path = c.path}), c.service) << c.path;
  }
}

TEST(Table, TakesBackALiteralThatLeadsNowhere) {
  Gate gate;
  gate.add(1, {{{}, "/a/b/c", {}, {}}});
  gate.add(2, {{{}, "/a/{x}/d", {}, {}}});
  gate.add(3, {{{}, "/{y}", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  EXPECT_EQ(find_service(*table, {.path = "/a/b/c"}), 1u);
  EXPECT_EQ(find_service(*table, {.path = "/a/b/d"}), 2u);
  EXPECT_EQ(find_service(*table, {.path = "/a/b/e"}), 3u);
}

TEST(Table, ComparesMethodsThenHeaders) {
  Gate gate;
  gate.add(1, {{{}, "/", {}, {}}});
  gate.add(2, {{{}, "/", {http::Method::get, http::Method::head}, {}}});
  gate.add(3, {{{}, "/", {}, {{"X-Beta", std::nullopt}}}});
  gate.add(4, {{{}, "/", {}, {{"x-tenant", "7"}}}});
  gate.add(5, {{{}, "/", {}, {{"X-Tenant", "8"}}}});
  gate.add(6, {{{}, "/", {}, {{"X-Tenant", "7"}, {"X-Beta", std::nullopt}}}});
  gate.add(7, {{{}, "/", {http::Method::other}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  struct Case {
    http::Method method;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    uint32_t service;
  };
  using enum http::Method;
  for (const Case& c : std::initializer_list<Case>{
           {post, {}, 1},
           {get, {}, 2},
           {get, {{"X-Tenant", "7"}, {"X-Beta", ""}}, 2},  // method before headers
           {other, {}, 7},
           {post, {{"x-beta", ""}}, 3},
           {post, {{"X-BETA", "1"}, {"X-Beta", "2"}}, 3},
           {post, {{"X-Tenant", "7"}}, 4},
           {post, {{"X-Tenant", "8"}}, 5},
           {post, {{"X-Tenant", "9"}}, 1},
           {post, {{"X-Tenant", "8"}, {"X-Beta", "1"}}, 5},  // a value before presence
           {post, {{"X-Tenant", "7"}, {"X-Beta", "1"}}, 6},
           {post, {{"X-Tenant", "7"}, {"X-Tenant", "8"}}, 1},  // repeated: neither
           {post, {{"X-Tenant", "7"}, {"X-Tenant", "7"}}, 1},
       }) {
    http::Headers headers = make_headers(c.headers);
    EXPECT_EQ(find_service(*table, {.path = "/", .method = c.method, .headers = &headers}), c.service);
  }
  EXPECT_EQ(find_service(*table, {.path = "/", .method = post}), 1u) << "no headers given";
}

TEST(Table, HandsBackWhatTheCallerGave) {
  Gate gate;
  gate.add(9, {{{"a.example"}, "/x/{id}", {}, {}}, {{"b.example"}, "/y/**", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  Table moved = std::move(*table);
  const Route* route = moved.lookup({.host = "b.example", .path = "/y/1"});
  ASSERT_TRUE(route);
  EXPECT_EQ(route->service, 9u);
  EXPECT_EQ(route->index, 1u);
  EXPECT_EQ(route->pattern, "/y/**");
  EXPECT_EQ(moved.route_count(), 2u);
  EXPECT_EQ(Table().lookup({.host = "a", .path = "/"}), nullptr);
  EXPECT_EQ(Table::compile({})->lookup({.host = "a", .path = "/"}), nullptr);
}

TEST(Table, ReportsConflicts) {
  using enum http::Method;
  struct Case {
    RouteText first;
    RouteText second;
    bool conflict;
  };
  const Case kCases[] = {
      {{{}, "/a", {}, {}}, {{}, "/a", {}, {}}, true},
      {{{}, "/a", {}, {}}, {{}, "/a/**", {}, {}}, true},
      {{{}, "/a/{id}", {}, {}}, {{}, "/a/{name}", {}, {}}, true},
      {{{}, "/a/{id}", {}, {}}, {{}, "/a/b", {}, {}}, false},
      {{{}, "/a", {}, {}}, {{"x.example"}, "/a", {}, {}}, false},
      {{{"x.example", "y.example"}, "/a", {}, {}}, {{"z.example", "y.example"}, "/a", {}, {}}, true},
      {{{"x.example"}, "/a", {}, {}}, {{"*.example"}, "/a", {}, {}}, false},
      {{{"*.x.example"}, "/a", {}, {}}, {{"x.example"}, "/a", {}, {}}, false},
      {{{}, "/a", {get}, {}}, {{}, "/a", {post}, {}}, false},
      {{{}, "/a", {get, put}, {}}, {{}, "/a", {put, post}, {}}, true},
      {{{}, "/a", {get}, {}}, {{}, "/a", {}, {}}, false},
      {{{}, "/a", {}, {{"x", "1"}}}, {{}, "/a", {}, {}}, false},
      {{{}, "/a", {}, {{"x", "1"}}}, {{}, "/a", {}, {{"X", "1"}}}, true},
      {{{}, "/a", {}, {{"x", "1"}}}, {{}, "/a", {}, {{"X", "2"}}}, false},
      {{{}, "/a", {}, {{"x", "1"}}}, {{}, "/a", {}, {{"y", "1"}}}, true},
      {{{}, "/a", {}, {{"x", "1"}}}, {{}, "/a", {}, {{"x", std::nullopt}}}, false},
      {{{}, "/a", {}, {{"x", "1"}, {"y", "1"}}}, {{}, "/a", {}, {{"y", "2"}, {"x", "1"}}}, false},
  };
  for (const Case& c : kCases) {
    Gate gate;
    gate.add(2, {c.second}).add(1, {c.first});
    std::vector<decltype(gate.compile())> tables;
    tables.push_back(gate.compile());
    tables.push_back(gate.compile_reversed());
    for (const auto& table : tables) {
      ASSERT_EQ(!table.has_value(), c.conflict) << c.first.path << " " << c.second.path;
      if (!c.conflict) continue;
      ASSERT_EQ(table.error().size(), 1u);
      const Conflict& conflict = table.error().front();
      EXPECT_EQ(conflict.first_service, 1u) << "by source, not by order";
      EXPECT_EQ(conflict.second_service, 2u);
      EXPECT_EQ(conflict.first.text(), "services/1.yaml:1:3");
      EXPECT_EQ(conflict.second.text(), "services/2.yaml:1:3");
      EXPECT_EQ(conflict.path, c.first.path);
    }
  }
}

TEST(Table, ReportsAPairOnceAndAllPairs) {
  Gate gate;
  gate.add(1, {{{"a.example", "b.example"}, "/x", {}, {}}});
  gate.add(2, {{{"a.example", "b.example"}, "/x", {}, {}}});
  gate.add(3, {{{"b.example"}, "/x", {}, {}}});
  auto table = gate.compile();
  ASSERT_FALSE(table);
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  for (const Conflict& conflict : table.error())
    pairs.emplace_back(conflict.first_service, conflict.second_service);
  EXPECT_EQ(pairs, (std::vector<std::pair<uint32_t, uint32_t>>{{1, 2}, {1, 3}, {2, 3}}));
  EXPECT_EQ(table.error()[0].host, "a.example");
}

TEST(Table, RoutesOfOneServiceDoNotConflict) {
  Gate gate;
  gate.add(1, {{{}, "/a/{x}", {}, {}}, {{}, "/a/{y}", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  EXPECT_EQ(table->lookup({.path = "/a/1"})->index, 0u);
}

TEST(Table, BoundsTheConflictsOfManyAtOnePlace) {
  Gate gate;
  for (uint32_t service = 0; service < 500; ++service) gate.add(service, {{{}, "/a", {}, {}}});
  auto table = gate.compile();
  ASSERT_FALSE(table);
  EXPECT_LE(table.error().size(), 10'000u);
}

TEST(Table, LooksUpWithoutAllocating) {
  Gate gate;
  gate.add(1, {{{"*.example.com"}, "/a/{x}/c", {http::Method::get}, {{"X-Beta", "1"}}}});
  gate.add(2, {{{}, "/", {}, {}}});
  auto table = gate.compile();
  ASSERT_TRUE(table);
  http::Headers headers = make_headers({{"x-beta", "1"}});
  std::string host;
  for (int i = 0; i < 200; ++i) host += "a.";
  size_t before = allocations;
  const Route* found = table->lookup(
      {.host = "w.example.com", .path = "/a/b/c", .method = http::Method::get, .headers = &headers});
  const Route* other = table->lookup({.host = host, .path = "/a/b/c/d/e/f"});
  size_t after = allocations;
  EXPECT_EQ(after, before);
  ASSERT_TRUE(found && other);
  EXPECT_EQ(found->service, 1u);
  EXPECT_EQ(other->service, 2u);
}

TEST(Table, IsLean) {
  Gate gate;
  for (uint32_t service = 0; service < 5000; ++service) {
    std::string name = "service-" + std::to_string(service);
    gate.add(service, {{{name + ".example.com"}, "/" + name + "/{id}", {}, {}}});
  }
  auto table = gate.compile();
  ASSERT_TRUE(table);
  EXPECT_LE(table->memory_bytes(), size_t{2} << 20);
  for (uint32_t service = 0; service < 5000; service += 7) {
    std::string name = "service-" + std::to_string(service);
    std::string host = name + ".example.com", path = "/" + name + "/1";
    EXPECT_EQ(find_service(*table, {.host = host, .path = path}), service);
  }
}

}  // namespace
}  // namespace routing
