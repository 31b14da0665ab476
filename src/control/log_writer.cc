#include "control/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "io/clock.h"

namespace control {
namespace {

// A line waits this long at most before it is written.
constexpr int kIntervalMs = 50;
constexpr size_t kWakeBacklog = 256 * 1024;
constexpr int64_t kRenameInterval = 500'000'000;
constexpr auto kStopPatience = std::chrono::seconds(2);
constexpr auto kStopLook = std::chrono::milliseconds(5);
constexpr int kInterrupt = SIGUSR1;

// Only so that a write that blocks comes back; there is no other way out of one to a pipe.
void install_interrupt() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  sigaction(kInterrupt, &action, nullptr);
}

int open_for_append(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

}  // namespace

LogWriter::LogWriter() : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

LogWriter::~LogWriter() {
  stop();
  if (target_.fd > 1) close(target_.fd);
  if (next_ && next_->fd > 1) close(next_->fd);
  close(wake_fd_);
}

void LogWriter::start() {
  install_interrupt();
  thread_ = std::thread([this] { run(); });
}

void LogWriter::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  wake();
  auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  while (!ended_.load(std::memory_order_acquire)) {
    std::this_thread::sleep_for(kStopLook);
    if (std::chrono::steady_clock::now() < deadline) continue;
    gave_up_.store(true, std::memory_order_release);
    pthread_kill(thread_.native_handle(), kInterrupt);  // again and again: one may come just before a write
  }
  thread_.join();
}

void LogWriter::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof one);
}

std::string LogWriter::write_to(const std::string& path, LogForm form) {
  Target target{.path = path, .fd = 1, .form = form};
  if (!path.empty()) {
    target.fd = open_for_append(path);
    if (target.fd < 0) return "cannot open " + path + ": " + std::strerror(errno);
  }
  std::lock_guard lock(mutex_);
  if (next_ && next_->fd > 1) close(next_->fd);
  next_ = std::move(target);
  return {};
}

void LogWriter::take_next_target() {
  std::lock_guard lock(mutex_);
  if (!next_) return;
  if (target_.fd > 1) close(target_.fd);
  target_ = std::move(*next_);
  next_.reset();
}

void LogWriter::follow_rename() {
  if (target_.path.empty()) return;
  int64_t now = io::system_clock().now().ns;
  if (now - looked_at_ns_ < kRenameInterval) return;
  looked_at_ns_ = now;
  struct stat by_name{};
  struct stat by_fd{};
  bool same = stat(target_.path.c_str(), &by_name) == 0 && fstat(target_.fd, &by_fd) == 0 &&
              by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
  if (same) return;
  int fd = open_for_append(target_.path);
  if (fd < 0) return;  // goes on in the renamed file until the new one can be had
  close(target_.fd);
  target_.fd = fd;
}

void LogWriter::run() {
  for (;;) {
    bool last = stopping_.load(std::memory_order_acquire);
    take_next_target();
    follow_rename();
    while (write_waiting()) {
    }
    if (last) {
      ended_.store(true, std::memory_order_release);
      return;
    }
    bool waiting = false;
    for (telemetry::LogRing* ring : rings_) waiting |= !ring->request_wake(kWakeBacklog);
    if (waiting) continue;
    pollfd wake{.fd = wake_fd_, .events = POLLIN, .revents = 0};
    if (poll(&wake, 1, kIntervalMs) > 0) {
      uint64_t count;
      [[maybe_unused]] ssize_t taken = read(wake_fd_, &count, sizeof count);
    }
  }
}

bool LogWriter::write_waiting() {
  bool any = false;
  for (telemetry::LogRing* ring : rings_) {
    std::span<const char> lines = ring->peek();
    if (lines.empty()) continue;
    write_lines(lines);
    ring->release(lines.size());
    any = true;
  }
  return any;
}

void LogWriter::write_lines(std::span<const char> lines) {
  if (target_.form == LogForm::json) return write_all(lines);
  text_.clear();
  append_access_text({lines.data(), lines.size()}, target_.form, text_);
  write_all(text_);
}

void LogWriter::write_all(std::span<const char> bytes) {
  while (!bytes.empty() && !gave_up_.load(std::memory_order_acquire)) {
    ssize_t written = write(target_.fd, bytes.data(), bytes.size());
    if (written > 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd out{.fd = target_.fd, .events = POLLOUT, .revents = 0};
      poll(&out, 1, 1000);
      if (stopping_.load(std::memory_order_acquire)) break;
    } else if (errno != EINTR) {
      break;
    }
  }
  bytes_lost_.fetch_add(bytes.size(), std::memory_order_relaxed);
}

}  // namespace control
