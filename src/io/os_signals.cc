#include "io/os_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace io {

std::unique_ptr<SignalListener> SignalListener::make(Loop& loop) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&wanted, number);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  int fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return nullptr;
  std::unique_ptr<SignalListener> listener(new SignalListener(loop, fd));
  if (!loop.poller().add(fd, *listener)) return nullptr;
  return listener;
}

SignalListener::~SignalListener() {
  loop_.poller().remove(fd_);
  close(fd_);
}

std::optional<int> SignalListener::take() {
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace io
