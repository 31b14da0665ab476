// Bytes from one worker to the one thread that writes the log: a single-producer single-consumer ring that
// never blocks. Lines are contiguous. When it is full, lines are dropped and counted, traffic is not held up.
// The memory is only reserved; pages are touched as the backlog grows, and an emptied ring starts again at
// its front, so a worker whose log is read in time keeps a few pages resident.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace telemetry {

class LogRing {
 public:
  static constexpr size_t kDefaultCapacity = size_t{4} << 20;

  explicit LogRing(size_t capacity = kDefaultCapacity);  // rounded up to a power of two, at least a page
  ~LogRing();
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  // Producer. ---------------------------------------------------------------------------------------------
  // Room for exactly size bytes; empty when there is none, and then one dropped line is counted. Valid until
  // commit; a reserve without a commit leaves nothing behind.
  std::span<char> reserve(size_t size);
  // The first size bytes of the last reserve are a line (or several).
  void commit(size_t size);
  bool append(std::string_view line);  // false: dropped

  // After a commit: true once when the consumer asked to be woken (request_wake) and that much is waiting.
  bool needs_wake();

  // Consumer. ---------------------------------------------------------------------------------------------
  // What is waiting, as one contiguous piece; more may follow after release. Empty: nothing. Ends at a line's
  // end.
  std::span<const char> peek();
  void release(size_t size);
  // Asks needs_wake() to say true once that many bytes (at least 1) wait. False: they wait already, so peek
  // instead of sleeping.
  bool request_wake(size_t bytes);

  // Any thread. -------------------------------------------------------------------------------------------
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  size_t capacity() const { return capacity_; }

 private:
  static constexpr size_t kNoWake = SIZE_MAX;
  struct Positions {
    size_t read;
    size_t write;
  };
  Positions positions() const;  // for the consumer
  size_t backlog(size_t read, size_t write) const;

  char* data_ = nullptr;
  size_t capacity_ = 0;

  // The producer's line: write_ < read_ means that it has wrapped and the bytes up to last_ are still unread.
  alignas(64) std::atomic<size_t> write_{0};
  std::atomic<size_t> last_{0};
  std::atomic<uint64_t> dropped_{0};
  size_t reserved_at_ = 0;
  size_t reserved_size_ = 0;

  // The consumer's line.
  alignas(64) std::atomic<size_t> read_{0};
  std::atomic<size_t> wake_at_{kNoWake};
};

}  // namespace telemetry
