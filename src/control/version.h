// Which Gatehouse this is. The build sets both; a build from an archive has no revision.
#pragma once

#include <string_view>

namespace control {

#ifdef GATEHOUSE_VERSION
inline constexpr std::string_view kVersion = GATEHOUSE_VERSION;
#else
inline constexpr std::string_view kVersion = "0.0.0";
#endif

#ifdef GATEHOUSE_REVISION
inline constexpr std::string_view kRevision = GATEHOUSE_REVISION;
#else
inline constexpr std::string_view kRevision = "unknown";
#endif

}  // namespace control
