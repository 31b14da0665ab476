// Task<T>: a coroutine that starts when awaited, belongs to whoever holds it, and is cancelled by destroying
// it. Destroying a suspended Task destroys its locals, so every wait inside must unlink itself in its
// destructor. Frames come from the thread's frame pool. There are no exceptions: an escaping one ends the
// process.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "io/frame_pool.h"

namespace io {

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();

  static void* operator new(size_t bytes) { return take_frame(bytes); }
  static void operator delete(void* frame, size_t bytes) { give_frame(frame, bytes); }

  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return self.promise().continuation;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      cancel();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { cancel(); }

  void cancel() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }
  bool valid() const { return static_cast<bool>(handle_); }
  bool done() const { return handle_ && handle_.done(); }

  // Runs the task beside its owner up to its first wait. The owner keeps it, and learns of its end by
  // whatever the task signals as its last act.
  void start() { handle_.resume(); }

  auto operator co_await() && noexcept {
    struct Awaiter {
      Handle handle;
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        handle.promise().continuation = caller;
        return handle;
      }
      T await_resume() noexcept {
        if constexpr (!__is_void(T)) return std::move(*handle.promise().value);
      }
    };
    return Awaiter{handle_};
  }

 private:
  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

// Owns tasks that run on their own, such as one per connection. Destroying the scope cancels them all.
class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { cancel_all(); }

  // Runs task at once, up to its first wait; it leaves the scope by itself when it ends.
  void spawn(Task<void> task) {
    Root root = run(std::move(task));
    root.handle.promise().link(*this);
    root.handle.resume();
  }
  void cancel_all() {
    while (first_ != nullptr) {
      RootPromise* root = first_;
      root->unlink();
      std::coroutine_handle<RootPromise>::from_promise(*root).destroy();
    }
  }
  size_t size() const { return size_; }

 private:
  struct RootPromise;
  struct Root {
    using promise_type = RootPromise;
    std::coroutine_handle<RootPromise> handle;
  };
  struct RootPromise {
    Scope* scope = nullptr;
    RootPromise* previous = nullptr;
    RootPromise* next = nullptr;

    static void* operator new(size_t bytes) { return take_frame(bytes); }
    static void operator delete(void* frame, size_t bytes) { give_frame(frame, bytes); }

    void link(Scope& owner) {
      scope = &owner;
      next = owner.first_;
      if (next != nullptr) next->previous = this;
      owner.first_ = this;
      ++owner.size_;
    }
    void unlink() {
      (previous != nullptr ? previous->next : scope->first_) = next;
      if (next != nullptr) next->previous = previous;
      --scope->size_;
      scope = nullptr;
    }

    struct Final {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<RootPromise> self) noexcept {
        self.promise().unlink();
        self.destroy();
      }
      void await_resume() noexcept {}
    };
    Root get_return_object() { return {std::coroutine_handle<RootPromise>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };

  static Root run(Task<void> task) { co_await std::move(task); }

  RootPromise* first_ = nullptr;
  size_t size_ = 0;
};

}  // namespace io
