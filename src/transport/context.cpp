#include "transport/context.hpp"

#include <algorithm>

namespace sealift::transport {

BufferPool::Buffer BufferPool::take() {
  {
    auto idle = idle_.lock();
    if (!idle->empty()) {
      Buffer buffer = std::move(idle->back());
      idle->pop_back();
      return buffer;
    }
  }
  return std::make_unique_for_overwrite<std::uint8_t[]>(kSealedBytesMax);
}

void BufferPool::give(Buffer buffer) {
  if (!buffer) return;
  auto idle = idle_.lock();
  if (idle->size() < kIdleMax) idle->push_back(std::move(buffer));
}

std::shared_ptr<Sealed> Sealed::make(BufferPool& pool, std::size_t size) {
  if (size <= kSmallBytes) return std::make_shared<Sealed>(size);
  return std::make_shared<Sealed>(pool, pool.take(), size);
}

void Pacer::set_rate(std::uint64_t bytes_per_second) {
  auto state = state_.lock();
  state->rate = bytes_per_second;
  state->free_at = std::chrono::steady_clock::now();
}

SteadyTime Pacer::next_at() const {
  auto state = state_.lock();
  return state->rate == 0 ? SteadyTime::min() : state->free_at;
}

void Pacer::charge(std::size_t bytes) {
  constexpr Milliseconds kLate{20};  // a sender that woke up late may catch up that much
  auto state = state_.lock();
  if (state->rate == 0) return;
  const auto cost =
      std::chrono::nanoseconds(static_cast<std::uint64_t>(bytes) * 1'000'000'000U / state->rate);
  state->free_at = std::max(state->free_at, std::chrono::steady_clock::now() - kLate) + cost;
}

void Context::fail(Error error, bool told_by_peer) {
  {
    auto failure = failure_.lock();
    if (failure->error) return;
    failure->error = std::move(error);
    failure->told_by_peer = told_by_peer;
  }
  failed_.store(true, std::memory_order_release);
  stop_.stop();
}

std::optional<Error> Context::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
  return failure_.lock()->error;
}

bool Context::failed_here() const {
  auto failure = failure_.lock();
  return failure->error && !failure->told_by_peer;
}

}  // namespace sealift::transport
