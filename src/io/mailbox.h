// How threads talk: any thread posts, the loop's own thread runs what was posted, in order. Nothing else is
// shared.
#pragma once

#include <atomic>
#include <utility>

#include "io/loop.h"

namespace io {

class Mailbox final : private EventSource {
 public:
  explicit Mailbox(Loop& loop);
  ~Mailbox() override;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Any thread. call runs once in the loop's thread, or is destroyed unrun with the mailbox.
  template <class Call>
  void post(Call call) {
    struct Letter final : Message {
      explicit Letter(Call c) : call(std::move(c)) {}
      void run() override { call(); }
      Call call;
    };
    push(new Letter(std::move(call)));
  }

  // The loop's thread: runs what has been posted.
  void deliver();
  // A task for the loop's thread that delivers for ever.
  Signal& arrived() { return arrived_; }

 private:
  struct Message {
    virtual ~Message() = default;
    virtual void run() = 0;
    Message* next = nullptr;
  };
  void push(Message* message);
  void on_events(uint32_t bits) override;

  Loop& loop_;
  int fd_;
  Signal arrived_;
  std::atomic<Message*> newest_{nullptr};
};

}  // namespace io
