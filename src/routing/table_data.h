// What a route table is made of: flat arrays that refer to each other by index, and one block of text.
// Written once by table_compile.cc, read by table.cc; nobody else includes it.
//
//   host text -> HostEntry -> root Node -> (edge: parent, segment) -> Node ... -> its Placements -> Route
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "routing/table.h"

namespace routing {

inline constexpr uint32_t kNone = UINT32_MAX;
inline constexpr uint64_t kHostSeed = 1;

// Hosts are hashed label by label from the right, so that one walk gives the hash of every suffix.
inline uint64_t add_label(uint64_t hash, std::string_view label) {
  return base::mix_hash(hash, base::hash_bytes(label));
}
inline uint64_t hash_edge(uint32_t parent, std::string_view segment) {
  return base::mix_hash(parent, base::hash_bytes(segment));
}

struct TextRef {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// A slot of an open-addressing table; index kNone: free.
struct HostSlot {
  uint32_t tag = 0;
  uint32_t index = kNone;
};

struct HostEntry {
  TextRef name;                 // without "*."
  uint32_t exact_root = kNone;  // node
  uint32_t wildcard_root = kNone;
};

struct EdgeSlot {
  uint32_t parent = 0;
  uint32_t tag = 0;
  uint32_t child = kNone;
};

// A place in a host's tree of segments.
struct Node {
  TextRef segment;  // of the edge that leads here; unused in roots and parameters
  uint32_t parameter = kNone;
  uint32_t first_placement = 0;
  uint32_t placement_count = 0;
  bool has_literals = false;
};

// A route at a node; a node's placements stand in the order in which they are tried.
struct Placement {
  uint16_t methods = 0;  // bit set of http::Method; 0: any
  uint32_t condition_count = 0;
  uint32_t first_condition = 0;
  uint32_t route = 0;
};

struct Condition {
  TextRef name;  // lower case
  TextRef value;
  bool has_value = false;
};

struct Table::Data {
  std::unique_ptr<char[]> text;
  size_t text_bytes = 0;  // used
  size_t text_capacity = 0;
  std::vector<HostSlot> host_slots;
  std::vector<HostEntry> hosts;
  std::vector<EdgeSlot> edges;
  std::vector<Node> nodes;
  std::vector<Placement> placements;
  std::vector<Condition> conditions;
  std::vector<Route> routes;
  uint32_t any_root = kNone;
  uint32_t wildcard_labels_max = 0;  // no wildcard's name has more labels: further suffixes need no probe

  std::string_view view(TextRef ref) const { return {text.get() + ref.offset, ref.size}; }
};

}  // namespace routing
