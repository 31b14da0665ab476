// JSON decoded strictly into a compact, immutable tree: whole document valid, no member name twice in any
// object (RFC 8725 §2.4), size, depth and number of values bounded. Used for token headers, claims and key
// sets, so that no JSON library is around when a decision is made. Reading the tree does not allocate.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

struct JsonLimits {
  size_t bytes = 16 * 1024;
  uint32_t depth = 16;  // of arrays and objects
  uint32_t values = 2048;
};

enum class JsonKind : uint8_t { null, boolean, number, string, array, object };

class JsonTree;

// A place in a tree; valid as long as the tree is. A default one is "not there".
class JsonValue {
 public:
  JsonValue() = default;
  explicit operator bool() const { return tree_ != nullptr; }

  JsonKind kind() const;
  bool is(JsonKind kind) const { return tree_ != nullptr && this->kind() == kind; }
  // Strings without quotes and unescaped; numbers, booleans and null as canonical JSON text (1.0 is "1");
  // empty for arrays and objects.
  std::string_view text() const;
  std::string_view name() const;  // of an object's member; else empty

  // Children of an array or object in the order written; not there for anything else or at the end.
  JsonValue first() const;
  JsonValue next() const;
  JsonValue member(std::string_view name) const;

  // A member by dotted path. At each level the rest of the path is tried as one exact name first, because
  // namespaced claims hold dots ("https://x.example/roles"), then split at each dot from the left.
  JsonValue find(std::string_view dotted_path) const;

  // True for a scalar whose text it is and for a list that has such a scalar.
  bool holds(std::string_view text) const;

 private:
  friend class JsonTree;
  JsonValue(const JsonTree* tree, uint32_t index) : tree_(tree), index_(index) {}

  const JsonTree* tree_ = nullptr;
  uint32_t index_ = 0;
};

class JsonTree {
 public:
  JsonTree() = default;
  JsonValue root() const { return nodes_.empty() ? JsonValue() : JsonValue(this, 0); }
  size_t memory_bytes() const { return nodes_.capacity() * sizeof(Node) + text_.capacity(); }

 private:
  friend class JsonValue;
  friend class JsonTreeBuilder;
  struct Node {
    uint32_t name_at = 0, name_size = 0;  // in text_
    uint32_t text_at = 0, text_size = 0;
    uint32_t next = 0;  // sibling; 0: none, since the root is nobody's sibling
    uint32_t first = 0;
    JsonKind kind = JsonKind::null;
  };
  std::vector<Node> nodes_;
  std::string text_;
};

// Appends the value as JSON text, without white space.
void append_json(std::string& out, JsonValue value);
// "name":value to an object that out ends with so far, behind a ',' unless it is the first.
void append_json_member(std::string& out, JsonValue member);

// The error is a literal sentence.
std::expected<JsonTree, const char*> parse_json(std::string_view text, const JsonLimits& limits);

}  // namespace auth
