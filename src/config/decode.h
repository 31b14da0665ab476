// How nodes become settings. A Kind says how one sort of value is decoded and how a schema describes it; a
// Record is the one table of a map's keys, from which come the decoding, the nearest key of a typo, and the
// schema, so that these cannot drift apart. The tables stand in *_table.cc; this file knows none of them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/source.h"
#include "config/diagnostics.h"
#include "config/environment.h"
#include "config/yaml.h"

namespace config {

class Decoder;
class SchemaBook;

template <class T>
struct Kind {
  using Value = T;
  void (*decode)(Decoder&, const Node&, T&);
  std::string (*schema)(SchemaBook&);
};

enum class Need : uint8_t { optional, required };

struct FieldText {
  const char* key;
  const char* doc;  // a sentence
  Need need = Need::optional;
  const char* example = "";   // JSON
  const char* fallback = "";  // JSON of the default
};

struct Field {
  FieldText text;
  void (*decode)(Decoder&, const Node&, void* record) = nullptr;
  std::string (*schema)(SchemaBook&) = nullptr;
};

struct Record {
  const char* name;  // of the schema's definition: "rule"
  const char* noun;  // for messages: "a rule"
  const char* doc;
  std::span<const Field> fields;

  const Field* find(std::string_view key) const;
};

template <class>
struct MemberOf;
template <class Owner, class T>
struct MemberOf<T Owner::*> {
  using Class = Owner;
};

// The table's row for one member: field<&ForwardSettings::to, kBackends>({.key = "to", .doc = "..."}).
template <auto kMember, const auto& kKind>
constexpr Field field(FieldText text);

// A provider of gatehouse.yaml as services need to know it, good or broken.
struct KnownProvider {
  std::string name;
  std::string mechanism;    // its key, such as "oidc"; empty: not known
  bool has_secret = false;  // `client_secret` is written
  bool operator==(const KnownProvider&) const = default;
};

// What a decoding run shares: where the node stands, the environment, and what was found wrong. One per file.
class Decoder {
 public:
  struct Context {
    const Environment& environment;
    std::span<const EnvironmentOutline> environments;
    bool missing_secrets_ignored = false;
  };

  Decoder(const Document& document, const Context& context, Diagnostics& diagnostics)
      : document_(&document), context_(context), diagnostics_(diagnostics) {}

  // Decodes what the node stands for: itself, or the value it names with ${name}.
  template <class T>
  void decode(const Kind<T>& kind, const Node& node, T& out) {
    Substitution substitution(*this, node);
    if (substitution.node) kind.decode(*this, *substitution.node, out);
  }

  void error(const Node& node, std::string message, std::string hint = {});
  void warning(const Node& node, std::string message, std::string hint = {});
  // About a value that must not be read by others: message and hint quote nothing of it.
  void error_in_secret(const Node& node, std::string message, std::string hint = {});
  void warning_in_secret(const Node& node, std::string message, std::string hint = {});
  // What no diagnostic may show from now on, nor any that was reported before.
  void conceal(const Node& node);
  size_t errors() const { return errors_; }

  // The node's place; for a value of an environment, where it is used.
  base::Source source(const Node& node) const;
  // "`text`", shortened. For messages, which drop it when it is a secret.
  std::string quoted(const Node& node) const;
  // "a list", "the number 4": what the node is, for "must be ..., and this is ...".
  std::string described(const Node& node) const;
  // The environment's path when the node being decoded is a value written { file: PATH }; else empty.
  std::string_view value_file() const;
  // Whether the node being decoded is a value read from outside the gate's files.
  bool is_secret() const { return value_ && value_->secret; }

  // The text of a file that the node names. Nothing when it cannot be read: that was reported, or is passed
  // over in a check for another machine. Either way the loader watches the file.
  std::optional<std::string> read_file(const Node& node, const std::string& path, size_t bytes_max);
  const std::vector<FileUse>& used_files() const { return used_files_; }
  // A check for another machine, whose files need not be here.
  bool missing_files_ignored() const { return context_.missing_secrets_ignored; }

  // Names of the environment that were asked for, found or not.
  const std::set<std::string, std::less<>>& used_values() const { return used_values_; }
  const Environment& environment() const { return context_.environment; }
  // Whether the environment has the value; counts as its use.
  bool has_value(std::string_view name);
  // "environment `production`": those that lack a value, for messages.
  std::string who_lacks(std::string_view name) const;
  // Decodes a value by its name, as if ${name} stood at node.
  template <class T>
  void decode_value(const Kind<T>& kind, std::string_view name, const Node& node, T& out) {
    Substitution substitution(*this, node, name);
    if (substitution.node) kind.decode(*this, *substitution.node, out);
  }
  // An unread secret or file was passed over: what was decoded lacks it.
  bool incomplete() const { return incomplete_; }

  // One step of the key path, for as long as it lives.
  class At {
   public:
    At(Decoder& decoder, std::string_view key);
    At(Decoder& decoder, size_t index);
    ~At() { decoder_.path_.resize(length_); }
    At(const At&) = delete;

   private:
    Decoder& decoder_;
    size_t length_;
  };
  const std::string& path() const { return path_; }

  // The nodes that follow stand in another file, below another path.
  class In {
   public:
    In(Decoder& decoder, const Document& document, std::string_view path);
    ~In();
    In(const In&) = delete;

   private:
    Decoder& decoder_;
    const Document* document_before_;
    std::string path_before_;
  };
  const Document& document() const { return *document_; }

  // What the decoded settings are checked against, filled in by the loader.
  struct Known {
    std::string_view service;  // whose file this is; "gate" for gatehouse.yaml
    std::span<const KnownProvider> providers;
    std::vector<std::string_view> gate_rules;
    const Files* files = nullptr;
  };
  Known known;

 private:
  struct Substitution {
    Substitution(Decoder& decoder, const Node& node);
    Substitution(Decoder& decoder, const Node& site, std::string_view name);
    ~Substitution();
    Substitution(const Substitution&) = delete;
    void enter(const Node& site, std::string_view name);

    Decoder& decoder;
    const Node* node = nullptr;  // null: an error was reported
    bool entered = false;
    Node absent;
  };
  friend struct Substitution;

  // Whether the words of a diagnostic may have something of the value in them.
  enum class Words : uint8_t { quoting, own };
  void report(Severity severity, const Node& node, std::string message, std::string hint,
              Words words = Words::quoting);
  std::string shown_line(int number) const;
  void report_unknown_value(const Node& site, std::string_view name);

  // A part of a line that is not shown, or whole lines.
  struct Concealed {
    const Document* document;
    int line, last_line, column, width;
  };

  const Document* document_;
  Context context_;
  Diagnostics& diagnostics_;
  std::string path_;
  size_t errors_ = 0;
  std::set<std::string, std::less<>> used_values_;
  std::vector<FileUse> used_files_;
  bool incomplete_ = false;
  // While a value of the environment is decoded: the value, its name, and the node that names it.
  const EnvironmentValue* value_ = nullptr;
  std::string value_name_;
  const Node* site_ = nullptr;
  std::vector<Concealed> concealed_;
  bool muted_ = false;  // an absent secret is being decoded
};

// Reports unknown, later, missing and wrongly typed keys; decodes the rest into record, which outlives the
// call.
void decode_record(Decoder& decoder, const Node& node, const Record& table, void* record);

// Collects the definitions a schema refers to.
class SchemaBook {
 public:
  // {"$ref":"#/$defs/NAME"}, adding the table's definition when it is new.
  std::string reference(const Record& table);
  // The table's schema itself.
  std::string object(const Record& table);
  std::string definitions() const;  // the inside of "$defs"

 private:
  std::map<std::string, std::string, std::less<>> definitions_;
};

// --- Kinds made of kinds ---

template <class T, const Record& kTable>
void decode_plain_record(Decoder& decoder, const Node& node, T& out) {
  decode_record(decoder, node, kTable, &out);
}
template <const Record& kTable>
std::string record_schema(SchemaBook& book) {
  return book.reference(kTable);
}
// A map of the table's keys.
template <class T, const Record& kTable>
inline constexpr Kind<T> kRecordOf = {decode_plain_record<T, kTable>, record_schema<kTable>};

enum class Empty : uint8_t { allowed, refused };
// The items of a list, or the node itself as the only one; false after reporting an empty one.
std::span<const Node> list_items(Decoder& decoder, const Node& node, Empty empty);
std::string list_schema(const std::string& item, Empty empty);

template <const auto& kItem, Empty kEmpty>
struct ListOf {
  using Item = typename std::remove_cvref_t<decltype(kItem)>::Value;
  static void decode(Decoder& decoder, const Node& node, std::vector<Item>& out) {
    std::span<const Node> items = list_items(decoder, node, kEmpty);
    out.clear();
    out.reserve(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      Item item{};
      if (node.kind == Node::Kind::list) {
        Decoder::At at(decoder, i);
        decoder.decode(kItem, items[i], item);
      } else {
        decoder.decode(kItem, items[i], item);
      }
      out.push_back(std::move(item));
    }
  }
  static std::string schema(SchemaBook& book) { return list_schema(kItem.schema(book), kEmpty); }
  static constexpr Kind<std::vector<Item>> kind = {decode, schema};
};

// One or a list of it, at least one. An empty list in a condition would mean no condition, so it is refused.
template <const auto& kItem>
inline constexpr auto kSome = ListOf<kItem, Empty::refused>::kind;
// One or a list of it, or an empty list.
template <const auto& kItem>
inline constexpr auto kAny = ListOf<kItem, Empty::allowed>::kind;

template <auto kMember, const auto& kKind>
constexpr Field field(FieldText text) {
  using Class = typename MemberOf<decltype(kMember)>::Class;
  return {.text = text,
          .decode = [](Decoder& decoder, const Node& node,
                       void* record) { decoder.decode(kKind, node, static_cast<Class*>(record)->*kMember); },
          .schema = kKind.schema};
}

// The same for a member of a member.
template <auto kOuter, auto kInner, const auto& kKind>
constexpr Field inner_field(FieldText text) {
  using Class = typename MemberOf<decltype(kOuter)>::Class;
  return {.text = text,
          .decode =
              [](Decoder& decoder, const Node& node, void* record) {
                decoder.decode(kKind, node, (static_cast<Class*>(record)->*kOuter).*kInner);
              },
          .schema = kKind.schema};
}

}  // namespace config
