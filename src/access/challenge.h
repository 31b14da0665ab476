// The WWW-Authenticate value of RFC 6750 §3 for each way a request can fail to get in. Called by the gate
// when it answers 400, 401 or 403; never says more about a token than its error code and a literal sentence.
#pragma once

#include <string>
#include <string_view>

#include "base/reason.h"

namespace auth {

// The RFC 6750 §3.1 code; empty for credential_missing and for reasons that carry no challenge.
std::string_view bearer_error(base::Reason reason);
// Whether an answer with this reason carries a challenge at all.
bool needs_challenge(base::Reason reason);

struct Challenge {
  std::string_view realm = "gatehouse";
  base::Reason reason = base::Reason::credential_missing;
  std::string_view description;  // Error::detail; empty: none
  std::string_view scope;        // Rule::scope_text() for scope_insufficient; empty: none
};
void append_challenge(std::string& out, const Challenge& challenge);

}  // namespace auth
