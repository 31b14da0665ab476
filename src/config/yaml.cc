#include "config/yaml.h"

#include <fmt/core.h>
#include <yaml.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/bytes.h"
#include "config/yaml_problem.h"

namespace config {
namespace {

std::string_view text_of(const yaml_char_t* text) { return text ? reinterpret_cast<const char*>(text) : ""; }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Reads libyaml's events into document.root with an explicit stack, so that hostile nesting costs no stack of
// ours.
class TreeReader {
 public:
  TreeReader(Document& document, Diagnostics& diagnostics)
      : document_(document), diagnostics_(diagnostics), ascii_(is_ascii(document.text)) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(document.text.data()),
                                 document.text.size());
  }
  ~TreeReader() { yaml_parser_delete(&parser_); }
  TreeReader(const TreeReader&) = delete;

  void read() {
    bool more = true;
    while (more && !stopped_) {
      yaml_event_t event;
      if (!yaml_parser_parse(&parser_, &event)) {
        diagnostics_.push_back(rephrase_problem(parser_, document_));
        stopped_ = true;
        break;
      }
      more = event.type != YAML_STREAM_END_EVENT;
      take(event);
      yaml_event_delete(&event);
    }
    document_.readable = !stopped_;
    if (document_.root.line == 0) document_.root.line = document_.root.column = 1;  // an empty file
    if (stopped_) document_.root = Node{};
  }

 private:
  int column(const yaml_mark_t& mark) const {
    return ascii_ ? static_cast<int>(mark.column) + 1 : byte_column(document_, mark);
  }

  void report(const yaml_event_t& event, std::string message, std::string hint) {
    int line = static_cast<int>(event.start_mark.line) + 1;
    diagnostics_.push_back({.source = {document_.file, line, column(event.start_mark)},
                            .key = {},
                            .message = std::move(message),
                            .hint = std::move(hint),
                            .line = document_.line(line)});
  }
  void stop(const yaml_event_t& event, std::string message, std::string hint) {
    report(event, std::move(message), std::move(hint));
    stopped_ = true;
  }

  void take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        take_document(event);
        break;
      case YAML_ALIAS_EVENT:
        report(event,
               fmt::format("`*{}` is an alias, which gates do not have", text_of(event.data.alias.anchor)),
               "text that begins with `*` goes in quotes; otherwise write the value out");
        add(event, Node{.refused = true});
        break;
      case YAML_SCALAR_EVENT:
        take_scalar(event);
        break;
      case YAML_SEQUENCE_START_EVENT:
        refuse_anchor_and_tag(event, event.data.sequence_start.anchor, event.data.sequence_start.tag);
        open(event, Node::Kind::list, event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
        break;
      case YAML_MAPPING_START_EVENT:
        refuse_anchor_and_tag(event, event.data.mapping_start.anchor, event.data.mapping_start.tag);
        open(event, Node::Kind::map, event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
        break;
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        close(event);
        break;
      default:
        break;
    }
  }

  void take_document(const yaml_event_t& event) {
    if (++documents_ > 1) {
      stop(event, "a second document begins here, and a file holds one",
           "remove the `---` line, or move what follows into a file of its own");
    }
    const auto& start = event.data.document_start;
    if (start.version_directive || start.tag_directives.start != start.tag_directives.end) {
      report(event, "directives (lines that begin with `%`) are not part of a gate's files", "remove it");
    }
  }

  void refuse_anchor_and_tag(const yaml_event_t& event, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor) {
      report(
          event, fmt::format("`&{}` is an anchor, which gates do not have", text_of(anchor)),
          "text that begins with `&` goes in quotes; to share a value, name it in the environments and write "
          "`${name}`");
    }
    if (tag) {
      report(event, fmt::format("`{}` is a tag, which gates do not have", text_of(tag)),
             "text that begins with `!` goes in quotes; otherwise remove the tag");
    }
  }

  void take_scalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    refuse_anchor_and_tag(event, scalar.anchor, scalar.tag);
    Node node;
    node.refused = scalar.tag != nullptr;
    node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    node.typing = scalar.style == YAML_PLAIN_SCALAR_STYLE ? Node::Typing::plain : Node::Typing::quoted;
    if (event.end_mark.line == event.start_mark.line) {
      node.width = std::max(1, static_cast<int>(event.end_mark.column - event.start_mark.column));
    }
    add(event, std::move(node));
  }

  void open(const yaml_event_t& event, Node::Kind kind, bool flow) {
    if (stack_.size() == kDepthMax) {
      return stop(event, fmt::format("more than {} lists and maps stand within each other", kDepthMax),
                  "a gate needs far fewer; check the brackets and the indentation");
    }
    Node node;
    node.kind = kind;
    node.flow = flow;
    if (Node* opened = add(event, std::move(node))) stack_.push_back({.node = opened, .keys = {}});
  }

  void close(const yaml_event_t& event) {
    if (stack_.empty()) return;
    Node* closed = stack_.back().node;
    // The end of a block collection is where the next token begins; of a flow collection, its bracket.
    if (closed->flow) closed->end_line = static_cast<int>(event.end_mark.line) + 1;
    stack_.pop_back();
    if (!stack_.empty())
      stack_.back().node->end_line = std::max(stack_.back().node->end_line, closed->end_line);
  }

  // A pointer into a parent's items stays valid while the node is on the stack: only the innermost grows.
  Node* add(const yaml_event_t& event, Node node) {
    if (++nodes_ > kNodesMax) {
      stop(event, fmt::format("the file holds more than {} values", kNodesMax),
           "split it into several services");
      return nullptr;
    }
    node.line = static_cast<int>(event.start_mark.line) + 1;
    node.column = column(event.start_mark);
    node.end_line = static_cast<int>(event.end_mark.line) + 1;
    // A block scalar's end mark is the line behind it.
    if (event.end_mark.column == 0 && node.end_line > node.line) --node.end_line;
    if (stack_.empty()) {
      document_.root = std::move(node);
      return &document_.root;
    }
    Open& parent = stack_.back();
    parent.node->end_line = std::max(parent.node->end_line, node.end_line);
    bool is_key = parent.node->kind == Node::Kind::map && parent.node->items.size() % 2 == 0;
    if (is_key) take_key(event, parent, node);
    parent.node->items.push_back(std::move(node));
    return &parent.node->items.back();
  }

  struct Open {
    Node* node;
    std::unordered_map<std::string, int> keys;  // to the line that has it
  };

  void take_key(const yaml_event_t& event, Open& parent, Node& key) {
    if (key.kind != Node::Kind::scalar) {
      return stop(event, "a list or a map cannot be a key", "write `key: value`");
    }
    if (key.text == "<<" && key.typing == Node::Typing::plain) {
      key.refused = true;
      report(event, "`<<` merges a map, which gates do not have",
             "write the keys out, or put them under `defaults:` in gatehouse.yaml");
    }
    auto [first, is_new] = parent.keys.try_emplace(key.text, key.line);
    if (!is_new) {
      report(event, fmt::format("`{}` is written twice, here and on line {}", key.text, first->second),
             "keep one of them");
    }
  }

  Document& document_;
  Diagnostics& diagnostics_;
  bool ascii_;
  yaml_parser_t parser_{};
  std::vector<Open> stack_;
  size_t nodes_ = 0;
  int documents_ = 0;
  bool stopped_ = false;
};

bool is_integer(std::string_view text) {
  auto all_of = [](std::string_view digits, std::string_view allowed) {
    return !digits.empty() && digits.find_first_not_of(allowed) == digits.npos;
  };
  if (text.starts_with("0o")) return all_of(text.substr(2), "01234567");
  if (text.starts_with("0x")) return all_of(text.substr(2), "0123456789abcdefABCDEF");
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return all_of(text, "0123456789");
}

bool is_number(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return true;
  size_t i = 0;
  size_t digits = 0;
  auto skip_digits = [&] {
    for (; i < text.size() && base::is_digit(text[i]); ++i) ++digits;
  };
  skip_digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    skip_digits();
  }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] | 0x20) == 'e') {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    digits = 0;
    skip_digits();
    if (digits == 0) return false;
  }
  return i == text.size();
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  if (kind != Kind::map) return nullptr;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].text == key) return &items[i + 1];
  }
  return nullptr;
}

bool Node::is_null() const { return kind == Kind::scalar && scalar_type(*this) == ScalarType::null; }

bool operator==(const Node& a, const Node& b) {
  return a.kind == b.kind && a.typing == b.typing && a.line == b.line && a.column == b.column &&
         a.text == b.text && a.items == b.items;
}

ScalarType scalar_type(const Node& scalar) {
  if (scalar.typing != Node::Typing::plain) return ScalarType::string;
  std::string_view text = scalar.text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return ScalarType::null;
  if (text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" ||
      text == "FALSE") {
    return ScalarType::boolean;
  }
  if (is_integer(text)) return ScalarType::integer;
  if (is_number(text)) return ScalarType::number;
  return ScalarType::string;
}

std::string Document::line(int number) const {
  size_t begin = 0;
  for (int i = 1; i < number; ++i) {
    begin = text.find('\n', begin);
    if (begin == text.npos) return {};
    ++begin;
  }
  std::string found = text.substr(begin, text.find('\n', begin) - begin);
  if (found.ends_with('\r')) found.pop_back();
  return found;
}

Document parse_yaml(std::string_view file, std::string text, Diagnostics& diagnostics) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  Document document;
  document.file = std::make_shared<const std::string>(file);
  document.text = std::move(text);
  if (document.text.size() > kFileBytesMax) {
    diagnostics.push_back({.source = {document.file, 1, 1},
                           .key = {},
                           .message = fmt::format("the file is larger than {} MiB", kFileBytesMax >> 20),
                           .hint = "split it into several services",
                           .line = {}});
    return document;
  }
  TreeReader(document, diagnostics).read();
  return document;
}

}  // namespace config
