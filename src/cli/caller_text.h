// The caller in `explain --as 'provider=partners sub=alice scopes=a,b claims.tenant=acme'`. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "access/identity.h"
#include "config/settings.h"

namespace cli {

// Words are split at white space; a value with white space stands in quotes. The error is a sentence.
std::expected<config::CallerSpec, std::string> parse_caller(std::string_view text);

// "alice of partners, scopes a b, groups g"; "nobody" without one.
std::string describe_caller(const auth::Identity* caller);

}  // namespace cli
