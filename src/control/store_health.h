// What is wrong with a session store at the moment, told to the log when it begins and when it is over.
#pragma once

#include <string>

namespace control {

class StoreHealth {
 public:
  // After each call: what went wrong with it, or nothing.
  void note(const std::string& problem);
  const std::string& problem() const { return problem_; }

 private:
  std::string problem_;
};

}  // namespace control
