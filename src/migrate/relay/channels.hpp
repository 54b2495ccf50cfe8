#pragma once

// What both relays share: the group of threads that carries the channels, its first failure, its counters.

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"
#include "net/socket.hpp"

namespace sealift::migrate {

// QEMU's side of the relay is read 256 KiB at a time and written through 1 MiB of socket buffer (reference
// measurements: more gives nothing).
constexpr std::size_t kRelayReadBytes = 256 * 1024;
constexpr int kRelaySocketBytes = 1024 * 1024;

class Channels {
 public:
  struct State {
    std::vector<std::unique_ptr<net::UnixStream>> sockets;  // by channel; grows in order, never shrinks
    std::optional<Error> failure;
    std::optional<std::uint32_t> loaded;
    bool acknowledged = false;
    unsigned ended = 0;  // channels whose end was carried
  };

  // Starts a thread that belongs to the group. The first error other than kCancelled becomes failure().
  void start(std::function<Status()> work);
  // Closes every socket, stops and joins all threads. Idempotent; from the owner's thread.
  void cut();
  // kCancelled by stop; kTimeout; the group's failure; otherwise ready(state) holds.
  Status wait(Deadline deadline, const Stop& stop, const std::function<bool(const State&)>& ready);

  net::UnixStream& add(net::UnixStream socket);  // lives as long as the group
  void fail_with(Error error);
  void update(const std::function<void(State&)>& change);
  std::optional<Error> failure();
  bool acknowledged();
  Stop stop_token() const { return stop_.token(); }
  void count(std::uint64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  StopSource stop_;
  Guarded<State> state_;
  std::atomic<std::uint64_t> bytes_{0};
  Guarded<std::vector<std::jthread>> threads_;
};

}  // namespace sealift::migrate
