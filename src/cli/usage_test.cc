#include "cli/usage.h"

#include <gtest/gtest.h>

#include <array>

namespace {

TEST(Usage, NamesTheWordThatIsWrong) {
  const std::vector<std::string> commands = {"run", "check", "explain"};
  const std::vector<std::string> options = {"--env", "--json"};
  const struct {
    cli::WrongUsage wrong;
    const char* first_line;
  } cases[] = {
      {{.unknown_word = "chekc", .known_commands = commands},
       "gatehouse: there is no command `chekc`; did you mean `check`?"},
      {{.unknown_word = "start", .known_commands = commands},
       "gatehouse: there is no command `start`; there are run, check, explain"},
      {{.unknown_word = "--evn=x", .known_options = options, .known_commands = commands},
       "gatehouse: there is no option `--evn`; did you mean `--env`?"},
      {{.command = "run", .unknown_word = "--port", .known_options = options},
       "gatehouse run: there is no option `--port`"},
      {{.command = "run", .unknown_word = "extra"}, "gatehouse run: `extra` is one word too many"},
      {{.command = "keys", .known_commands = {"new", "list"}}, "gatehouse keys: say which: new, list"},
      {{.command = "keys new", .problem = "--owner is required"}, "gatehouse keys new: --owner is required"},
  };
  for (const auto& c : cases) {
    std::string said = cli::describe(c.wrong);
    EXPECT_EQ(said.substr(0, said.find('\n')), c.first_line);
  }
}

TEST(Usage, ShowsTheUsageAndWhereToReadMore) {
  EXPECT_EQ(cli::describe({.command = "run", .usage = "Usage: gatehouse run [DIR]", .problem = "no"}),
            "gatehouse run: no\nUsage: gatehouse run [DIR]\n`gatehouse run --help` says more.\n");
}

TEST(Usage, HelpIsACommandToo) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(cli::with_help_as_option(std::array{"help"}), Words({"--help"}));
  EXPECT_EQ(cli::with_help_as_option(std::array{"help", "keys", "new"}), Words({"keys", "new", "--help"}));
  EXPECT_EQ(cli::with_help_as_option(std::array{"run", "help"}), Words({"run", "help"}));
  EXPECT_EQ(cli::with_help_as_option({}), Words{});
}

}  // namespace
