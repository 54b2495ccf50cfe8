#pragma once

// Guarded<T>: data inside its mutex. Reached only through a lock:  auto state = guarded.lock();
// state->count++; wait() sleeps on the guarded data's condition variable; notify wakes the sleepers.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace sealift {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  class Lock {
   public:
    explicit Lock(Guarded& owner) : owner_(owner), lock_(owner.mutex_) {}
    T& operator*() { return owner_.value_; }
    T* operator->() { return &owner_.value_; }

    template <class Predicate>
    void wait(Predicate ready) {
      owner_.changed_.wait(lock_, [&] { return ready(owner_.value_); });
    }
    template <class Predicate>
    bool wait_until(std::chrono::steady_clock::time_point deadline, Predicate ready) {
      return owner_.changed_.wait_until(lock_, deadline, [&] { return ready(owner_.value_); });
    }

   private:
    Guarded& owner_;
    std::unique_lock<std::mutex> lock_;
  };

  Lock lock() { return Lock(*this); }
  void notify_all() { changed_.notify_all(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

}  // namespace sealift
