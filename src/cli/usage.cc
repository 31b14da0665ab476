#include "cli/usage.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/bytes.h"

namespace cli {
namespace {

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  std::vector<std::string_view> candidates(known.begin(), known.end());
  std::string_view nearest = base::nearest_word(word, candidates);
  return nearest.empty() ? std::string{} : fmt::format("; did you mean `{}`?", nearest);
}

std::string sentence_about(const WrongUsage& wrong) {
  std::string_view word = wrong.unknown_word;
  if (word.starts_with('-')) {
    std::string_view option = word.substr(0, word.find('='));
    return fmt::format("there is no option `{}`{}", option, did_you_mean(option, wrong.known_options));
  }
  bool expects_command = !wrong.known_commands.empty();
  if (expects_command && word.empty())
    return fmt::format("say which: {}", fmt::join(wrong.known_commands, ", "));
  if (expects_command) {
    std::string nearest = did_you_mean(word, wrong.known_commands);
    if (nearest.empty()) nearest = fmt::format("; there are {}", fmt::join(wrong.known_commands, ", "));
    return fmt::format("there is no command `{}`{}", word, nearest);
  }
  if (!word.empty()) return fmt::format("`{}` is one word too many", word);
  return wrong.problem;
}

}  // namespace

std::string describe(const WrongUsage& wrong) {
  std::string name = wrong.command.empty() ? "gatehouse" : "gatehouse " + wrong.command;
  return fmt::format("{}: {}\n{}\n`{} --help` says more.\n", name, sentence_about(wrong), wrong.usage, name);
}

std::vector<std::string> with_help_as_option(std::span<const char* const> arguments) {
  std::vector<std::string> words(arguments.begin(), arguments.end());
  if (words.empty() || words.front() != "help") return words;
  words.erase(words.begin());
  words.emplace_back("--help");
  return words;
}

}  // namespace cli
