// A worker with the thread it lives on: started and stopped by the control thread, which otherwise only posts
// to it.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "gate/worker.h"

namespace control {

class WorkerThread {
 public:
  // Returns once the worker takes messages. Null when its loop cannot be made. Both outlive it.
  static std::unique_ptr<WorkerThread> start(uint32_t index, gate::ControlPlane& control,
                                             auth::ReplayGuard& replays);
  // Ends the loop and waits for the thread; what the worker still held is cut.
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  gate::Worker& worker() { return *worker_; }
  template <class Call>
  void post(Call call) {
    worker_->mailbox().post(std::move(call));
  }
  io::Loop& loop() { return *loop_; }  // only inside posted calls
  // Processor time the thread has used.
  base::Duration cpu_time() const;

 private:
  WorkerThread() = default;

  std::thread thread_;
  gate::Worker* worker_ = nullptr;  // owned by the thread
  io::Loop* loop_ = nullptr;
};

}  // namespace control
