#include "base/stop.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>

#include <unistd.h>

#include "base/check.hpp"
#include "base/file.hpp"

namespace sealift {

namespace detail {
struct StopState {
  UniqueFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> stopped{false};
};
}  // namespace detail

Milliseconds Deadline::left(Milliseconds most) const {
  if (!at_) return most;
  const auto span = std::chrono::duration_cast<Milliseconds>(*at_ - std::chrono::steady_clock::now());
  return std::clamp(span, Milliseconds{0}, most);
}

int Deadline::poll_timeout_ms() const {
  if (!at_) return -1;
  const auto left = std::chrono::ceil<Milliseconds>(*at_ - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

bool Stop::stopped() const {
  return state_ && state_->stopped.load(std::memory_order_acquire);
}

int Stop::fd() const {
  return state_ ? state_->event.get() : -1;
}

bool Stop::sleep(Milliseconds duration) const {
  const Deadline deadline = Deadline::in(duration);
  while (!stopped()) {
    pollfd wait{.fd = fd(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, deadline.poll_timeout_ms()) == 0) break;
  }
  return stopped();
}

StopSource::StopSource() : state_(std::make_shared<detail::StopState>()) {
  SEALIFT_CHECK(state_->event);
}

void StopSource::stop() {
  state_->stopped.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(state_->event.get(), &one, sizeof(one));
}

bool StopSource::stopped() const {
  return state_->stopped.load(std::memory_order_acquire);
}

Status wait_ready(int fd, Readiness what, Deadline deadline, const Stop& stop) {
  while (true) {
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
    std::array<pollfd, 2> waits{};
    waits[0] = {.fd = fd,
                .events = static_cast<short>(what == Readiness::kReadable ? POLLIN : POLLOUT),
                .revents = 0};
    waits[1] = {.fd = stop.fd(), .events = POLLIN, .revents = 0};
    const int count = ::poll(waits.data(), waits.size(), deadline.poll_timeout_ms());
    if (count < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (count > 0 && waits[1].revents != 0) return fail(Code::kCancelled, "stopped");
    if (count > 0 && waits[0].revents != 0) return {};
    if (count == 0 && deadline.passed()) return fail(Code::kTimeout, "no answer in time");
  }
}

}  // namespace sealift
