// Settings as short text, for golden tests to compare; only what differs from the default, so that a case
// shows what it is about. Called by golden_test.cc only.
#pragma once

#include <string>

#include "config/load.h"

namespace config {

std::string dump(const LoadedGate& loaded);

}  // namespace config
