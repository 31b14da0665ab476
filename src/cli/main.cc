// The command line: which commands there are, what they take, and what their help says. Each command does its
// work in the file of its name. Exit status: 0 good, 1 the answer is no, 2 wrong usage or it could not run.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "cli/check.h"
#include "cli/echo.h"
#include "cli/explain.h"
#include "cli/keys.h"
#include "cli/run.h"
#include "cli/schema.h"
#include "cli/test.h"
#include "cli/usage.h"

namespace {

using cli::Output;

constexpr const char* kExamples = R"(
Examples:
  gatehouse check                                  is the gate in this folder right, in every environment?
  gatehouse test --min-coverage 100                do its access tests pass, and reach every rule?
  gatehouse explain GET http://api.example.com/orders --as 'provider=partners scopes=orders:read'
  gatehouse run --env production                   serve it
`gatehouse COMMAND --help` says more about each.)";

constexpr const char* kRunExamples = R"(
Files that change are read again while it serves; a broken one is refused and the last good version goes on.
SIGTERM drains and ends, SIGHUP reads all files again. The access log goes to standard output unless
gatehouse.yaml says otherwise.

Examples:
  gatehouse run                                    the gate in this folder, environment `local`
  gatehouse run /etc/gate --env production
  GATEHOUSE_ENV=staging gatehouse run gate/)";

constexpr const char* kCheckExamples = R"(
Compiles the gate against every environment. Secrets must exist only for the chosen one.

Examples:
  gatehouse check
  gatehouse check gate/ --env production           with production's secrets too
  gatehouse check --json | jq '.diagnostics[].message')";

constexpr const char* kTestExamples = R"(
Runs the tests that stand beside the rules, by the decision code of live traffic. Needs no secrets.

Examples:
  gatehouse test
  gatehouse test gate/ --min-coverage 90           fails unless 90 % of the rules are reached
  gatehouse test --json | jq '.rules.unreached')";

constexpr const char* kExplainExamples = R"(
Says which service and rules a request meets, and what becomes of it. Ends with 0 for allow and 1 for deny.

Examples:
  gatehouse explain GET http://api.example.com/orders/7
  gatehouse explain gate/ POST http://api.example.com/orders --as 'provider=partners sub=alice scopes=orders:write'
  gatehouse explain /orders --token "$TOKEN"       METHOD is GET unless given
  gatehouse explain DELETE /orders/7 --key "$KEY" --from 192.0.2.7 --header 'Host: api.example.com')";

constexpr const char* kKeysExamples = R"(
Keys stand as digests in the file that the provider's `api_keys` names.

Examples:
  KEY=$(gatehouse keys new --provider robots --owner nightly-export --scopes orders:read --expires 90d)
  gatehouse keys list gate/
  gatehouse keys revoke k_7f3a91c2)";

constexpr const char* kKeysNewExamples = R"(
Standard output holds the key and nothing else.

Example:
  KEY=$(gatehouse keys new gate/ --provider robots --owner nightly-export --scopes a,b --groups g --expires 90d))";

constexpr const char* kKeysListExamples = R"(
Examples:
  gatehouse keys list gate/
  gatehouse keys list gate/ --provider robots      where several providers have keys)";

constexpr const char* kKeysRevokeExamples = R"(
Example:
  gatehouse keys revoke gate/ k_7f3a91c2)";

constexpr const char* kSchemaExamples = R"(
Prints a JSON Schema (2020-12), from the same tables that files are read with.

Examples:
  gatehouse schema service > service.schema.json
  # yaml-language-server: $schema=service.schema.json    as the first line of services/orders.yaml)";

constexpr const char* kEchoExamples = R"(
Answers with what it received. /status/503 answers with that status, /delay/200 after so many milliseconds,
/bytes/1000000 with so many bytes; an upgrade is agreed to, and every byte sent back.

Examples:
  gatehouse echo
  gatehouse echo --address 127.0.0.1:9002 --name billing &)";

constexpr const char* kVersionExamples = R"(
Example:
  gatehouse version --json | jq -r .version)";

// What all commands were told, and which of them it was.
struct CommandLine {
  cli::RunOptions run;
  cli::CheckOptions check;
  cli::TestOptions test;
  cli::ExplainOptions explain;
  cli::KeysOptions keys;
  cli::EchoOptions echo;
  std::string schema_kind;
  Output version_output = Output::text;
  int status = cli::kCannotRun;
};

std::string default_environment() {
  const char* named = std::getenv("GATEHOUSE_ENV");
  return named != nullptr && *named != '\0' ? named : "local";
}

// Empty when text is a percentage.
std::string percentage_problem(const std::string& text) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  bool good = end != text.c_str() && *end == '\0' && value >= 0 && value <= 100;
  return good ? "" : "`" + text + "` is not a number from 0 to 100";
}

// For commands whose words are told apart by us: CLI11 would call all of them by one name.
class UsageFormatter final : public CLI::Formatter {
 public:
  explicit UsageFormatter(std::string usage) : usage_(std::move(usage)) {}
  std::string make_usage(const CLI::App*, std::string) const override { return "Usage: " + usage_ + "\n"; }
  std::string make_positionals(const CLI::App*) const override { return {}; }

 private:
  std::string usage_;
};

CLI::App* add_command(CLI::App& app, const char* name, const char* what, const char* examples) {
  CLI::App* command = app.add_subcommand(name, what);
  command->footer(examples + 1);  // without the line break it begins with
  return command;
}

void add_dir(CLI::App& command, std::string& dir) {
  command.add_option("DIR", dir, "The gate's folder")->default_str(".");
}

CLI::Option* add_env(CLI::App& command, std::string& env) {
  return command.add_option("--env", env, "Environment; $GATEHOUSE_ENV, else local")->type_name("NAME");
}

void add_json(CLI::App& command, Output& output) {
  command.add_flag_callback("--json", [&output] { output = Output::json; }, "The result as JSON");
}

void add_run(CLI::App& app, CommandLine& line) {
  CLI::App* command = add_command(app, "run", "Serve a gate", kRunExamples);
  line.run.dir = ".";
  line.run.env = default_environment();
  add_dir(*command, line.run.dir);
  add_env(*command, line.run.env);
  command
      ->add_option("--ready-file", line.run.ready_file,
                   "Written as JSON once it serves: addresses, process id")
      ->type_name("FILE");
  command->callback([&line] { line.status = cli::run_command(line.run); });
}

void add_check(CLI::App& app, CommandLine& line) {
  CLI::App* command = add_command(app, "check", "Check a gate against every environment", kCheckExamples);
  line.check.env = default_environment();
  add_dir(*command, line.check.dir);
  CLI::Option* env = add_env(*command, line.check.env);
  add_json(*command, line.check.output);
  command->callback([&line, env] {
    line.check.env_named = env->count() > 0 || std::getenv("GATEHOUSE_ENV") != nullptr;
    line.status = cli::check_command(line.check);
  });
}

void add_test(CLI::App& app, CommandLine& line) {
  CLI::App* command = add_command(app, "test", "Run a gate's access tests", kTestExamples);
  line.test.env = default_environment();
  add_dir(*command, line.test.dir);
  add_env(*command, line.test.env);
  command
      ->add_option("--min-coverage", line.test.min_coverage,
                   "Fail when fewer of the rules are reached, in per cent")
      ->type_name("PCT")
      ->check(CLI::Validator(percentage_problem, ""));
  add_json(*command, line.test.output);
  command->callback([&line] { line.status = cli::test_command(line.test); });
}

void add_explain(CLI::App& app, CommandLine& line) {
  CLI::App* command = add_command(app, "explain", "Say what would happen to a request", kExplainExamples);
  cli::ExplainOptions& options = line.explain;
  options.env = default_environment();
  command->formatter(std::make_shared<UsageFormatter>("gatehouse explain [OPTIONS] [DIR] [METHOD] URL"));
  command->add_option("URL", options.words, "[DIR] [METHOD] URL; a path alone will do")
      ->required()
      ->expected(1, 3);
  add_env(*command, options.env);
  command
      ->add_option("--as", options.as,
                   "The caller, such as 'provider=partners sub=alice scopes=a,b groups=g claims.k=v'")
      ->type_name("CALLER");
  command->add_option("--token", options.token, "A bearer token, verified as in traffic")->type_name("TOKEN");
  command->add_option("--key", options.key, "An API key, verified as in traffic")->type_name("KEY");
  command->add_option("--header", options.headers, "A header of the request; repeatable")
      ->type_name("'N: V'")
      ->expected(1)
      ->take_all();
  command->add_option("--from", options.from, "The client's address; 127.0.0.1 unless given")
      ->type_name("IP");
  add_json(*command, options.output);
  command->callback([&line] { line.status = cli::explain_command(line.explain); });
}

void add_provider(CLI::App& command, cli::KeysOptions& options) {
  add_env(command, options.env);
  command.add_option("--provider", options.provider, "The provider of API keys, when there are several")
      ->type_name("NAME");
  add_json(command, options.output);
}

void add_keys(CLI::App& app, CommandLine& line) {
  CLI::App* command = add_command(app, "keys", "Make, list and revoke API keys", kKeysExamples);
  command->require_subcommand(1, 1);
  cli::KeysOptions& options = line.keys;
  options.env = default_environment();

  CLI::App* make = add_command(*command, "new", "Make a key and print it once", kKeysNewExamples);
  add_dir(*make, options.dir);
  add_provider(*make, options);
  make->add_option("--owner", options.owner, "Who will use it; the subject of its identity")
      ->type_name("WHO")
      ->required();
  make->add_option("--scopes", options.scopes, "Its scopes")->type_name("A,B");
  make->add_option("--groups", options.groups, "Its groups")->type_name("A,B");
  make->add_option("--expires", options.expires, "When it stops being good: 90d, 12h or 2027-01-31")
      ->type_name("TIME");
  make->add_option("--id", options.id, "What it is called in records; made up unless given")->type_name("ID");
  make->callback([&line] { line.status = cli::keys_new_command(line.keys); });

  CLI::App* list =
      add_command(*command, "list", "List the keys, never the keys themselves", kKeysListExamples);
  add_dir(*list, options.dir);
  add_provider(*list, options);
  list->callback([&line] { line.status = cli::keys_list_command(line.keys); });

  CLI::App* revoke = add_command(*command, "revoke", "Take a key out", kKeysRevokeExamples);
  revoke->formatter(std::make_shared<UsageFormatter>("gatehouse keys revoke [OPTIONS] [DIR] ID"));
  revoke->add_option("ID", options.words, "[DIR] ID")->required()->expected(1, 2);
  add_provider(*revoke, options);
  revoke->callback([&line] { line.status = cli::keys_revoke_command(line.keys); });
}

void add_rest(CLI::App& app, CommandLine& line) {
  CLI::App* schema = add_command(app, "schema", "Print the JSON Schema of a kind of file", kSchemaExamples);
  schema->add_option("gate|service|environment|keys", line.schema_kind, "The kind of file")->required();
  schema->add_flag_callback("--json", [] {}, "A schema is JSON anyway");
  schema->callback([&line] { line.status = cli::schema_command(line.schema_kind); });

  CLI::App* echo = add_command(app, "echo", "Serve a small backend for trying things out", kEchoExamples);
  echo->add_option("--address", line.echo.address, "Where to listen")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  echo->add_option("--name", line.echo.name, "What it calls itself")
      ->capture_default_str()
      ->type_name("NAME");
  echo->add_flag_callback("--json", [] {}, "It answers in JSON anyway");
  echo->callback([&line] { line.status = cli::echo_command(line.echo); });

  CLI::App* version = add_command(app, "version", "Print the version and the build", kVersionExamples);
  add_json(*version, line.version_output);
  version->callback([&line] { line.status = cli::version_command(line.version_output); });
}

// The command that was being read when the words ended or went wrong.
const CLI::App* innermost(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at;
}

std::string problem_of(const CLI::ParseError& error) {
  std::string problem = error.what();
  bool lacks_value = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
  return lacks_value ? problem.substr(0, problem.find(':')) + " needs a value" : problem;
}

cli::WrongUsage wrong_usage(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = innermost(app);
  cli::WrongUsage wrong{.problem = problem_of(error)};
  for (const CLI::App* at = command; at != &app; at = at->get_parent()) {
    wrong.command = at->get_name() + (wrong.command.empty() ? "" : " ") + wrong.command;
  }
  std::string name = "gatehouse" + (wrong.command.empty() ? "" : " " + wrong.command);
  wrong.usage = dynamic_cast<const CLI::Formatter&>(*command->get_formatter()).make_usage(command, name);
  while (wrong.usage.ends_with('\n')) wrong.usage.pop_back();
  if (std::vector<std::string> extras = app.remaining(true); !extras.empty())
    wrong.unknown_word = extras.front();
  for (const CLI::Option* option : command->get_options()) {
    if (!option->get_lnames().empty()) wrong.known_options.push_back("--" + option->get_lnames().front());
  }
  for (const CLI::App* below : command->get_subcommands([](const CLI::App*) { return true; })) {
    wrong.known_commands.push_back(below->get_name());
  }
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Gatehouse, an access proxy for services: who may call what, decided in one place.",
               "gatehouse");
  app.footer(kExamples + 1);
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", cli::version_text());
  CommandLine line;
  add_run(app, line);
  add_check(app, line);
  add_test(app, line);
  add_explain(app, line);
  add_keys(app, line);
  add_rest(app, line);
  try {
    std::vector<std::string> words = cli::with_help_as_option({argv + 1, argv + argc});
    std::ranges::reverse(words);  // as CLI11 takes them
    app.parse(words);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    cli::complain(cli::describe(wrong_usage(app, error)));
    return cli::kCannotRun;
  }
  if (app.get_subcommands().empty()) cli::complain(app.help());
  return line.status;
}
