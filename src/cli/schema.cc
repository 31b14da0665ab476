#include "cli/schema.h"

#include <fmt/core.h>

#include "config/schema.h"
#include "control/version.h"
#include "crypto/version.h"

namespace cli {
namespace {

// By the optimiser and not by NDEBUG: release builds keep their checks.
#ifdef __OPTIMIZE__
constexpr std::string_view kBuild = "release";
#else
constexpr std::string_view kBuild = "debug";
#endif

}  // namespace

int schema_command(const std::string& kind) {
  auto schema = config::make_schema(kind);
  if (!schema) {
    return refuse_to_run(
        fmt::format("there is no schema `{}`; there are gate, service, environment and keys", kind));
  }
  if (!schema->ends_with('\n')) *schema += '\n';
  print(*schema);
  return kGood;
}

std::string version_text() {
  return fmt::format("gatehouse {} ({}, {})\nclang {}\n{}", control::kVersion, control::kRevision, kBuild,
                     __clang_version__, crypto::library_version());
}

int version_command(Output output) {
  if (output == Output::json) {
    JsonText json;
    json.open('{').key("version").text(control::kVersion).key("revision").text(control::kRevision);
    json.key("build").text(kBuild).key("compiler").text("clang " __clang_version__);
    json.key("openssl").text(crypto::library_version()).close('}');
    print(json.str() + "\n");
  } else {
    print(version_text() + "\n");
  }
  return kGood;
}

}  // namespace cli
