// keys.yaml: the digests of API keys. Read when an api_keys provider loads, written by `gatehouse keys`.
// Writing preserves the rest of the file (comments, order, spacing) and replaces it atomically with mode
// 0600. The key itself never comes here.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "access/spec.h"
#include "config/diagnostics.h"
#include "config/files.h"

namespace config {

// What the file holds; an error in diagnostics when it is missing or broken.
std::vector<auth::ApiKeySpec> load_keys(const Files& files, std::string_view path, Diagnostics& diagnostics);

// Pure: the file's text with one key more, or without the one named. The error is a sentence for the user.
std::expected<std::string, std::string> add_key(std::string_view text, const auth::ApiKeySpec& key);
std::expected<std::string, std::string> remove_key(std::string_view text, std::string_view id);

// The same on disk: path is absolute or relative to the process. A file that does not exist is made.
std::expected<void, std::string> add_key_to_file(const std::string& path, const auth::ApiKeySpec& key);
std::expected<void, std::string> remove_key_from_file(const std::string& path, std::string_view id);

}  // namespace config
