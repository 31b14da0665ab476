// The WWW-Authenticate values for each way a request can fail to get in: RFC 6750 §3 for bearer tokens,
// RFC 9449 §7.1 for tokens with a proof, RFC 9470 §3 where a login is not strong or recent enough, RFC 9728
// §5.1 for where to read what a service wants. Called by the gate when it answers 400, 401 or 403; never says
// more about a token than an error code and a literal sentence.
#pragma once

#include <string>
#include <string_view>

#include "access/step_up.h"
#include "base/reason.h"

namespace auth {

// The error code; empty for reasons that carry no challenge, and for those of a request that brought nothing.
std::string_view challenge_error(base::Reason reason);
// Whether an answer with this reason carries a challenge at all.
bool needs_challenge(base::Reason reason);

enum class AuthScheme : uint8_t { bearer, dpop };

struct Challenge {
  std::string_view realm = "gatehouse";
  base::Reason reason = base::Reason::credential_missing;
  AuthScheme used =
      AuthScheme::bearer;              // by the request; what went wrong stands in the challenge of this one
  std::string_view description;        // Error::detail; empty: none
  std::string_view scope;              // Rule::scope_text() for scope_insufficient; empty: none
  const StepUp* step_up = nullptr;     // of step_up_required
  std::string_view resource_metadata;  // an URL; empty: none
};
// One challenge, without the field's name.
void append_challenge(std::string& out, AuthScheme scheme, const Challenge& challenge);

}  // namespace auth
