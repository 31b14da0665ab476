// From host, path, method and headers to a route. Compiled on the control thread at every reload, immutable
// afterwards, read by all workers at once. A lookup costs by the length of host and path, never by the number
// of services, and does not allocate.
//
// Which route wins: of all routes that match a request wholly, the most specific, compared in this order:
//   1. host: exact, then the longest wildcard, then any host;
//   2. path, segment by segment from the left: a literal before "{param}" before a pattern that ended;
//   3. method: a route that lists methods before one that takes all;
//   4. headers: more conditions first, then more of them with a value.
// Since only routes that match wholly take part, a host without a route for the path falls back to the
// wildcard above it and then to any host; so does a path whose methods or headers do not fit. It is
// predictable (adding a route only takes requests that it matches itself) and never widens access: the
// service found decides by its own rules. A service that must own a whole host claims path "/" there. Routes
// equal in all four that can match one request are a conflict, whatever the order of files.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/source.h"
#include "http/head.h"
#include "routing/host_pattern.h"
#include "routing/path_pattern.h"

namespace routing {

// Holds when the header stands in the request exactly once with exactly this value, or, without a value, when
// it stands there at all. Once, so that a repeated header cannot be one thing here and another at the
// backend.
struct HeaderCondition {
  std::string name;  // compared ignoring case
  std::optional<std::string> value{};
};

struct RouteSpec {
  std::vector<HostPattern> hosts{};  // empty: any host
  PathPattern path{};
  std::vector<http::Method> methods{};  // empty: any; `other` is every method without a name of its own
  std::vector<HeaderCondition> headers{};
  uint32_t label = 0;  // the caller's; handed back with the route (telemetry's name of the template)
  base::Source source{};
};

struct ServiceRoutes {
  uint32_t service = 0;  // the caller's number of the service; handed back with the route
  std::span<const RouteSpec> routes;
};

struct Route {
  uint32_t service = 0;
  uint32_t index = 0;  // into ServiceRoutes::routes
  uint32_t label = 0;
  std::string_view pattern;  // http.route; lives as long as the table
};

struct Request {
  std::string_view host{};  // http::Authority::host; empty when the client named none
  std::string_view path;    // http::Target::path
  http::Method method = http::Method::other;
  const http::Headers* headers = nullptr;  // may be null: then no header condition holds
};

// Two services claim the same place. first stands before second by file, line and column.
struct Conflict {
  uint32_t first_service = 0;
  uint32_t second_service = 0;
  base::Source first;
  base::Source second;
  std::string host;  // pattern; empty: any host
  std::string path;  // pattern of first
};

class Table {
 public:
  Table();  // no routes
  Table(Table&&) noexcept;
  Table& operator=(Table&&) noexcept;
  ~Table();

  // All conflicts, each pair of routes once, in the order of their sources; nothing is compiled then. The
  // caller leaves out whom it refuses and compiles again. Routes of one service never conflict: the earlier
  // one wins. The specs are only read during the call.
  static std::expected<Table, std::vector<Conflict>> compile(std::span<const ServiceRoutes> services);

  // nullptr: no route. The result lives as long as the table. Any thread.
  const Route* lookup(const Request& request) const;

  size_t route_count() const;
  size_t memory_bytes() const;

  struct Data;  // table_data.h

 private:
  explicit Table(std::unique_ptr<const Data> data);
  std::unique_ptr<const Data> data_;
};

}  // namespace routing
