#include "io/epoll.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace io {
namespace {

constexpr int kEventsMax = 256;

class EpollPoller final : public Poller {
 public:
  explicit EpollPoller(int fd) : fd_(fd) {}
  ~EpollPoller() override { close(fd_); }

  bool add(int fd, EventSource& source) override {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &source;
    return epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void remove(int fd) override { epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr); }

  void wait(Clock& clock, base::Instant until) override {
    int timeout_ms = -1;
    if (until != base::kNever) {
      timeout_ms = 0;
      if (until.reached()) {
        int64_t left_ns = (until - clock.now()).ns;
        // Rounded up: a timer must not be looked at just before it is due, again and again.
        if (left_ns > 0)
          timeout_ms = static_cast<int>(std::min<int64_t>((left_ns + 999'999) / 1'000'000, 60'000));
      }
    }
    int count = epoll_wait(fd_, events_.data(), kEventsMax, timeout_ms);
    for (int i = 0; i < count; ++i) {
      static_cast<EventSource*>(events_[static_cast<size_t>(i)].data.ptr)
          ->on_events(events_[static_cast<size_t>(i)].events);
    }
  }

 private:
  int fd_;
  std::array<epoll_event, kEventsMax> events_;
};

}  // namespace

std::unique_ptr<Poller> make_epoll_poller() {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return nullptr;
  return std::make_unique<EpollPoller>(fd);
}

}  // namespace io
