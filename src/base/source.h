// Where in the user's files something was written; what a verdict and a diagnostic point at.
#pragma once

#include <memory>
#include <string>

namespace base {

struct Source {
  std::shared_ptr<const std::string> file;  // relative to the gate's folder; shared by all that came from it
  int line = 0;                             // from 1; 0: not from a file
  int column = 0;                           // from 1, in bytes

  std::string text() const {  // "services/orders.yaml:4:5"
    if (!file) return {};
    return *file + ":" + std::to_string(line) + ":" + std::to_string(column);
  }
};

}  // namespace base
