#include "telemetry/log_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace telemetry {

LogRing::LogRing(size_t capacity) {
  capacity_ = std::bit_ceil(std::max(capacity, static_cast<size_t>(sysconf(_SC_PAGESIZE))));
  void* memory =
      mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();  // at start-up: as fatal as operator new failing
  data_ = static_cast<char*>(memory);
}

LogRing::~LogRing() { munmap(data_, capacity_); }

std::span<char> LogRing::reserve(size_t size) {
  size_t write = write_.load(std::memory_order_relaxed);
  size_t read = read_.load(std::memory_order_acquire);
  // write == read means empty, so a wrapped line must end before read, never at it.
  bool fits_front = write >= read && size < read;
  bool fits_here = write >= read ? size <= capacity_ - write : size < read - write;
  bool emptied = write == read;
  if (fits_front && (emptied || !fits_here)) {
    reserved_at_ = 0;
  } else if (fits_here) {
    reserved_at_ = write;
  } else {
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    reserved_size_ = 0;
    return {};
  }
  reserved_size_ = size;
  return {data_ + reserved_at_, size};
}

void LogRing::commit(size_t size) {
  if (size == 0 || size > reserved_size_) return;
  reserved_size_ = 0;
  size_t write = write_.load(std::memory_order_relaxed);
  bool wraps = reserved_at_ != write;
  if (wraps) last_.store(write, std::memory_order_relaxed);
  // Sequentially consistent, against request_wake: either it sees these bytes or needs_wake sees its wish.
  write_.store(reserved_at_ + size, std::memory_order_seq_cst);
  // A reader that had taken all stands at last_ until it looks again, and would leave only the bytes before
  // it to us. It is moved along here; when it moved itself meanwhile, the exchange fails, as it must.
  if (wraps) read_.compare_exchange_strong(write, 0, std::memory_order_acq_rel);
}

bool LogRing::append(std::string_view line) {
  std::span<char> room = reserve(line.size());
  if (room.empty()) return false;
  std::memcpy(room.data(), line.data(), line.size());
  commit(line.size());
  return true;
}

size_t LogRing::backlog(size_t read, size_t write) const {
  return write >= read ? write - read : last_.load(std::memory_order_relaxed) - read + write;
}

bool LogRing::needs_wake() {
  size_t wake_at = wake_at_.load(std::memory_order_seq_cst);
  if (wake_at == kNoWake) return false;
  if (backlog(read_.load(std::memory_order_acquire), write_.load(std::memory_order_relaxed)) < wake_at)
    return false;
  wake_at_.store(kNoWake, std::memory_order_relaxed);
  return true;
}

// Where both stand, as of one moment: when commit moved read_ between the two loads, write may have come
// round to any place, so look again. Only commit moves it while the reader asks.
LogRing::Positions LogRing::positions() const {
  while (true) {
    size_t read = read_.load(std::memory_order_acquire);
    size_t write = write_.load(std::memory_order_seq_cst);
    if (read_.load(std::memory_order_relaxed) == read) return {read, write};
  }
}

std::span<const char> LogRing::peek() {
  auto [read, write] = positions();
  if (write < read && read == last_.load(std::memory_order_relaxed)) {
    read = 0;
    read_.store(0, std::memory_order_release);
  }
  size_t end = write >= read ? write : last_.load(std::memory_order_relaxed);
  return {data_ + read, end - read};
}

void LogRing::release(size_t size) {
  if (size == 0) return;  // nothing is held, so commit may be moving read_
  read_.store(read_.load(std::memory_order_relaxed) + size, std::memory_order_release);
}

bool LogRing::request_wake(size_t bytes) {
  size_t wanted = std::max<size_t>(bytes, 1);
  wake_at_.store(wanted, std::memory_order_seq_cst);
  auto [read, write] = positions();
  if (backlog(read, write) < wanted) return true;
  wake_at_.store(kNoWake, std::memory_order_relaxed);
  return false;
}

}  // namespace telemetry
