// `gatehouse schema` and `gatehouse version`: what this binary is and what its files may hold.
#pragma once

#include <string>

#include "cli/output.h"

namespace cli {

int schema_command(const std::string& kind);
std::string version_text();
int version_command(Output output);

}  // namespace cli
