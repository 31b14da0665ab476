#include "config/keys_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "config/decode.h"
#include "config/tables.h"

namespace config {
namespace {

using Edited = std::expected<std::string, std::string>;

// JSON texts are YAML texts (YAML 1.2 §10.3), so whatever an owner is called stays one value.
std::string list_text(const std::vector<std::string>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += (i > 0 ? ", " : "") + base::json_quoted(items[i]);
  return out + "]";
}

std::string key_text(const auth::ApiKeySpec& key, std::string_view indent) {
  std::string out = fmt::format("{}- id: {}\n", indent, base::json_quoted(key.id));
  auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{}  {}: {}\n", indent, name, value);
  };
  line("digest", base::json_quoted(key.digest));
  line("owner", base::json_quoted(key.owner));
  if (!key.scopes.empty()) line("scopes", list_text(key.scopes));
  if (!key.groups.empty()) line("groups", list_text(key.groups));
  if (key.created) line("created", base::json_quoted(base::format_rfc3339(key.created->ns)));
  if (key.expires) line("expires", base::json_quoted(base::format_rfc3339(key.expires->ns)));
  return out;
}

// Offset of the beginning of a line, from 1; the end of the text when there is no such line.
size_t line_begin(std::string_view text, int line) {
  size_t at = 0;
  for (int i = 1; i < line; ++i) {
    at = text.find('\n', at);
    if (at == text.npos) return text.size();
    ++at;
  }
  return at;
}

std::expected<Document, std::string> parse_keys(std::string_view text) {
  Diagnostics diagnostics;
  Document document = parse_yaml("keys.yaml", std::string(text), diagnostics);
  if (has_errors(diagnostics))
    return std::unexpected("the file is broken: " + format_line(diagnostics.front()));
  if (!document.root.is_null() && !document.root.find("keys")) {
    return std::unexpected("the file has no `keys:` list");
  }
  return document;
}

bool is_block_list(const Node& list) { return list.kind == Node::Kind::list && !list.flow; }

// Where an item's `- ` line begins, which may stand above its first key.
size_t item_begin(std::string_view text, const Node& item) {
  for (int line = item.line; line > 1; --line) {
    size_t begin = line_begin(text, line);
    if (base::trim(text.substr(begin, text.find('\n', begin) - begin)).starts_with('-')) return begin;
  }
  return line_begin(text, item.line);
}

Edited with_empty_list(const Document& document, const Node& list, std::string_view replacement) {
  // `keys: []` or `keys:` stands on one line; what follows it on that line, a comment, goes with it.
  size_t begin = line_begin(document.text, list.line);
  size_t end = line_begin(document.text, list.line + 1);
  return document.text.substr(0, begin) + std::string(replacement) + document.text.substr(end);
}

std::expected<void, std::string> system_error(std::string_view doing, const std::string& path) {
  return std::unexpected(fmt::format("{} {}: {}", doing, path, std::strerror(errno)));
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// The old file or the new one, never half of either, whatever happens meanwhile.
std::expected<void, std::string> replace_file(const std::string& path, std::string_view text) {
  std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return system_error("cannot write", temporary);
  bool written = write_all(descriptor, text) && ::fsync(descriptor) == 0;
  written = ::close(descriptor) == 0 && written;
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto failed = system_error("cannot write", path);
    ::unlink(temporary.c_str());
    return failed;
  }
  size_t slash = path.rfind('/');
  std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  int folder_descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_descriptor >= 0) {
    ::fsync(folder_descriptor);
    ::close(folder_descriptor);
  }
  return {};
}

std::string hint_about(FileError error) {
  if (error == FileError::missing) return "`gatehouse keys new` makes it";
  if (error != FileError::denied) return {};
  return "give it to the user that the gate runs as; `gatehouse keys new` makes it for its own user alone";
}

}  // namespace

std::vector<auth::ApiKeySpec> load_keys(const Files& files, std::string_view path, Diagnostics& diagnostics) {
  std::vector<auth::ApiKeySpec> keys;
  auto text = files.read(path, kFileBytesMax);
  if (!text) {
    diagnostics.push_back({.source = {std::make_shared<const std::string>(path), 1, 1},
                           .key = {},
                           .message = fmt::format("the file {}", words_of(text.error())),
                           .hint = hint_about(text.error()),
                           .line = {}});
    return keys;
  }
  Document document = parse_yaml(path, std::move(*text), diagnostics);
  if (!document.readable) return keys;
  Environment none;
  Decoder decoder(document, {.environment = none, .environments = {}}, diagnostics);
  decode_keys(decoder, document.root, keys);
  return keys;
}

Edited add_key(std::string_view text, const auth::ApiKeySpec& key) {
  auto document = parse_keys(text);
  if (!document) return std::unexpected(document.error());
  std::string before(document->text);
  if (!before.empty() && !before.ends_with('\n')) before += '\n';
  if (document->root.is_null()) return before + "keys:\n" + key_text(key, "  ");
  const Node& list = *document->root.find("keys");
  if (list.is_null() || (list.kind == Node::Kind::list && list.items.empty())) {
    return with_empty_list(*document, list, "keys:\n" + key_text(key, "  "));
  }
  if (!is_block_list(list))
    return std::unexpected("`keys` is not a list with one `- ` item a key; rewrite it so");
  for (const Node& item : list.items) {
    const Node* id = item.find("id");
    if (id && id->text == key.id) return std::unexpected(fmt::format("there is a key `{}` already", key.id));
  }
  size_t at = line_begin(before, list.items.back().end_line + 1);
  std::string indent(static_cast<size_t>(std::max(list.column - 1, 0)), ' ');
  return before.substr(0, at) + key_text(key, indent) + before.substr(at);
}

Edited remove_key(std::string_view text, std::string_view id) {
  auto document = parse_keys(text);
  if (!document) return std::unexpected(document.error());
  const Node* list = document->root.find("keys");
  std::vector<std::string_view> known;
  for (size_t i = 0; list && list->kind == Node::Kind::list && i < list->items.size(); ++i) {
    const Node* found = list->items[i].find("id");
    if (!found) continue;
    known.push_back(found->text);
    if (found->text != id) continue;
    if (!is_block_list(*list))
      return std::unexpected("`keys` is not a list with one `- ` item a key; rewrite it so");
    std::string out = document->text;
    size_t begin = item_begin(out, list->items[i]);
    size_t end = line_begin(out, list->items[i].end_line + 1);
    // The last one gone: the list stays, as an empty one.
    std::string empty =
        list->items.size() == 1 ? std::string(static_cast<size_t>(list->column - 1), ' ') + "[]\n" : "";
    if (list->items.size() == 1 && list->column == 1) empty = " " + empty;
    return out.substr(0, begin) + empty + out.substr(end);
  }
  std::string_view nearest = base::nearest_word(id, known);
  return std::unexpected(fmt::format("there is no key `{}`{}", id,
                                     nearest.empty() ? "" : fmt::format("; did you mean `{}`?", nearest)));
}

std::expected<void, std::string> add_key_to_file(const std::string& path, const auth::ApiKeySpec& key) {
  std::string text;
  auto existing = DiskFiles(".").read(path, kFileBytesMax);
  if (existing) text = std::move(*existing);
  if (!existing && existing.error() != FileError::missing)
    return std::unexpected(fmt::format("cannot read {}", path));
  auto edited = add_key(text, key);
  if (!edited) return std::unexpected(fmt::format("{}: {}", path, edited.error()));
  return replace_file(path, *edited);
}

std::expected<void, std::string> remove_key_from_file(const std::string& path, std::string_view id) {
  auto existing = DiskFiles(".").read(path, kFileBytesMax);
  if (!existing) return std::unexpected(fmt::format("cannot read {}", path));
  auto edited = remove_key(*existing, id);
  if (!edited) return std::unexpected(fmt::format("{}: {}", path, edited.error()));
  return replace_file(path, *edited);
}

}  // namespace config
