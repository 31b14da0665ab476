#include "cli/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "access/jwks.h"

namespace cli {
namespace {

std::string counted(size_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

// A key set that cannot be used is found here and not by the first token. Loading made sure that the file is
// there.
void check_key_sets(const config::Files& files, const config::GateSettings& gate,
                    config::Diagnostics& diagnostics) {
  for (const auth::ProviderSpec& provider : gate.providers) {
    if (!provider.jwt || provider.jwt->jwks.file.empty()) continue;
    auto text = files.read(provider.jwt->jwks.file, auth::kKeySetBytesMax);
    if (!text && text.error() == config::FileError::missing) continue;
    auto keys = text ? auth::parse_key_set(*text)
                     : std::unexpected(fmt::format("the file {}", config::words_of(text.error())));
    if (keys) continue;
    diagnostics.push_back({.source = provider.jwt->jwks.source,
                           .key = fmt::format("providers.{}.jwt.jwks", provider.name),
                           .message = fmt::format("the key set in {} cannot be used: {}",
                                                  provider.jwt->jwks.file, keys.error()),
                           .hint = {},
                           .line = {}});
  }
}

struct Findings {
  config::Diagnostics diagnostics;
  std::vector<std::string> environments;
  std::set<std::string> services;
};

Findings check_all(const config::Files& files, const std::string& chosen) {
  config::CheckedGate checked = config::check_gate(files, chosen);
  Findings findings;
  findings.diagnostics = std::move(checked.diagnostics);
  auto add = [&](const config::Diagnostics& more) {
    findings.diagnostics.insert(findings.diagnostics.end(), more.begin(), more.end());
  };
  for (const config::LoadedGate& loaded : checked.environments) {
    findings.environments.push_back(loaded.environment);
    for (const auto& service : loaded.services) findings.services.insert(service->name);
    for (const config::BrokenService& broken : loaded.broken) findings.services.insert(broken.name);
    if (!loaded.loaded()) continue;
    control::Compiler compiler;
    control::Compiled compiled = compiler.compile(loaded, 1);
    add(compiled.diagnostics);
    check_key_sets(files, *loaded.gate, findings.diagnostics);
  }
  config::attach_lines(files, findings.diagnostics);
  config::sort_diagnostics(findings.diagnostics);
  return findings;
}

}  // namespace

int check_command(const CheckOptions& options) {
  config::DiskFiles files(options.dir);
  if (!is_gate(files)) return refuse_to_run(no_gate_in(options.dir));
  std::vector<std::string> environments = config::list_environments(files);
  bool env_exists = std::ranges::find(environments, options.env) != environments.end();
  if (options.env_named && !env_exists) {
    std::string known;
    for (const std::string& name : environments) known += (known.empty() ? "" : ", ") + name;
    return refuse_to_run(fmt::format("there is no environment `{}`; {}", options.env,
                                     known.empty() ? "the gate has none" : "there are: " + known));
  }
  std::string chosen = env_exists || environments.empty() ? options.env : environments.front();
  Findings findings = check_all(files, chosen);
  bool good = !config::has_errors(findings.diagnostics);
  if (options.output == Output::json) {
    JsonText json;
    json.open('{').key("ok").boolean(good);
    json.key("services").number(static_cast<int64_t>(findings.services.size()));
    json.key("environments").texts(findings.environments);
    json.key("diagnostics").raw(config::format_json(findings.diagnostics)).close('}');
    print(json.str() + "\n");
  } else {
    print_diagnostics(findings.diagnostics);
    if (good) {
      print(fmt::format("ok: {}, {}\n", counted(findings.services.size(), "service"),
                        counted(findings.environments.size(), "environment")));
    }
  }
  return good ? kGood : kNo;
}

}  // namespace cli
