// Compiles services' routes to a Table in one pass over the specs: sizes are counted first, so that every
// array is allocated once. Runs at each reload on the control thread.
#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "base/bytes.h"
#include "routing/table.h"
#include "routing/table_data.h"

namespace routing {
namespace {

// Enough to name everybody involved; without a bound, n services at one place would be n²/2 conflicts.
constexpr size_t kConflictsMax = 10'000;
constexpr uint32_t kConditionsMax = 1000;

// A placement before it is put in order.
struct Candidate {
  uint32_t node = 0;
  uint32_t rank = 0;  // lower: more specific, so tried earlier
  uint32_t route = 0;
  const HostPattern* host = nullptr;  // null: any
};

// What is known of a route besides Route.
struct RouteOrigin {
  const RouteSpec* spec = nullptr;
  Placement placement;
  uint32_t rank = 0;
};

uint16_t method_bits(const std::vector<http::Method>& methods) {
  unsigned bits = 0;
  for (http::Method method : methods) bits |= 1u << static_cast<int>(method);
  return static_cast<uint16_t>(bits);
}

// Table comment, steps 3 and 4.
uint32_t rank_of(const RouteSpec& spec) {
  uint32_t values = 0;
  for (const HeaderCondition& condition : spec.headers) values += condition.value.has_value();
  uint32_t conditions = std::min(static_cast<uint32_t>(spec.headers.size()), kConditionsMax);
  uint32_t methods = spec.methods.empty() ? 1 : 0;
  return methods << 24 | (kConditionsMax - conditions) << 12 |
         (kConditionsMax - std::min(values, conditions));
}

bool stands_before(const base::Source& a, const base::Source& b) {
  static const std::string kNoFile;
  const std::string& file_a = a.file ? *a.file : kNoFile;
  const std::string& file_b = b.file ? *b.file : kNoFile;
  return std::tie(file_a, a.line, a.column) < std::tie(file_b, b.line, b.column);
}

// Only the same header with two values keeps two sets of conditions apart.
bool exclude_each_other(const RouteSpec& a, const RouteSpec& b) {
  for (const HeaderCondition& left : a.headers) {
    for (const HeaderCondition& right : b.headers) {
      if (left.value && right.value && *left.value != *right.value &&
          base::equals_ignoring_case(left.name, right.name)) {
        return true;
      }
    }
  }
  return false;
}

size_t slots_for(size_t entries) { return std::bit_ceil(entries * 2 + 1); }

class Compiler {
 public:
  explicit Compiler(std::span<const ServiceRoutes> services) : services_(services) {}

  std::unique_ptr<Table::Data> compile();
  std::vector<Conflict> take_conflicts() { return std::move(conflicts_); }

 private:
  void reserve();
  TextRef store(std::string_view text);
  void add_route(uint32_t service, uint32_t index, const RouteSpec& spec);
  void place(uint32_t route, const HostPattern* host);
  uint32_t find_root(const HostPattern& host);
  HostEntry& find_or_add_host(std::string_view name);
  uint32_t make_node(TextRef segment);
  uint32_t find_or_add_child(uint32_t parent, std::string_view segment);
  void order_placements();
  void find_conflicts(std::span<const Candidate> same_place);
  bool conflict(const Candidate& a, const Candidate& b) const;
  void report(const Candidate& a, const Candidate& b);
  void order_conflicts();

  std::span<const ServiceRoutes> services_;
  std::unique_ptr<Table::Data> data_ = std::make_unique<Table::Data>();
  std::vector<RouteOrigin> origins_;
  std::vector<Candidate> candidates_;
  std::vector<Conflict> conflicts_;
};

void Compiler::reserve() {
  size_t routes = 0, hosts = 0, placements = 0, segments = 0, conditions = 0, text = 0;
  for (const ServiceRoutes& service : services_) {
    for (const RouteSpec& spec : service.routes) {
      size_t places = std::max<size_t>(spec.hosts.size(), 1);
      ++routes;
      hosts += spec.hosts.size();
      placements += places;
      conditions += spec.headers.size();
      segments += places * spec.path.segments().size();
      text += spec.path.text().size() * (places + 1);
      for (const HostPattern& host : spec.hosts) text += host.text().size();
      for (const HeaderCondition& condition : spec.headers) {
        text += condition.name.size() + (condition.value ? condition.value->size() : 0);
      }
    }
  }
  data_->text = std::make_unique_for_overwrite<char[]>(text);
  data_->text_capacity = text;
  data_->host_slots.resize(slots_for(hosts));
  data_->hosts.reserve(hosts);
  data_->edges.resize(slots_for(segments));
  data_->nodes.reserve(segments + hosts + 1);
  data_->placements.reserve(placements);
  data_->conditions.reserve(conditions);
  data_->routes.reserve(routes);
  origins_.reserve(routes);
  candidates_.reserve(placements);
}

TextRef Compiler::store(std::string_view text) {
  TextRef ref{static_cast<uint32_t>(data_->text_bytes), static_cast<uint32_t>(text.size())};
  std::memcpy(data_->text.get() + data_->text_bytes, text.data(), text.size());
  data_->text_bytes += text.size();
  return ref;
}

void Compiler::add_route(uint32_t service, uint32_t index, const RouteSpec& spec) {
  auto route = static_cast<uint32_t>(data_->routes.size());
  data_->routes.push_back({.service = service,
                           .index = index,
                           .label = spec.label,
                           .pattern = data_->view(store(spec.path.text()))});
  RouteOrigin origin{.spec = &spec, .placement = {}, .rank = rank_of(spec)};
  origin.placement.methods = method_bits(spec.methods);
  origin.placement.condition_count = static_cast<uint32_t>(spec.headers.size());
  origin.placement.first_condition = static_cast<uint32_t>(data_->conditions.size());
  origin.placement.route = route;
  for (const HeaderCondition& condition : spec.headers) {
    data_->conditions.push_back({.name = store(condition.name),
                                 .value = condition.value ? store(*condition.value) : TextRef{},
                                 .has_value = condition.value.has_value()});
  }
  origins_.push_back(origin);
  if (spec.hosts.empty()) place(route, nullptr);
  for (const HostPattern& host : spec.hosts) place(route, &host);
}

void Compiler::place(uint32_t route, const HostPattern* host) {
  if (!host && data_->any_root == kNone) data_->any_root = make_node({});
  uint32_t node = host ? find_root(*host) : data_->any_root;
  for (const std::string& segment : origins_[route].spec->path.segments()) {
    if (!PathPattern::is_parameter(segment)) {
      node = find_or_add_child(node, segment);
      continue;
    }
    if (data_->nodes[node].parameter == kNone) {
      uint32_t made = make_node({});
      data_->nodes[node].parameter = made;
    }
    node = data_->nodes[node].parameter;
  }
  candidates_.push_back({.node = node, .rank = origins_[route].rank, .route = route, .host = host});
}

uint32_t Compiler::find_root(const HostPattern& host) {
  HostEntry& entry = find_or_add_host(host.name());
  uint32_t& root = host.is_wildcard() ? entry.wildcard_root : entry.exact_root;
  if (root == kNone) root = make_node({});
  if (host.is_wildcard()) {
    auto labels = static_cast<uint32_t>(std::ranges::count(host.name(), '.') + 1);
    data_->wildcard_labels_max = std::max(data_->wildcard_labels_max, labels);
  }
  return root;
}

HostEntry& Compiler::find_or_add_host(std::string_view name) {
  uint64_t hash = kHostSeed;
  for (size_t end = name.size();;) {
    size_t begin = end;
    while (begin > 0 && name[begin - 1] != '.') --begin;
    hash = add_label(hash, name.substr(begin, end - begin));
    if (begin == 0) break;
    end = begin - 1;
  }
  size_t mask = data_->host_slots.size() - 1;
  size_t at = hash & mask;
  for (; data_->host_slots[at].index != kNone; at = (at + 1) & mask) {
    HostEntry& entry = data_->hosts[data_->host_slots[at].index];
    if (data_->view(entry.name) == name) return entry;
  }
  data_->host_slots[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(data_->hosts.size())};
  return data_->hosts.emplace_back(HostEntry{.name = store(name)});
}

uint32_t Compiler::make_node(TextRef segment) {
  data_->nodes.push_back({.segment = segment});
  return static_cast<uint32_t>(data_->nodes.size() - 1);
}

uint32_t Compiler::find_or_add_child(uint32_t parent, std::string_view segment) {
  uint64_t hash = hash_edge(parent, segment);
  auto tag = static_cast<uint32_t>(hash >> 32);
  size_t mask = data_->edges.size() - 1;
  size_t at = hash & mask;
  for (; data_->edges[at].child != kNone; at = (at + 1) & mask) {
    const EdgeSlot& edge = data_->edges[at];
    if (edge.parent == parent && edge.tag == tag &&
        data_->view(data_->nodes[edge.child].segment) == segment) {
      return edge.child;
    }
  }
  uint32_t child = make_node(store(segment));
  data_->edges[at] = {.parent = parent, .tag = tag, .child = child};
  data_->nodes[parent].has_literals = true;
  return child;
}

void Compiler::order_placements() {
  std::ranges::sort(candidates_, [](const Candidate& a, const Candidate& b) {
    return std::tie(a.node, a.rank, a.route) < std::tie(b.node, b.rank, b.route);
  });
  for (size_t first = 0; first < candidates_.size();) {
    size_t last = first;
    Node& node = data_->nodes[candidates_[first].node];
    node.first_placement = static_cast<uint32_t>(first);
    for (; last < candidates_.size() && candidates_[last].node == candidates_[first].node; ++last) {
      data_->placements.push_back(origins_[candidates_[last].route].placement);
    }
    node.placement_count = static_cast<uint32_t>(last - first);
    if (last - first > 1) find_conflicts(std::span(candidates_).subspan(first, last - first));
    first = last;
  }
}

void Compiler::find_conflicts(std::span<const Candidate> same_place) {
  for (size_t i = 0; i < same_place.size(); ++i) {
    for (size_t j = i + 1; j < same_place.size() && same_place[j].rank == same_place[i].rank; ++j) {
      if (conflicts_.size() == kConflictsMax) return;
      if (conflict(same_place[i], same_place[j])) report(same_place[i], same_place[j]);
    }
  }
}

bool Compiler::conflict(const Candidate& a, const Candidate& b) const {
  if (data_->routes[a.route].service == data_->routes[b.route].service) return false;
  const RouteOrigin& left = origins_[a.route];
  const RouteOrigin& right = origins_[b.route];
  if (left.placement.methods != 0 && (left.placement.methods & right.placement.methods) == 0) return false;
  return !exclude_each_other(*left.spec, *right.spec);
}

void Compiler::report(const Candidate& a, const Candidate& b) {
  bool swapped = stands_before(origins_[b.route].spec->source, origins_[a.route].spec->source);
  const Candidate& first = swapped ? b : a;
  const Candidate& second = swapped ? a : b;
  conflicts_.push_back({.first_service = data_->routes[first.route].service,
                        .second_service = data_->routes[second.route].service,
                        .first = origins_[first.route].spec->source,
                        .second = origins_[second.route].spec->source,
                        .host = first.host ? first.host->text() : std::string(),
                        .path = origins_[first.route].spec->path.text()});
}

// By source, and two routes that meet on several hosts only once.
void Compiler::order_conflicts() {
  auto before = [](const base::Source& a, const base::Source& b) { return stands_before(a, b); };
  std::ranges::sort(conflicts_, [&](const Conflict& a, const Conflict& b) {
    if (before(a.first, b.first) || before(b.first, a.first)) return before(a.first, b.first);
    if (before(a.second, b.second) || before(b.second, a.second)) return before(a.second, b.second);
    return std::tie(a.first_service, a.second_service, a.host, a.path) <
           std::tie(b.first_service, b.second_service, b.host, b.path);
  });
  auto same_pair = [&](const Conflict& a, const Conflict& b) {
    return a.first_service == b.first_service && a.second_service == b.second_service &&
           !before(a.first, b.first) && !before(b.first, a.first) && !before(a.second, b.second) &&
           !before(b.second, a.second);
  };
  auto repeated = std::ranges::unique(conflicts_, same_pair);
  conflicts_.erase(repeated.begin(), repeated.end());
}

std::unique_ptr<Table::Data> Compiler::compile() {
  reserve();
  for (const ServiceRoutes& service : services_) {
    for (size_t i = 0; i < service.routes.size(); ++i) {
      add_route(service.service, static_cast<uint32_t>(i), service.routes[i]);
    }
  }
  order_placements();
  order_conflicts();
  return std::move(data_);
}

}  // namespace

std::expected<Table, std::vector<Conflict>> Table::compile(std::span<const ServiceRoutes> services) {
  Compiler compiler(services);
  std::unique_ptr<Data> data = compiler.compile();
  std::vector<Conflict> conflicts = compiler.take_conflicts();
  if (!conflicts.empty()) return std::unexpected(std::move(conflicts));
  return Table(std::move(data));
}

}  // namespace routing
