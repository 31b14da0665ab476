// The values of an environment and where they stand. The loader reads them, the decoder looks `${name}` up in
// them. A value read through { env: VAR } or { file: PATH } is a secret: its text never reaches a diagnostic.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/source.h"
#include "config/diagnostics.h"
#include "config/files.h"
#include "config/yaml.h"

namespace config {

inline constexpr size_t kValueFileBytesMax = 1024 * 1024;

struct EnvironmentValue {
  Node node;            // a scalar or a list of scalars, in the environment's file; env and file are read in
  base::Source source;  // of the value
  bool secret = false;
  std::string file;  // the path, for { file: PATH }
  std::string
      problem;  // it could not be read: "the environment variable STAFF_SECRET is not set"; node is empty
  bool reported = false;  // what is wrong with it was said where it stands; its uses are passed over
};

// Nothing decoded from it can differ; the place may, because a line above it was added.
bool same_value(const EnvironmentValue& a, const EnvironmentValue& b);

struct Environment {
  std::string name;
  std::string place;  // "environments/local.yaml", or "gatehouse.yaml" when inline
  std::map<std::string, EnvironmentValue, std::less<>> values;
};

// Which environments there are and what each names: enough to say who lacks a value.
struct EnvironmentOutline {
  std::string name;
  std::string place;
  std::set<std::string, std::less<>> values;
};

// body is the map of values within document; key is the path before a value's name ("" or
// "environments.local").
Environment decode_environment(const Files& files, const Document& document, const Node& body,
                               std::string_view name, std::string_view key, Diagnostics& diagnostics);

// Letters, digits, `_`, `-` and `.`, beginning with a letter or digit, at most 100: values and services.
bool is_plain_name(std::string_view text);

std::string environment_schema();

}  // namespace config
