// JSON Schema 2020-12 of each kind of file, generated from the same field tables the loader decodes with, so
// that an editor completes and checks as one types. `gatehouse schema KIND` prints it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace config {

// kind: gate, service, environment or keys; nullopt otherwise.
std::optional<std::string> make_schema(std::string_view kind);

}  // namespace config
