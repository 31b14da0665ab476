// What a rule asks of a login beyond who it was (RFC 9470): how strong, and how recent. Made by the compiler
// of rules; told to programs in a challenge, asked of the issuer when a person is sent to log in once more.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace auth {

struct StepUp {
  std::string acr_values;  // any one of them; space-separated, as challenges and issuers take them
  std::string amr;         // all of them. No issuer can be asked for these: a stronger `acr` brings them
  std::optional<base::Duration> max_age;  // since the person logged in

  bool is_empty() const { return acr_values.empty() && amr.empty() && !max_age; }

  // One text for all of it, so that what a login was to satisfy can be remembered and compared; and back.
  std::string text() const;
  static StepUp from_text(std::string_view text);
};

}  // namespace auth
