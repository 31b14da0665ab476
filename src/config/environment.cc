#include "config/environment.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"

namespace config {
namespace {

constexpr size_t kNameBytesMax = 100;

bool same_text(const Node& a, const Node& b) {
  return a.kind == b.kind && a.typing == b.typing && a.text == b.text &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), same_text);
}

class Reader {
 public:
  Reader(const Files& files, const Document& document, std::string_view prefix, Diagnostics& diagnostics)
      : files_(files), document_(document), prefix_(prefix), diagnostics_(diagnostics) {}

  void read(const Node& body, Environment& out) {
    if (body.is_null()) return;
    if (body.kind != Node::Kind::map) {
      return error(body, "", "an environment is a map of names to values", "write `name: value`");
    }
    for (size_t i = 0; i + 1 < body.items.size(); i += 2) {
      const Node& key = body.items[i];
      if (!is_plain_name(key.text)) {
        error(key, "", fmt::format("`{}` cannot be the name of a value", key.text.substr(0, 60)),
              "use letters, digits, `_`, `-` and `.`");
        continue;
      }
      EnvironmentValue value;
      value.source = document_.source(body.items[i + 1]);
      value.reported = !read_value(key.text, body.items[i + 1], value);
      out.values.insert_or_assign(key.text, std::move(value));
    }
  }

 private:
  void error(const Node& node, std::string_view name, std::string message, std::string hint) {
    std::string key(prefix_);
    if (!name.empty()) key += (key.empty() ? "" : ".") + std::string(name);
    diagnostics_.push_back({.source = document_.source(node),
                            .key = std::move(key),
                            .message = std::move(message),
                            .hint = std::move(hint),
                            .line = document_.line(node.line),
                            .width = node.kind == Node::Kind::scalar ? node.width : 1});
  }

  bool read_value(const std::string& name, const Node& node, EnvironmentValue& out) {
    out.node.line = node.line;
    out.node.column = node.column;
    if (node.kind != Node::Kind::list) return read_one(name, node, out.node, out);
    out.node.kind = Node::Kind::list;
    for (const Node& item : node.items) {
      if (item.kind == Node::Kind::list) {
        error(item, name, "a list stands within a list",
              "a value is one text, one number, or a list of texts");
        return false;
      }
      if (!read_one(name, item, out.node.items.emplace_back(), out)) return false;
    }
    return true;
  }

  bool read_one(const std::string& name, const Node& node, Node& out, EnvironmentValue& value) {
    if (node.kind == Node::Kind::map) return read_outside(name, node, out, value);
    if (node.is_null()) {
      error(node, name, "the value is empty", "write one, or remove the name");
      return false;
    }
    if (node.text.find("${") != node.text.npos) {
      error(node, name, "a value cannot refer to another value", "write it out");
      return false;
    }
    out = node;
    return true;
  }

  // { env: VAR } or { file: PATH }
  bool read_outside(const std::string& name, const Node& node, Node& out, EnvironmentValue& value) {
    const Node* variable = node.find("env");
    const Node* file = node.find("file");
    const Node* one = variable ? variable : file;
    if (!one || node.items.size() != 2) {
      constexpr std::string_view kKnown[] = {"env", "file"};
      std::string_view nearest = node.items.size() == 2 ? base::nearest_word(node.items[0].text, kKnown) : "";
      error(node, name, "an environment holds values, not settings or rules",
            nearest.empty() ? "write a text, a number, a list of texts, `{ env: VAR }` or `{ file: PATH }`"
                            : fmt::format("did you mean `{}`?", nearest));
      return false;
    }
    if (one->kind != Node::Kind::scalar || scalar_type(*one) != ScalarType::string || one->text.empty()) {
      error(*one, name, variable ? "`env` takes the name of an environment variable" : "`file` takes a path",
            variable ? "write `{ env: STAFF_SECRET }`" : "write `{ file: /run/secrets/staff }`");
      return false;
    }
    value.secret = true;
    out.line = node.line;
    out.column = node.column;
    out.typing = Node::Typing::any;
    if (variable) return read_variable(one->text, out, value);
    value.file = one->text;
    return read_file(out, value);
  }

  bool read_variable(const std::string& name, Node& out, EnvironmentValue& value) {
    auto text = files_.variable(name);
    if (!text || text->empty()) {
      value.problem = fmt::format("the environment variable `{}` is {}", name, text ? "empty" : "not set");
      return true;
    }
    out.text = std::move(*text);
    return true;
  }

  bool read_file(Node& out, EnvironmentValue& value) {
    auto text = files_.read(value.file, kValueFileBytesMax);
    if (!text) {
      value.problem = fmt::format("the file `{}` {}", value.file, words_of(text.error()));
      return true;
    }
    while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
    if (text->empty()) value.problem = fmt::format("the file `{}` is empty", value.file);
    out.text = std::move(*text);
    return true;
  }

  const Files& files_;
  const Document& document_;
  std::string_view prefix_;
  Diagnostics& diagnostics_;
};

}  // namespace

bool same_value(const EnvironmentValue& a, const EnvironmentValue& b) {
  return same_text(a.node, b.node) && a.secret == b.secret && a.reported == b.reported && a.file == b.file &&
         a.problem == b.problem;
}

Environment decode_environment(const Files& files, const Document& document, const Node& body,
                               std::string_view name, std::string_view key, Diagnostics& diagnostics) {
  Environment environment{.name = std::string(name), .place = *document.file, .values = {}};
  Reader(files, document, key, diagnostics).read(body, environment);
  return environment;
}

bool is_plain_name(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  if (!base::is_alpha(text[0]) && !base::is_digit(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return base::is_alpha(c) || base::is_digit(c) || c == '_' || c == '-' || c == '.';
  });
}

std::string environment_schema() {
  // One: a text, a number, or read from outside.
  return R"({"type":"object","description":"Values by name, used as ${name}. Values only: an environment cannot change who gets in.",)"
         R"("propertyNames":{"pattern":"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"},"additionalProperties":{"anyOf":[)"
         R"({"type":["string","number","boolean"]},)"
         R"({"type":"object","properties":{"env":{"type":"string","description":"The name of an environment variable."}},"required":["env"],"additionalProperties":false},)"
         R"({"type":"object","properties":{"file":{"type":"string","description":"A file with the value."}},"required":["file"],"additionalProperties":false},)"
         R"({"type":"array","items":{"anyOf":[{"type":["string","number","boolean"]},)"
         R"({"type":"object","properties":{"env":{"type":"string"},"file":{"type":"string"}},"minProperties":1,"maxProperties":1,"additionalProperties":false}]}}]}})";
}

}  // namespace config
