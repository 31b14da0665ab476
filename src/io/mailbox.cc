#include "io/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace io {

Mailbox::Mailbox(Loop& loop) : loop_(loop), fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  loop_.poller().add(fd_, *this);
}

Mailbox::~Mailbox() {
  loop_.poller().remove(fd_);
  close(fd_);
  Message* message = newest_.exchange(nullptr, std::memory_order_acquire);
  while (message != nullptr) delete std::exchange(message, message->next);
}

void Mailbox::push(Message* message) {
  Message* newest = newest_.load(std::memory_order_relaxed);
  do {
    message->next = newest;
  } while (
      !newest_.compare_exchange_weak(newest, message, std::memory_order_release, std::memory_order_relaxed));
  // Only the first of a batch has to wake the reader.
  if (newest == nullptr) {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(fd_, &one, sizeof one);
  }
}

void Mailbox::on_events(uint32_t) {
  uint64_t count;
  [[maybe_unused]] ssize_t taken = read(fd_, &count, sizeof count);
  arrived_.fire();
}

void Mailbox::deliver() {
  Message* message = newest_.exchange(nullptr, std::memory_order_acquire);
  Message* oldest = nullptr;
  while (message != nullptr) {
    Message* next = message->next;
    message->next = oldest;
    oldest = message;
    message = next;
  }
  while (oldest != nullptr) {
    Message* current = std::exchange(oldest, oldest->next);
    current->run();
    delete current;
  }
}

}  // namespace io
