#include "cli/caller_text.h"

#include <fmt/core.h>

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "config/kinds.h"

namespace cli {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

// One word, its quotes taken away; nullopt when a quote stays open.
std::optional<std::string> take_word(std::string_view& text) {
  std::string word;
  char quote = 0;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    char c = text[i];
    if (quote == 0 && is_blank(c)) break;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      word += c;
    }
  }
  text.remove_prefix(i);
  if (quote != 0) return std::nullopt;
  return word;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (auto item = base::take_list_element(text)) items.emplace_back(*item);
  return items;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string unknown_word(std::string_view name) {
  static constexpr std::string_view kNames[] = {"provider", "sub", "subject",  "scopes",     "groups",
                                                "acr",      "amr", "auth_age", "claims.NAME"};
  std::string_view nearest = base::nearest_word(name, kNames);
  return fmt::format("`{}` says nothing about a caller; {}", name,
                     nearest.empty()
                         ? "there are provider, sub, scopes, groups, acr, amr, auth_age and claims.NAME"
                         : fmt::format("did you mean `{}`?", nearest));
}

// Empty, or what is wrong.
std::string read_part(const std::string& name, const std::string& value, config::CallerSpec& caller) {
  if (name == "provider") {
    caller.provider = value;
  } else if (name == "sub" || name == "subject") {
    caller.subject = value;
  } else if (name == "scopes" || name == "scope") {
    caller.scopes = split_list(value);
  } else if (name == "groups" || name == "group") {
    caller.groups = split_list(value);
  } else if (name == "acr") {
    caller.acr = value;
  } else if (name == "amr") {
    caller.amr = split_list(value);
  } else if (name == "auth_age") {
    caller.auth_age = config::parse_duration(value);
    if (!caller.auth_age)
      return fmt::format("`{}` is not a duration; write for example `auth_age=5m`", value);
  } else if ((name.starts_with("claims.") && name.size() > 7) ||
             (name.starts_with("claim.") && name.size() > 6)) {
    auth::ClaimSpec& claim = caller.claims.emplace_back();
    claim.path = name.substr(name.find('.') + 1);
    claim.values = split_list(value);
  } else {
    return unknown_word(name);
  }
  return {};
}

}  // namespace

std::expected<config::CallerSpec, std::string> parse_caller(std::string_view text) {
  config::CallerSpec caller;
  for (;;) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    if (text.empty()) break;
    auto word = take_word(text);
    if (!word) return std::unexpected("a quote is not closed");
    size_t equals = word->find('=');
    if (equals == word->npos) {
      return std::unexpected(
          fmt::format("`{}` has no value; write NAME=VALUE, as in `provider=partners`", *word));
    }
    std::string wrong = read_part(word->substr(0, equals), word->substr(equals + 1), caller);
    if (!wrong.empty()) return std::unexpected(std::move(wrong));
  }
  if (caller.provider.empty()) {
    return std::unexpected("a caller needs somebody who vouches for it; add `provider=NAME`");
  }
  return caller;
}

std::string describe_caller(const auth::Identity* caller) {
  if (caller == nullptr) return "nobody";
  std::string out = fmt::format("{} of {}", caller->subject, caller->provider);
  if (!caller->scopes.empty()) out += ", scopes " + joined(caller->scopes);
  if (!caller->groups.empty()) out += ", groups " + joined(caller->groups);
  return out;
}

}  // namespace cli
