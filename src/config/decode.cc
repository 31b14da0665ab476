#include "config/decode.h"

#include <fmt/core.h>

#include <algorithm>
#include <climits>
#include <optional>

#include "base/bytes.h"

namespace config {
namespace {

constexpr size_t kTextShownMax = 60;
constexpr size_t kErrorsPerFileMax = 100;
// A list of known keys longer than this helps nobody.
constexpr size_t kKeysShownMax = 12;

// The name in a scalar that is ${name} as a whole.
std::optional<std::string_view> value_name(std::string_view text) {
  if (!text.starts_with("${") || !text.ends_with('}')) return std::nullopt;
  std::string_view name = text.substr(2, text.size() - 3);
  if (!is_plain_name(name)) return std::nullopt;
  return name;
}

// "production", "staging and production", "a, b and c"
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += "`" + words[i] + "`";
  }
  return out;
}

}  // namespace

// --- Places ---

Decoder::At::At(Decoder& decoder, std::string_view key) : decoder_(decoder), length_(decoder.path_.size()) {
  bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return base::is_alpha(c) || base::is_digit(c) || c == '_' || c == '-';
  });
  if (!plain) {
    decoder.path_ += fmt::format("[\"{}\"]", key.substr(0, kTextShownMax));
    return;
  }
  if (!decoder.path_.empty()) decoder.path_ += '.';
  decoder.path_ += key;
}

Decoder::At::At(Decoder& decoder, size_t index) : decoder_(decoder), length_(decoder.path_.size()) {
  decoder.path_ += fmt::format("[{}]", index);
}

Decoder::In::In(Decoder& decoder, const Document& document, std::string_view path)
    : decoder_(decoder), document_before_(decoder.document_), path_before_(decoder.path_) {
  decoder_.document_ = &document;
  decoder_.path_ = path;
}

Decoder::In::~In() {
  decoder_.document_ = document_before_;
  decoder_.path_ = path_before_;
}

base::Source Decoder::source(const Node& node) const { return document_->source(site_ ? *site_ : node); }

std::string Decoder::quoted(const Node& node) const {
  std::string_view text = node.text;
  text = text.substr(0, text.find('\n'));
  if (text.size() == node.text.size() && text.size() <= kTextShownMax) return fmt::format("`{}`", text);
  size_t shown = std::min(text.size(), kTextShownMax);
  while (shown > 0 && (static_cast<unsigned char>(text[shown - 1]) & 0xC0) == 0x80) --shown;
  if (shown > 0 && (static_cast<unsigned char>(text[shown - 1]) & 0x80) != 0) --shown;
  return fmt::format("`{}...`", text.substr(0, shown));
}

std::string Decoder::described(const Node& node) const {
  if (node.kind == Node::Kind::list) return "a list";
  if (node.kind == Node::Kind::map) return "a map";
  switch (scalar_type(node)) {
    case ScalarType::null:
      return "empty";
    case ScalarType::boolean:
      return fmt::format("the boolean {}", quoted(node));
    case ScalarType::integer:
    case ScalarType::number:
      return fmt::format("the number {}", quoted(node));
    case ScalarType::string:
      break;
  }
  return fmt::format("the text {}", quoted(node));
}

std::string_view Decoder::value_file() const {
  return value_ ? std::string_view(value_->file) : std::string_view();
}

std::optional<std::string> Decoder::read_file(const Node& node, const std::string& path, size_t bytes_max) {
  if (muted_ || !known.files) return std::nullopt;
  // Before the reading: a change in between is then seen as one.
  used_files_.push_back({.path = path, .identity = known.files->identify(path)});
  auto text = known.files->read(path, bytes_max);
  if (text && !text->empty()) return std::move(*text);
  if (context_.missing_secrets_ignored) {
    incomplete_ = true;
    return std::nullopt;
  }
  bool relative = !path.starts_with('/') && !text && text.error() == FileError::missing;
  error(node, fmt::format("the file `{}` {}", path, text ? "is empty" : words_of(text.error())),
        relative ? "relative paths are taken from the gate's folder" : "");
  return std::nullopt;
}

// --- Reports ---

void Decoder::error(const Node& node, std::string message, std::string hint) {
  report(Severity::error, node, std::move(message), std::move(hint));
}

void Decoder::warning(const Node& node, std::string message, std::string hint) {
  report(Severity::warning, node, std::move(message), std::move(hint));
}

void Decoder::error_in_secret(const Node& node, std::string message, std::string hint) {
  report(Severity::error, node, std::move(message), std::move(hint), Words::own);
}

void Decoder::warning_in_secret(const Node& node, std::string message, std::string hint) {
  report(Severity::warning, node, std::move(message), std::move(hint), Words::own);
}

void Decoder::conceal(const Node& node) {
  if (site_) return;  // diagnostics show where a value is named
  // Columns are those of libyaml, which counts characters: where bytes are more, and for what is no scalar of
  // one line, all is concealed.
  auto is_ascii = [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; };
  bool exact = node.kind == Node::Kind::scalar && node.line == node.end_line &&
               std::ranges::all_of(document_->line(node.line), is_ascii);
  concealed_.push_back({.document = document_,
                        .line = node.line,
                        .last_line = node.end_line,
                        .column = exact ? node.column : 1,
                        .width = exact ? node.width : INT_MAX});
  for (Diagnostic& before : diagnostics_) {
    int line = before.source.line;
    if (before.source.file == document_->file && line >= node.line && line <= node.end_line)
      before.line = shown_line(line);
  }
}

std::string Decoder::shown_line(int number) const {
  std::string line = document_->line(number);
  for (const Concealed& part : concealed_) {
    size_t begin = static_cast<size_t>(part.column) - 1;
    bool within = part.document == document_ && part.line <= number && number <= part.last_line;
    if (!within || begin >= line.size()) continue;
    size_t width = std::min(static_cast<size_t>(part.width), line.size() - begin);
    line.replace(begin, width, width, '*');
  }
  return line;
}

void Decoder::report(Severity severity, const Node& node, std::string message, std::string hint,
                     Words words) {
  if (muted_) return;
  if (severity == Severity::error) ++errors_;
  if (errors_ > kErrorsPerFileMax) return;
  if (errors_ == kErrorsPerFileMax) {
    message = fmt::format("there are {} errors in this file; those that follow are left out", errors_);
    hint.clear();
  }
  const Node& place = site_ ? *site_ : node;
  if (value_ && value_->secret && words == Words::quoting) {
    // Messages and hints quote; a secret is never quoted, not even in part.
    message = fmt::format("the secret value of `${{{}}}` ({}) does not fit here", value_name_,
                          value_->source.text());
    hint.clear();
  } else if (value_) {
    message += fmt::format(" (`${{{}}}` is set in {})", value_name_, value_->source.text());
  }
  diagnostics_.push_back({.severity = severity,
                          .source = source(node),
                          .key = path_,
                          .message = std::move(message),
                          .hint = std::move(hint),
                          .line = shown_line(place.line),
                          .width = place.kind == Node::Kind::scalar ? place.width : 1});
}

// --- Values of the environment ---

Decoder::Substitution::Substitution(Decoder& decoder, const Node& node) : decoder(decoder) {
  if (node.refused) return;
  if (node.kind != Node::Kind::scalar || node.text.find("${") == node.text.npos) {
    this->node = &node;
    return;
  }
  if (decoder.value_) {
    decoder.error(node, "a value of an environment cannot refer to another value", "write it out");
    return;
  }
  if (auto name = value_name(node.text)) {
    enter(node, *name);
    return;
  }
  std::string_view text = node.text;
  size_t begin = text.find("${");
  size_t end = text.find('}', begin);
  if (end == text.npos) {
    decoder.error(node, "`${` is never closed", "write `${name}`, and nothing around it");
  } else if (begin == 0 && end + 1 == text.size()) {
    decoder.error(node, fmt::format("{} does not name a value", decoder.quoted(node)),
                  "a name has letters, digits, `_`, `-` and `.`");
  } else {
    decoder.error(node, fmt::format("`{}` stands within a longer text", text.substr(begin, end + 1 - begin)),
                  "a value is used as a whole: put the whole text into the environments, and write only "
                  "`${name}` here");
  }
}

Decoder::Substitution::Substitution(Decoder& decoder, const Node& site, std::string_view name)
    : decoder(decoder) {
  enter(site, name);
}

void Decoder::Substitution::enter(const Node& site, std::string_view name) {
  decoder.used_values_.emplace(name);
  auto found = decoder.context_.environment.values.find(name);
  if (found == decoder.context_.environment.values.end()) return decoder.report_unknown_value(site, name);
  const EnvironmentValue& value = found->second;
  bool absent_value = value.reported || !value.problem.empty();
  if (!value.problem.empty() && !decoder.context_.missing_secrets_ignored) {
    decoder.error(site, fmt::format("{}, and `${{{}}}` is read from there in {}", value.problem, name,
                                    value.source.text()));
    return;
  }
  decoder.value_ = &value;
  decoder.value_name_ = name;
  decoder.site_ = &site;
  entered = true;
  node = &value.node;
  if (!absent_value) return;
  decoder.incomplete_ = true;
  decoder.muted_ = true;
  absent.typing = Node::Typing::any;
  absent.text = "absent";
  node = &absent;
}

Decoder::Substitution::~Substitution() {
  if (!entered) return;
  decoder.value_ = nullptr;
  decoder.site_ = nullptr;
  decoder.muted_ = false;
}

bool Decoder::has_value(std::string_view name) {
  used_values_.emplace(name);
  return context_.environment.values.contains(name);
}

std::string Decoder::who_lacks(std::string_view name) const {
  std::vector<std::string> lacking;
  for (const EnvironmentOutline& outline : context_.environments) {
    if (!outline.values.contains(name)) lacking.push_back(outline.name);
  }
  if (lacking.size() > 1 && lacking.size() == context_.environments.size()) return "any environment";
  return fmt::format("environment{} {}", lacking.size() == 1 ? "" : "s", joined(lacking));
}

void Decoder::report_unknown_value(const Node& site, std::string_view name) {
  if (context_.environments.empty()) {
    return error(site, fmt::format("`${{{}}}` has no value, because the gate has no environments", name),
                 fmt::format("write environments/{}.yaml with `{}: ...`", context_.environment.name, name));
  }
  std::vector<std::string_view> names;
  for (const auto& [known_name, value] : context_.environment.values) names.push_back(known_name);
  std::string_view nearest = base::nearest_word(name, names);
  error(site, fmt::format("`${{{}}}` has no value in {}", name, who_lacks(name)),
        nearest.empty() ? fmt::format("add `{}: ...` there", name)
                        : fmt::format("did you mean `${{{}}}`?", nearest));
}

// --- Records ---

const Field* Record::find(std::string_view key) const {
  for (const Field& field : fields) {
    if (field.text.key == key) return &field;
  }
  return nullptr;
}

namespace {

// Returns the key that was probably meant; empty when none is near.
std::string_view report_unknown_key(Decoder& decoder, const Node& key, const Record& table) {
  std::vector<std::string_view> known;
  for (const Field& field : table.fields) known.push_back(field.text.key);
  std::string_view nearest = base::nearest_word(key.text, known);
  for (std::string_view word : known) {  // "cert" for "certificate": the shortest that begins so
    bool shortened = key.text.size() >= 3 && word.starts_with(key.text);
    if (shortened && (!nearest.starts_with(key.text) || word.size() < nearest.size())) nearest = word;
  }
  std::string hint;
  if (!nearest.empty()) {
    hint = fmt::format("did you mean `{}`?", nearest);
  } else if (key.text.find(' ') != key.text.npos) {
    hint = "a text that contains `: ` goes in single quotes as a whole";
  } else if (known.size() <= kKeysShownMax) {
    hint = known.size() == 1 ? "the only key here is" : "the keys here are";
    for (size_t i = 0; i < known.size(); ++i) {
      hint += fmt::format("{} `{}`", i == 0 ? "" : i + 1 == known.size() ? " and" : ",", known[i]);
    }
  }
  decoder.error(key, "unknown key", hint);
  return nearest;
}

}  // namespace

void decode_record(Decoder& decoder, const Node& node, const Record& table, void* record) {
  if (node.refused) return;
  if (node.kind != Node::Kind::map) {
    decoder.error(node,
                  fmt::format("{} is a map of keys, and this is {}", table.noun, decoder.described(node)),
                  fmt::format("write `{}: ...` below it", table.fields[0].text.key));
    return;
  }
  std::set<std::string_view> meant;  // by keys that are misspelt
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const Node& key = node.items[i];
    const Node& value = node.items[i + 1];
    if (key.refused) continue;
    Decoder::At at(decoder, key.text);
    const Field* field = table.find(key.text);
    if (!field) {
      meant.insert(report_unknown_key(decoder, key, table));
    } else if (value.is_null() && !value.refused) {
      decoder.error(key, "the key has no value", "write one, or remove the key");
    } else {
      field->decode(decoder, value, record);
    }
  }
  for (const Field& field : table.fields) {
    bool missing = field.text.need == Need::required && !node.find(field.text.key);
    if (!missing || meant.contains(field.text.key)) continue;
    decoder.error(
        node, fmt::format("`{}` is missing", field.text.key),
        field.text.example[0] ? fmt::format("for example `{}: {}`", field.text.key, field.text.example) : "");
  }
}

// --- Lists ---

std::span<const Node> list_items(Decoder& decoder, const Node& node, Empty empty) {
  if (node.kind != Node::Kind::list) return {&node, 1};
  if (node.items.empty() && empty == Empty::refused) {
    decoder.error(node, "the list is empty", "write at least one, or remove the key");
  }
  return node.items;
}

std::string list_schema(const std::string& item, Empty empty) {
  return fmt::format(
      R"({{"anyOf":[{},{{"type":"array","items":{{"anyOf":[{},{{"$ref":"#/$defs/value"}}]}}{}}}]}})", item,
      item, empty == Empty::refused ? R"(,"minItems":1)" : "");
}

// --- Schemas ---

std::string SchemaBook::reference(const Record& table) {
  if (!definitions_.contains(table.name)) {
    definitions_.emplace(table.name, "");  // before its fields, which may refer to it again
    definitions_[table.name] = object(table);
  }
  return fmt::format(R"({{"$ref":"#/$defs/{}"}})", table.name);
}

std::string SchemaBook::object(const Record& table) {
  std::string properties;
  std::string required;
  for (const Field& field : table.fields) {
    if (!properties.empty()) properties += ',';
    properties += fmt::format(R"({}:{{"description":{},)", base::json_quoted(field.text.key),
                              base::json_quoted(field.text.doc));
    if (field.text.example[0]) properties += fmt::format(R"("examples":[{}],)", field.text.example);
    if (field.text.fallback[0]) properties += fmt::format(R"("default":{},)", field.text.fallback);
    properties += fmt::format(R"("anyOf":[{},{{"$ref":"#/$defs/value"}}]}})", field.schema(*this));
    if (field.text.need != Need::required) continue;
    if (!required.empty()) required += ',';
    required += base::json_quoted(field.text.key);
  }
  std::string out =
      fmt::format(R"({{"type":"object","description":{},"additionalProperties":false,"properties":{{{}}})",
                  base::json_quoted(table.doc), properties);
  if (!required.empty()) out += fmt::format(R"(,"required":[{}])", required);
  return out + "}";
}

std::string SchemaBook::definitions() const {
  std::string out =
      R"("value":{"type":"string","description":"A value of the environment, as a whole.","pattern":"^\\$\\{[A-Za-z0-9][A-Za-z0-9_.-]*\\}$"})";
  for (const auto& [name, schema] : definitions_)
    out += fmt::format(",{}:{}", base::json_quoted(name), schema);
  return out;
}

}  // namespace config
