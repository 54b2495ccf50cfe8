#pragma once

// Whether a live move gets anywhere. A guest that writes faster than the link carries never leaves little
// enough: the move then says so, and after `patience` without progress it is cancelled with what to do, long
// before its deadline. Pure: the copier tells what it sees, and when.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/stop.hpp"

namespace sealift::migrate {

struct ConvergenceLimits {
  Milliseconds patience{300'000};  // without progress; 0: warn only, until the move's deadline
  std::uint64_t max_downtime_ms = 300;
};

// At one look at the guest's memory and disks.
struct PassSeen {
  std::uint64_t pass = 0;        // of the memory; its first one sends everything
  std::uint64_t left_bytes = 0;  // memory and disk leaves that the guest has written and are not sent
  std::uint64_t link_bytes_per_second = 0;
  std::uint64_t write_bytes_per_second = 0;  // the guest's
};

class Convergence {
 public:
  explicit Convergence(SteadyTime began) : last_progress_(began) {}

  enum class Verdict { kGoOn, kStuck, kGiveUp };
  // Progress is the first pass getting on, and afterwards a pass that begins with an eighth less than the
  // best one before. kStuck: three passes in a row were none. kGiveUp: none for `patience`.
  Verdict look(const PassSeen& seen, const ConvergenceLimits& limits, SteadyTime now);
  int passes_without_progress() const { return stuck_; }
  bool stuck() const;  // three in a row: then all that the allowed downtime can carry is little enough

 private:
  SteadyTime last_progress_;
  std::uint64_t pass_ = 0;
  std::optional<std::uint64_t> best_;
  int stuck_ = 0;
};

// What can be carried while the guest is stopped, a fifth kept in reserve.
std::uint64_t downtime_bytes(std::uint64_t max_downtime_ms, std::uint64_t link_bytes_per_second);
// Little enough to stop without waiting for less: what the downtime carries, between 512 KiB (a guest that
// rests still writes) and 4 MiB.
std::uint64_t little_bytes(std::uint64_t max_downtime_ms, std::uint64_t link_bytes_per_second);
// What would be sent with the guest stopped now. `remaining_bytes` is QEMU's count of what its last
// synchronisation of the dirty bitmap found and is not sent; it falls to 0 at the end of every pass however
// much was written since. `since_sync`: how long ago that was, at most.
std::uint64_t left_if_stopped(std::uint64_t remaining_bytes, std::uint64_t write_bytes_per_second,
                              std::chrono::duration<double> since_sync);
// "the guest writes 80 MiB/s, the link carries 60 MiB/s: …what to do"
std::string stuck_words(const PassSeen& seen, const ConvergenceLimits& limits);

}  // namespace sealift::migrate
