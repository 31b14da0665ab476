#include "control/worker_thread.h"

#include <pthread.h>
#include <time.h>

#include <latch>
#include <string>

#include "io/clock.h"
#include "io/epoll.h"
#include "io/socket.h"

namespace control {

std::unique_ptr<WorkerThread> WorkerThread::start(uint32_t index, gate::ControlPlane& control,
                                                  auth::ReplayGuard& replays) {
  std::unique_ptr<WorkerThread> started(new WorkerThread);
  std::latch ready(1);
  started->thread_ = std::thread([&control, &replays, &ready, index, self = started.get()] {
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index)).c_str());
    std::unique_ptr<io::Poller> poller = io::make_epoll_poller();
    if (poller == nullptr) {
      ready.count_down();
      return;
    }
    // Everything the worker owns is made and destroyed on its own thread, whose memory pools it uses.
    io::Loop loop(io::system_clock(), *poller);
    io::SocketNetwork network(loop);
    crypto::SystemRandom random;
    gate::Worker worker({.index = index,
                         .loop = loop,
                         .network = network,
                         .random = random,
                         .control = control,
                         .replays = replays});
    self->worker_ = &worker;
    self->loop_ = &loop;
    ready.count_down();
    loop.run();
  });
  ready.wait();
  if (started->worker_ == nullptr) {
    started->thread_.join();
    return nullptr;
  }
  return started;
}

WorkerThread::~WorkerThread() {
  if (!thread_.joinable()) return;
  if (worker_ != nullptr) post([loop = loop_] { loop->stop(); });
  thread_.join();
}

base::Duration WorkerThread::cpu_time() const {
  clockid_t clock;
  timespec time{};
  if (pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) != 0) return {};
  clock_gettime(clock, &time);
  return {int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

}  // namespace control
