#pragma once

// What the parts of one session share: what was agreed, the secret, the first failure, buffers, pacing,
// counters.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "base/guarded.hpp"
#include "base/stop.hpp"
#include "transport/control.hpp"
#include "transport/keys.hpp"
#include "transport/session.hpp"

namespace sealift::transport {

// Buffers of kSealedBytesMax, used again: freshly mapped memory is slow to touch.
class BufferPool {
 public:
  using Buffer = std::unique_ptr<std::uint8_t[]>;
  Buffer take();
  void give(Buffer buffer);

 private:
  static constexpr std::size_t kIdleMax = 256;
  Guarded<std::deque<Buffer>> idle_;
};

// One record, sealed: header, ciphertext, tag. Shared: it is kept for sending again while it is being
// written.
struct Sealed {
  BufferPool* pool;
  BufferPool::Buffer buffer;
  std::size_t size = 0;
  Sealed(BufferPool& from, BufferPool::Buffer bytes, std::size_t used)
      : pool(&from), buffer(std::move(bytes)), size(used) {}
  Sealed(const Sealed&) = delete;
  Sealed& operator=(const Sealed&) = delete;
  ~Sealed() { pool->give(std::move(buffer)); }
  MutableByteView bytes() const { return {buffer.get(), size}; }
};
using SealedPtr = std::shared_ptr<Sealed>;

// Spreads what this end sends over time: bytes a second, 0 = as fast as it goes.
class Pacer {
 public:
  void set_rate(std::uint64_t bytes_per_second);
  Status wait(std::size_t bytes, const Stop& stop);

 private:
  struct State {
    std::uint64_t rate = 0;
    SteadyTime free_at{};
  };
  Guarded<State> state_;
};

class Context {
 public:
  Context(Side own, const SessionId& session, const Agreement& agreement, const SessionOptions& given,
          crypto::PublicKey peer, crypto::Secret session_secret)
      : side(own),
        id(session),
        agreed(agreement),
        options(given),
        peer_key(peer),
        secret(std::move(session_secret)) {}

  const Side side;
  const SessionId id;
  const Agreement agreed;
  const SessionOptions options;
  const crypto::PublicKey peer_key;
  const crypto::Secret secret;
  BufferPool pool;
  Pacer pacer;
  std::atomic<std::uint64_t> wire_bytes_sent{0};
  std::atomic<std::uint64_t> wire_bytes_received{0};
  std::atomic<std::uint64_t> reconnects{0};
  std::atomic<std::uint64_t> duplicates{0};

  // The first one stays. Everything that waits in the session wakes up and returns it.
  void fail(Error error, bool told_by_peer = false);
  std::optional<Error> failure() const;
  bool failed_here() const;  // and the other side has not been told
  Stop stop() const { return stop_.token(); }

  // Waits on a part's own condition until ready() holds: kTimeout, kCancelled (stop), or the session's
  // failure.
  template <class Ready>
  Status wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, Deadline deadline,
              const Stop& stop, Ready ready) const {
    constexpr Milliseconds kLook{20};  // a condition variable does not know Stop
    while (true) {
      if (const auto error = failure()) return std::unexpected(*error);
      if (ready()) return {};
      if (stop.stopped()) return sealift::fail(Code::kCancelled, "stopped");
      if (deadline.passed())
        return sealift::fail(Code::kTimeout, "the other side did not get so far in time");
      const auto look = std::chrono::steady_clock::now() + kLook;
      changed.wait_until(lock, deadline.at() ? std::min(*deadline.at(), look) : look);
    }
  }

 private:
  struct Failure {
    std::optional<Error> error;
    bool told_by_peer = false;
  };
  mutable Guarded<Failure> failure_;
  std::atomic<bool> failed_{false};
  StopSource stop_;
};

}  // namespace sealift::transport
