// What a service's settings say of its callers beyond its rules: where they log in, which other sites' pages
// may come with their sessions, and which token the backend gets. Called by the Compiler for each service.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/settings.h"
#include "gate/snapshot.h"

namespace control {

// Those of the gate's oidc providers whose callers a rule may let in, in the gate's order. A rule that lets
// in anyone sends nobody to log in.
std::vector<std::string> login_providers_of(std::span<const auth::RuleSpec> rules,
                                            std::span<const std::string> oidc_providers);

std::optional<auth::TokenTerms> token_terms_of(const config::ServiceSettings& settings,
                                               std::span<const auth::TokenProvider> providers);

gate::BackendTokenPolicy token_policy_of(const config::TokenSettings& token);

gate::CsrfPolicy csrf_policy_of(const config::CsrfSettings& csrf);

}  // namespace control
