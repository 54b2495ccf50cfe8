#pragma once

// A bounded blocking queue between threads. The first failure ends it for both sides: fail() wakes every
// waiter, who gets that error. close() lets readers drain what is left, then they get kClosed.

#include <deque>
#include <optional>

#include "base/guarded.hpp"
#include "base/result.hpp"

namespace sealift {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t items_max) : items_max_(items_max) {}

  Status push(T item) {
    {
      auto state = state_.lock();
      state.wait([&](const State& s) { return s.error || s.closed || s.items.size() < items_max_; });
      if (state->error) return std::unexpected(*state->error);
      if (state->closed) return fail(Code::kClosed, "queue closed");
      state->items.push_back(std::move(item));
    }
    state_.notify_all();
    return {};
  }

  Result<T> pop() {
    std::optional<T> item;
    {
      auto state = state_.lock();
      state.wait([](const State& s) { return s.error || s.closed || !s.items.empty(); });
      if (state->error) return std::unexpected(*state->error);
      if (state->items.empty()) return fail(Code::kClosed, "queue closed");
      item = std::move(state->items.front());
      state->items.pop_front();
    }
    state_.notify_all();
    return std::move(*item);
  }

  void close() {
    state_.lock()->closed = true;
    state_.notify_all();
  }

  void fail_all(Error error) {
    {
      auto state = state_.lock();
      if (!state->error) state->error = std::move(error);
    }
    state_.notify_all();
  }

 private:
  struct State {
    std::deque<T> items;
    std::optional<Error> error;
    bool closed = false;
  };
  const std::size_t items_max_;
  Guarded<State> state_;
};

}  // namespace sealift
