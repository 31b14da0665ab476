// The table against a matcher that tries every route: for any routes without conflict and any request, both
// find the same route, in whatever order the services are given.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "routing/table.h"

namespace routing {
namespace {

using Words = std::vector<std::string>;

// Few words, so that routes and requests meet often.
const Words kHosts = {"a.x", "b.x", "x", "a.b.x", "*.x", "*.b.x", "y", "*.y"};
const Words kSegments = {"a", "b", "{p}", "ab", "{q}"};
const Words kPathWords = {"a", "b", "ab", "c"};
const Words kNames = {"X-One", "X-Two"};
const Words kValues = {"1", "2"};

rc::Gen<RouteSpec> any_spec() {
  return rc::gen::exec([] {
    std::string path;
    for (int left = *rc::gen::inRange(0, 4); left > 0; --left) path += "/" + *rc::gen::elementOf(kSegments);
    RouteSpec spec{.path = PathPattern::parse(path.empty() ? "/" : path).value()};
    for (int left = *rc::gen::inRange(0, 3); left > 0; --left) {
      spec.hosts.push_back(HostPattern::parse(*rc::gen::elementOf(kHosts)).value());
    }
    for (int left = *rc::gen::inRange(0, 3); left > 0; --left) {
      spec.methods.push_back(*rc::gen::element(http::Method::get, http::Method::post, http::Method::other));
    }
    for (int left = *rc::gen::weightedElement<int>({{4, 0}, {2, 1}, {1, 2}}); left > 0; --left) {
      HeaderCondition condition{.name = *rc::gen::elementOf(kNames), .value = std::nullopt};
      if (*rc::gen::arbitrary<bool>()) condition.value = *rc::gen::elementOf(kValues);
      spec.headers.push_back(condition);
    }
    return spec;
  });
}

// How specific a route is for a request, compared as a tuple: the larger wins. Empty: it does not match.
struct Specificity {
  int host = 0;                 // 0 any, 1 + length a wildcard, 1000 exact
  std::vector<int> segments{};  // 2 literal, 1 parameter
  bool methods = false;
  size_t conditions = 0;
  size_t values = 0;
  auto operator<=>(const Specificity&) const = default;
};

int host_specificity(const RouteSpec& spec, std::string_view host) {
  if (spec.hosts.empty()) return 0;
  int best = -1;
  for (const HostPattern& pattern : spec.hosts) {
    if (!pattern.covers(host)) continue;
    best = std::max(best, pattern.is_wildcard() ? 1 + static_cast<int>(pattern.name().size()) : 1000);
  }
  return best;
}

bool condition_holds(const HeaderCondition& condition, const http::Headers& headers) {
  std::vector<std::string_view> values;
  for (const http::Header& header : headers) {
    if (base::equals_ignoring_case(header.name, condition.name)) values.push_back(header.value);
  }
  return condition.value ? values.size() == 1 && values[0] == *condition.value : !values.empty();
}

std::optional<Specificity> match_naively(const RouteSpec& spec, const Request& request) {
  Specificity specificity{.host = host_specificity(spec, request.host)};
  if (specificity.host < 0 || !spec.path.covers(request.path)) return std::nullopt;
  if (!spec.methods.empty() && std::ranges::find(spec.methods, request.method) == spec.methods.end()) {
    return std::nullopt;
  }
  for (const HeaderCondition& condition : spec.headers) {
    if (!condition_holds(condition, *request.headers)) return std::nullopt;
    specificity.values += condition.value.has_value();
  }
  for (const std::string& segment : spec.path.segments()) {
    specificity.segments.push_back(PathPattern::is_parameter(segment) ? 1 : 2);
  }
  specificity.methods = !spec.methods.empty();
  specificity.conditions = spec.headers.size();
  return specificity;
}

// Leaves out services until none conflict, as the caller does.
Table compile_without_conflicts(std::vector<ServiceRoutes>& services) {
  while (true) {
    auto table = Table::compile(services);
    if (table) return std::move(*table);
    uint32_t refused = table.error().front().second_service;
    std::erase_if(services, [&](const ServiceRoutes& service) { return service.service == refused; });
  }
}

RC_GTEST_PROP(TableProperty, FindsWhatTryingEveryRouteFinds, ()) {
  auto all = *rc::gen::container<std::vector<std::vector<RouteSpec>>>(
      rc::gen::resize(4, rc::gen::container<std::vector<RouteSpec>>(any_spec())));
  std::vector<ServiceRoutes> services;
  auto file = std::make_shared<const std::string>("gatehouse.yaml");
  for (uint32_t i = 0; i < all.size(); ++i) {
    for (auto& spec : all[i]) spec.source = {.file = file, .line = static_cast<int>(i), .column = 1};
    services.push_back({i, all[i]});
  }
  Table table = compile_without_conflicts(services);
  std::vector<ServiceRoutes> reversed(services.rbegin(), services.rend());
  auto other = Table::compile(reversed);
  RC_ASSERT(other.has_value());

  for (int left = 5; left > 0; --left) {
    std::string host =
        *rc::gen::element<std::string>("a.x", "b.x", "x", "a.b.x", "c.b.x", "y", "a.a.y", "z", "");
    std::string path;
    for (int words = *rc::gen::inRange(0, 5); words > 0; --words)
      path += "/" + *rc::gen::elementOf(kPathWords);
    if (path.empty() || *rc::gen::inRange(0, 5) == 0) path += "/";
    http::Headers headers;
    std::vector<std::string> kept;
    for (int lines = *rc::gen::inRange(0, 3); lines > 0; --lines) {
      headers.add({.name = *rc::gen::elementOf(kNames) == "X-One" ? "x-one" : "X-Two",
                   .value = *rc::gen::arbitrary<bool>() ? "1" : "2"});
    }
    Request request{.host = host,
                    .path = path,
                    .method = *rc::gen::element(http::Method::get, http::Method::post, http::Method::put,
                                                http::Method::other),
                    .headers = &headers};

    const RouteSpec* best = nullptr;
    uint32_t best_service = 0;
    std::optional<Specificity> best_specificity;
    for (const ServiceRoutes& service : services) {
      for (const RouteSpec& spec : service.routes) {
        auto specificity = match_naively(spec, request);
        if (!specificity || (best && *specificity <= *best_specificity)) continue;
        best = &spec;
        best_service = service.service;
        best_specificity = specificity;
      }
    }
    for (const Table* tried : std::initializer_list<const Table*>{&table, &*other}) {
      const Route* found = tried->lookup(request);
      RC_ASSERT((found == nullptr) == (best == nullptr));
      if (!found) continue;
      RC_ASSERT(found->service == best_service);
      RC_ASSERT(&all[found->service][found->index] == best);
    }
  }
}

}  // namespace
}  // namespace routing
