// For tests only: while it lives no file of this process grows, as on a full disk. Works for root too, whom
// permissions do not stop.
#pragma once

#include <sys/resource.h>

#include <csignal>

namespace control::testing {

class FullDisk {
 public:
  FullDisk() : handler_before_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{.rlim_cur = 1, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_before_);
  }

 private:
  void (*handler_before_)(int);
  rlimit before_{};
};

}  // namespace control::testing
