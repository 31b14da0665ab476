// Which Gatehouse this is. The build says both; a build from an archive has no revision.
#pragma once

#include <string_view>

namespace control {

extern const std::string_view kVersion;
extern const std::string_view kRevision;

}  // namespace control
