// YAML text to a small tree of nodes with places, and nothing else: no meaning. Called by the loader for
// every file; the only code that sees libyaml. Bounded in size, depth and count; what the language leaves out
// (anchors, aliases, tags, merge keys, several documents) is refused here, in words for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/source.h"
#include "config/diagnostics.h"

namespace config {

inline constexpr size_t kFileBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kDepthMax = 32;  // of lists and maps within each other; decoding recurses as deep
inline constexpr size_t kNodesMax = 200'000;  // about 20 MB of tree

struct Node {
  enum class Kind : uint8_t { scalar, list, map };
  // any: the text is of no type yet (it came from outside YAML), and fits whatever it reads as.
  enum class Typing : uint8_t { plain, quoted, any };

  Kind kind = Kind::scalar;
  Typing typing = Typing::plain;
  bool flow = false;        // a list or map written as [..] or {..}
  bool refused = false;     // already reported; whoever decodes passes over it
  int line = 0;             // from 1
  int column = 0;           // from 1, in bytes
  int end_line = 0;         // the last line with something of it
  int width = 1;            // of a scalar, within its first line
  std::string text;         // of a scalar
  std::vector<Node> items;  // of a list; of a map: key, value, key, value; keys are scalars

  const Node* find(std::string_view key) const;  // in a map; nullptr when absent or not a map
  bool is_null() const;                          // nothing written, `null` or `~`
};

// Equal in text, shape and place.
bool operator==(const Node& a, const Node& b);

// YAML 1.2 core schema (§10.3.2), for plain scalars: `on`, `yes` and 0777 dates are strings or plain
// integers.
enum class ScalarType : uint8_t { null, boolean, integer, number, string };
ScalarType scalar_type(const Node& scalar);

struct Document {
  std::shared_ptr<const std::string> file;
  std::string text;
  Node root;
  bool readable = false;  // false: the syntax is broken, root is empty and diagnostics say why

  base::Source source(const Node& node) const { return {file, node.line, node.column}; }
  std::string line(int number) const;  // without its line break; empty when there is none
};

Document parse_yaml(std::string_view file, std::string text, Diagnostics& diagnostics);

}  // namespace config
