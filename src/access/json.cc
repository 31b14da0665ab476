#include "access/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/bytes.h"

namespace auth {
namespace {

namespace dom = simdjson::dom;

// Whole numbers below this are written without an exponent, however they were sent: 1e3 is "1000". Above it a
// written-out number would be an integer of more than 64 bits, which is no longer read.
constexpr double kWholeNumberMax = 1e18;

}  // namespace

class JsonTreeBuilder {
 public:
  explicit JsonTreeBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool build(dom::element root) {
    add_node();
    return fill(0, root, 0);
  }
  const char* error() const { return error_; }
  JsonTree take_tree() { return std::move(tree_); }

 private:
  using Node = JsonTree::Node;

  bool refuse(const char* why) {
    error_ = why;
    return false;
  }

  uint32_t add_node() {
    tree_.nodes_.emplace_back();
    return static_cast<uint32_t>(tree_.nodes_.size() - 1);
  }

  // Nodes move while children are added, so a node is named by its index.
  void set_text(uint32_t node, std::string_view text) {
    tree_.nodes_[node].text_at = static_cast<uint32_t>(tree_.text_.size());
    tree_.nodes_[node].text_size = static_cast<uint32_t>(text.size());
    tree_.text_.append(text);
  }

  template <class Number>
  void set_number(uint32_t node, Number value) {
    char digits[64];
    auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    set_text(node, {digits, static_cast<size_t>(end - digits)});
  }

  void set_double(uint32_t node, double value) {
    if (std::abs(value) >= kWholeNumberMax) {
      char digits[64];
      auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
      set_text(node, {digits, static_cast<size_t>(end - digits)});
    } else if (value == std::floor(value)) {
      set_number(node, static_cast<int64_t>(value));
    } else {
      set_number(node, value);
    }
  }

  bool fill(uint32_t node, dom::element element, uint32_t depth) {
    if (tree_.nodes_.size() > limits_.values) return refuse("the JSON has too many values");
    Node& here = tree_.nodes_[node];
    switch (element.type()) {
      case dom::element_type::ARRAY:
        here.kind = JsonKind::array;
        return fill_array(node, element.get_array().value_unsafe(), depth + 1);
      case dom::element_type::OBJECT:
        here.kind = JsonKind::object;
        return fill_object(node, element.get_object().value_unsafe(), depth + 1);
      case dom::element_type::STRING:
        here.kind = JsonKind::string;
        set_text(node, element.get_string().value_unsafe());
        return true;
      case dom::element_type::BOOL:
        here.kind = JsonKind::boolean;
        set_text(node, element.get_bool().value_unsafe() ? "true" : "false");
        return true;
      case dom::element_type::NULL_VALUE:
        set_text(node, "null");
        return true;
      case dom::element_type::INT64:
        here.kind = JsonKind::number;
        set_number(node, element.get_int64().value_unsafe());
        return true;
      case dom::element_type::UINT64:
        here.kind = JsonKind::number;
        set_number(node, element.get_uint64().value_unsafe());
        return true;
      case dom::element_type::DOUBLE:
        here.kind = JsonKind::number;
        set_double(node, element.get_double().value_unsafe());
        return true;
    }
    return refuse("the JSON is not valid");
  }

  // Links a new child behind the last one (0: the first child).
  uint32_t add_child(uint32_t parent, uint32_t last) {
    uint32_t child = add_node();
    (last == 0 ? tree_.nodes_[parent].first : tree_.nodes_[last].next) = child;
    return child;
  }

  bool fill_array(uint32_t node, dom::array array, uint32_t depth) {
    if (depth > limits_.depth) return refuse("the JSON is nested too deep");
    uint32_t last = 0;
    for (dom::element element : array) {
      last = add_child(node, last);
      if (!fill(last, element, depth)) return false;
    }
    return true;
  }

  bool fill_object(uint32_t node, dom::object object, uint32_t depth) {
    if (depth > limits_.depth) return refuse("the JSON is nested too deep");
    std::vector<std::string_view> names;
    uint32_t last = 0;
    for (dom::key_value_pair field : object) {
      last = add_child(node, last);
      names.push_back(field.key);
      tree_.nodes_[last].name_at = static_cast<uint32_t>(tree_.text_.size());
      tree_.nodes_[last].name_size = static_cast<uint32_t>(field.key.size());
      tree_.text_.append(field.key);
      if (!fill(last, field.value, depth)) return false;
    }
    // RFC 8725 §2.4: readers disagree on which of two equal names counts, so neither does. Compared
    // unescaped.
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
      return refuse("a name stands twice in a JSON object");
    }
    return true;
  }

  const JsonLimits& limits_;
  JsonTree tree_;
  const char* error_ = "";
};

std::expected<JsonTree, const char*> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) return std::unexpected("the JSON is too large");
  thread_local dom::parser parser;
  dom::element root;
  if (parser.parse(text.data(), text.size(), true).get(root) != simdjson::SUCCESS) {
    return std::unexpected("the JSON is not valid");
  }
  JsonTreeBuilder builder(limits);
  if (!builder.build(root)) return std::unexpected(builder.error());
  return builder.take_tree();
}

JsonKind JsonValue::kind() const { return tree_ == nullptr ? JsonKind::null : tree_->nodes_[index_].kind; }

std::string_view JsonValue::text() const {
  if (tree_ == nullptr) return {};
  const auto& node = tree_->nodes_[index_];
  return std::string_view(tree_->text_).substr(node.text_at, node.text_size);
}

std::string_view JsonValue::name() const {
  if (tree_ == nullptr) return {};
  const auto& node = tree_->nodes_[index_];
  return std::string_view(tree_->text_).substr(node.name_at, node.name_size);
}

JsonValue JsonValue::first() const {
  uint32_t child = tree_ == nullptr ? 0 : tree_->nodes_[index_].first;
  return child == 0 ? JsonValue() : JsonValue(tree_, child);
}

JsonValue JsonValue::next() const {
  uint32_t sibling = tree_ == nullptr ? 0 : tree_->nodes_[index_].next;
  return sibling == 0 ? JsonValue() : JsonValue(tree_, sibling);
}

JsonValue JsonValue::member(std::string_view name) const {
  if (!is(JsonKind::object)) return {};
  for (JsonValue child = first(); child; child = child.next()) {
    if (child.name() == name) return child;
  }
  return {};
}

JsonValue JsonValue::find(std::string_view dotted_path) const {
  if (JsonValue exact = member(dotted_path)) return exact;
  for (size_t dot = dotted_path.find('.'); dot != dotted_path.npos; dot = dotted_path.find('.', dot + 1)) {
    JsonValue outer = member(dotted_path.substr(0, dot));
    if (!outer) continue;
    if (JsonValue inner = outer.find(dotted_path.substr(dot + 1))) return inner;
  }
  return {};
}

void append_json_member(std::string& out, JsonValue member) {
  if (out.back() != '{') out += ',';
  out += '"';
  base::append_json_escaped(out, member.name());
  out += "\":";
  append_json(out, member);
}

void append_json(std::string& out, JsonValue value) {
  if (value.is(JsonKind::object)) {
    out += '{';
    for (JsonValue member = value.first(); member; member = member.next()) append_json_member(out, member);
    out += '}';
  } else if (value.is(JsonKind::array)) {
    out += '[';
    for (JsonValue item = value.first(); item; item = item.next()) {
      if (out.back() != '[') out += ',';
      append_json(out, item);
    }
    out += ']';
  } else if (value.is(JsonKind::string)) {
    out += '"';
    base::append_json_escaped(out, value.text());
    out += '"';
  } else {
    out += value ? value.text() : "null";
  }
}

bool JsonValue::holds(std::string_view text) const {
  auto is_scalar = [](JsonValue value) { return value.kind() < JsonKind::array; };
  if (tree_ == nullptr) return false;
  if (is_scalar(*this)) return this->text() == text;
  if (kind() != JsonKind::array) return false;
  for (JsonValue element = first(); element; element = element.next()) {
    if (is_scalar(element) && element.text() == text) return true;
  }
  return false;
}

}  // namespace auth
