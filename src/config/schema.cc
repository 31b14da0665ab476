#include "config/schema.h"

#include <fmt/core.h>

#include "base/bytes.h"
#include "config/environment.h"
#include "config/tables.h"

namespace config {
namespace {

std::string with_head(std::string_view title, std::string object, const SchemaBook& book) {
  object.pop_back();  // the closing brace
  return fmt::format(
      R"({{"$schema":"https://json-schema.org/draft/2020-12/schema","title":{},{},"$defs":{{{}}}}})",
      base::json_quoted(title), object.substr(1), book.definitions());
}

}  // namespace

std::optional<std::string> make_schema(std::string_view kind) {
  SchemaBook book;
  if (kind == "gate") return with_head("gatehouse.yaml", gate_object(book), book);
  if (kind == "service") return with_head("services/NAME.yaml", service_object(book), book);
  if (kind == "keys") return with_head("keys.yaml", keys_object(book), book);
  if (kind == "environment") return with_head("environments/NAME.yaml", environment_schema(), book);
  return std::nullopt;
}

}  // namespace config
