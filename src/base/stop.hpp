#pragma once

// Stopping. A StopSource is pulled once; every blocking call takes a Stop and waits on its own descriptor and
// on Stop::fd() together, so that stopping wakes it at once. Deadlines are points of the steady clock.

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/result.hpp"

namespace sealift {

using SteadyTime = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

// A point in time by which a call must have ended; never() waits for ever (but for its Stop).
class Deadline {
 public:
  static Deadline never() { return Deadline(std::nullopt); }
  static Deadline in(Milliseconds from_now) { return Deadline(std::chrono::steady_clock::now() + from_now); }
  explicit Deadline(std::optional<SteadyTime> at) : at_(at) {}
  bool passed() const { return at_ && std::chrono::steady_clock::now() >= *at_; }
  int poll_timeout_ms() const;  // for poll(2): -1 for ever, rounded up
  std::optional<SteadyTime> at() const { return at_; }
  SteadyTime sooner(SteadyTime other) const { return at_ ? std::min(*at_, other) : other; }
  // This deadline, but at most so long from now.
  Deadline within(Milliseconds most) const {
    return Deadline(sooner(std::chrono::steady_clock::now() + most));
  }
  Milliseconds left(Milliseconds most) const;  // 0 to most

 private:
  std::optional<SteadyTime> at_;
};

namespace detail {
struct StopState;
}

// A cheap copy; outlives its source. A default Stop never stops.
class Stop {
 public:
  Stop() = default;
  bool stopped() const;
  int fd() const;  // readable for ever once stopped; -1 for a Stop that never stops (poll(2) ignores it)
  // Sleeps at most that long; true when stopped.
  bool sleep(Milliseconds duration) const;

 private:
  friend class StopSource;
  explicit Stop(std::shared_ptr<detail::StopState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::StopState> state_;  // shared: source and waiters end in any order
};

class StopSource {
 public:
  StopSource();
  Stop token() const { return Stop(state_); }
  void stop();  // idempotent, from any thread
  bool stopped() const;

 private:
  std::shared_ptr<detail::StopState> state_;
};

enum class Readiness { kReadable, kWritable };

// Waits until fd is ready. kCancelled when stopped, kTimeout at the deadline.
Status wait_ready(int fd, Readiness what, Deadline deadline, const Stop& stop);

}  // namespace sealift
