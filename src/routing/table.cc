#include "routing/table.h"

#include "base/bytes.h"
#include "routing/table_data.h"

namespace routing {
namespace {

// A host has at most 127 labels of one character; longer ones match no wildcard beyond that.
constexpr size_t kWildcardsMax = 128;

const HostEntry* find_host(const Table::Data& data, uint64_t hash, std::string_view name) {
  size_t mask = data.host_slots.size() - 1;
  auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask; data.host_slots[at].index != kNone; at = (at + 1) & mask) {
    if (data.host_slots[at].tag != tag) continue;
    const HostEntry& entry = data.hosts[data.host_slots[at].index];
    if (data.view(entry.name) == name) return &entry;
  }
  return nullptr;
}

uint32_t find_child(const Table::Data& data, uint32_t parent, std::string_view segment) {
  uint64_t hash = hash_edge(parent, segment);
  size_t mask = data.edges.size() - 1;
  auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask; data.edges[at].child != kNone; at = (at + 1) & mask) {
    const EdgeSlot& edge = data.edges[at];
    if (edge.tag != tag || edge.parent != parent) continue;
    if (data.view(data.nodes[edge.child].segment) == segment) return edge.child;
  }
  return kNone;
}

bool holds(const Table::Data& data, const Condition& condition, const http::Headers& headers) {
  uint32_t seen = 0;
  bool equal = true;
  for (const http::Header& header : headers) {
    if (header.hop_by_hop) continue;  // not forwarded, so it must not decide where to
    if (!base::equals_ignoring_case(header.name, data.view(condition.name))) continue;
    ++seen;
    equal = equal && header.value == data.view(condition.value);
  }
  return condition.has_value ? seen == 1 && equal : seen > 0;
}

bool fits(const Table::Data& data, const Placement& placement, const Request& request) {
  uint32_t method_bit = 1u << static_cast<int>(request.method);
  if (placement.methods != 0 && (placement.methods & method_bit) == 0) return false;
  if (placement.condition_count == 0) return true;
  if (!request.headers) return false;
  for (uint32_t i = 0; i < placement.condition_count; ++i) {
    if (!holds(data, data.conditions[placement.first_condition + i], *request.headers)) return false;
  }
  return true;
}

// Literal child, then parameter, then what ends here: the first that fits wholly is the most specific. rest
// is what of the path stands below node: empty, or '/' and more. Recursion ends with the deepest pattern.
const Route* search(const Table::Data& data, uint32_t index, std::string_view rest, const Request& request) {
  const Node& node = data.nodes[index];
  if (rest.size() > 1 && (node.has_literals || node.parameter != kNone)) {
    size_t slash = rest.find('/', 1);
    std::string_view segment = rest.substr(1, slash == rest.npos ? rest.npos : slash - 1);
    std::string_view below = slash == rest.npos ? std::string_view{} : rest.substr(slash);
    if (node.has_literals) {
      uint32_t child = find_child(data, index, segment);
      if (child != kNone) {
        if (const Route* route = search(data, child, below, request)) return route;
      }
    }
    if (node.parameter != kNone && !segment.empty()) {
      if (const Route* route = search(data, node.parameter, below, request)) return route;
    }
  }
  for (uint32_t i = 0; i < node.placement_count; ++i) {
    const Placement& placement = data.placements[node.first_placement + i];
    if (fits(data, placement, request)) return &data.routes[placement.route];
  }
  return nullptr;
}

// The trees of a host, most specific first.
struct HostTrees {
  uint32_t exact = kNone;
  uint32_t wildcard_count = 0;
  uint32_t wildcards[kWildcardsMax];  // shortest name first
};

void find_trees(const Table::Data& data, std::string_view host, HostTrees& trees) {
  if (host.empty() || data.hosts.empty()) return;
  uint64_t hash = kHostSeed;
  size_t end = host.size();
  for (uint32_t labels = 1;; ++labels) {
    size_t begin = end;
    while (begin > 0 && host[begin - 1] != '.') --begin;
    hash = add_label(hash, host.substr(begin, end - begin));
    if (begin == 0) {
      if (const HostEntry* entry = find_host(data, hash, host)) trees.exact = entry->exact_root;
      return;
    }
    bool label_before = begin >= 2;
    if (label_before && labels <= data.wildcard_labels_max && trees.wildcard_count < kWildcardsMax) {
      const HostEntry* entry = find_host(data, hash, host.substr(begin));
      if (entry && entry->wildcard_root != kNone)
        trees.wildcards[trees.wildcard_count++] = entry->wildcard_root;
    }
    end = begin - 1;
  }
}

}  // namespace

Table::Table() = default;
Table::Table(std::unique_ptr<const Data> data) : data_(std::move(data)) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

const Route* Table::lookup(const Request& request) const {
  if (!data_ || !request.path.starts_with('/')) return nullptr;
  const Data& data = *data_;
  HostTrees trees;
  find_trees(data, request.host, trees);
  if (trees.exact != kNone) {
    if (const Route* route = search(data, trees.exact, request.path, request)) return route;
  }
  for (uint32_t i = trees.wildcard_count; i > 0; --i) {
    if (const Route* route = search(data, trees.wildcards[i - 1], request.path, request)) return route;
  }
  return data.any_root == kNone ? nullptr : search(data, data.any_root, request.path, request);
}

size_t Table::route_count() const { return data_ ? data_->routes.size() : 0; }

size_t Table::memory_bytes() const {
  if (!data_) return sizeof *this;
  auto bytes = [](const auto& vector) { return vector.capacity() * sizeof vector[0]; };
  return sizeof *this + sizeof *data_ + data_->text_capacity + bytes(data_->host_slots) +
         bytes(data_->hosts) + bytes(data_->edges) + bytes(data_->nodes) + bytes(data_->placements) +
         bytes(data_->conditions) + bytes(data_->routes);
}

}  // namespace routing
