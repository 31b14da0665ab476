// The thread that writes the access log: takes lines from every worker's ring and appends them to a file or
// to standard output. The only thread that may block on them. A file that was renamed or removed is opened
// again under its name, so that logrotate needs no signal and no line is lost.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "control/access_text.h"
#include "telemetry/log_ring.h"

namespace control {

class LogWriter {
 public:
  LogWriter();
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Before start().
  void add_ring(telemetry::LogRing& ring) { rings_.push_back(&ring); }
  void start();
  // Writes what is waiting and ends the thread; the rings may go afterwards. A reader that takes nothing for
  // kStopPatience does not keep the process: what it has not taken is lost.
  void stop();

  // Any thread. Lines wait.
  void wake();
  // Control thread. Empty: standard output. The answer is empty, or why the file cannot be written.
  std::string write_to(const std::string& path, LogForm form = LogForm::json);
  // Bytes that could not be written to a full or failing disk, whole lines.
  uint64_t bytes_lost() const { return bytes_lost_.load(std::memory_order_relaxed); }

 private:
  struct Target {
    std::string path;  // empty: standard output
    int fd = -1;
    LogForm form = LogForm::json;
  };
  void run();
  bool write_waiting();
  void write_lines(std::span<const char> lines);
  void write_all(std::span<const char> bytes);
  void take_next_target();
  void follow_rename();

  std::vector<telemetry::LogRing*> rings_;
  int wake_fd_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> gave_up_{false};  // nothing is written any more
  std::atomic<bool> ended_{false};
  std::atomic<uint64_t> bytes_lost_{0};
  std::mutex mutex_;
  std::optional<Target> next_;  // guarded by mutex_
  Target target_{.path = {}, .fd = 1};
  std::string text_;  // being written
  int64_t looked_at_ns_ = 0;
  std::thread thread_;
};

}  // namespace control
