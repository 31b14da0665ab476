#include "control/version.h"

#ifndef GATEHOUSE_VERSION
#define GATEHOUSE_VERSION "0.0.0"
#endif
#ifndef GATEHOUSE_REVISION
#define GATEHOUSE_REVISION "unknown"
#endif

namespace control {

// In a file of their own, so that a new revision compiles this one again and no other.
constinit const std::string_view kVersion = GATEHOUSE_VERSION;
constinit const std::string_view kRevision = GATEHOUSE_REVISION;

}  // namespace control
