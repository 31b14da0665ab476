// `gatehouse keys new|list|revoke`: API keys of one provider. A new key is printed once and only its digest
// kept.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/gate_source.h"

namespace cli {

struct KeysOptions : GateOptions {
  std::string provider;
  std::string owner;
  std::string scopes;              // a,b
  std::string groups;              // a,b
  std::string expires;             // 90d, 12h or a date
  std::string id;                  // of a new key; empty: one is made
  std::vector<std::string> words;  // revoke: [DIR] ID
};

int keys_new_command(const KeysOptions& options);
int keys_list_command(const KeysOptions& options);
int keys_revoke_command(KeysOptions options);

// "90d", "12h", "30m", "2w", "2027-01-31" (the beginning of that day, UTC) or RFC 3339. The error is a
// sentence.
std::expected<base::WallTime, std::string> parse_expiry(std::string_view text, base::WallTime now);

}  // namespace cli
