#include "control/store_health.h"

#include <spdlog/spdlog.h>

namespace control {

void StoreHealth::note(const std::string& problem) {
  if (problem_.empty() != problem.empty()) {
    if (problem.empty()) {
      spdlog::info("the session store works again");
    } else {
      spdlog::warn("the session store: {}", problem);
    }
  }
  problem_ = problem;
}

}  // namespace control
