// What a command line that cannot be understood is answered with: one sentence that names the word that is
// wrong, the usage of the command it was wrong in, and where to read more. Main calls it; it prints nothing
// itself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

// What main's parser found, in words that depend on no parser.
struct WrongUsage {
  std::string command;                      // "keys new"; empty: no command was named
  std::string usage;                        // of that command: "Usage: gatehouse keys new [OPTIONS] [DIR]"
  std::string unknown_word;                 // the first that nothing takes; empty: something else is wrong
  std::string problem;                      // what that is
  std::vector<std::string> known_options;   // of that command
  std::vector<std::string> known_commands;  // below that command
};

std::string describe(const WrongUsage& wrong);

// The arguments after the program's name, with `help` and `help COMMAND` as the option they stand for.
std::vector<std::string> with_help_as_option(std::span<const char* const> arguments);

}  // namespace cli
