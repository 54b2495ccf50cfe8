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
// written. Small ones get memory of their own size, so that many of them do not hold a large buffer each.
class Sealed {
 public:
  static constexpr std::size_t kSmallBytes = 64 * 1024;
  static constexpr std::size_t kCostMax = kSealedBytesMax + 256;

  Sealed(BufferPool& pool, BufferPool::Buffer buffer, std::size_t size)
      : pool_(&pool), buffer_(std::move(buffer)), size_(size) {}
  explicit Sealed(std::size_t size)
      : buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(size)), size_(size) {}
  // Of the right one of both kinds, to be filled.
  static std::shared_ptr<Sealed> make(BufferPool& pool, std::size_t size);
  Sealed(const Sealed&) = delete;
  Sealed& operator=(const Sealed&) = delete;
  ~Sealed() {
    if (pool_ != nullptr) pool_->give(std::move(buffer_));
  }

  MutableByteView bytes() const { return {buffer_.get(), size_}; }
  std::span<std::uint8_t, kRecordHeaderBytes> head() const {
    return std::span<std::uint8_t, kRecordHeaderBytes>(buffer_.get(), kRecordHeaderBytes);
  }
  MutableByteView body() const { return bytes().subspan(kRecordHeaderBytes, size_ - kRecordOverheadBytes); }
  std::span<std::uint8_t, crypto::kAeadTagBytes> tag() const {
    return std::span<std::uint8_t, crypto::kAeadTagBytes>(buffer_.get() + size_ - crypto::kAeadTagBytes,
                                                          crypto::kAeadTagBytes);
  }
  std::size_t size() const { return size_; }
  // What it counts in a window: the memory that it holds, on both ends.
  std::size_t cost() const { return size_ <= kSmallBytes ? size_ + 256 : kCostMax; }

 private:
  BufferPool* pool_ = nullptr;
  BufferPool::Buffer buffer_;
  std::size_t size_ = 0;
};
using SealedPtr = std::shared_ptr<Sealed>;

// Spreads what this end sends over time: bytes a second, 0 = as fast as it goes. It never sleeps itself: who
// sends has other things to do meanwhile (acknowledgements, signs of life).
class Pacer {
 public:
  void set_rate(std::uint64_t bytes_per_second);
  SteadyTime next_at() const;      // when the next record may go; the past when it may go now
  void charge(std::size_t bytes);  // one goes

 private:
  struct State {
    std::uint64_t rate = 0;
    SteadyTime free_at{};
  };
  mutable Guarded<State> state_;
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
  // The other side has said BYE: it wants nothing more and sends nothing more.
  void leave() { left_.store(true, std::memory_order_release); }
  bool peer_left() const { return left_.load(std::memory_order_acquire); }

  // Waits on a part's own condition until ready() holds: kTimeout, kCancelled (stop), or the session's
  // failure.
  template <class Ready>
  Status wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, Deadline deadline,
              const Stop& stop, Ready ready) const {
    constexpr Milliseconds kLook{20};  // a condition variable does not know Stop
    while (true) {
      if (const auto error = failure()) return std::unexpected(*error);
      if (ready()) return {};
      if (peer_left()) return sealift::fail(Code::kClosed, "the other side has ended the session");
      if (stop.stopped()) return sealift::fail(Code::kCancelled, "stopped");
      if (deadline.passed())
        return sealift::fail(Code::kTimeout, "the other side did not get so far in time");
      const auto look = std::chrono::steady_clock::now() + kLook;
      changed.wait_until(lock, deadline.sooner(look));
    }
  }

 private:
  struct Failure {
    std::optional<Error> error;
    bool told_by_peer = false;
  };
  mutable Guarded<Failure> failure_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> left_{false};
  StopSource stop_;
};

}  // namespace sealift::transport
