#pragma once

// Makes received leaves durable beside the workers that receive them: flushes the disks, then enters the
// leaves into their tables, then syncs those. What a worker adds was written before.

#include <optional>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "migrate/disk/copy_counters.hpp"
#include "migrate/disk/receiver.hpp"

namespace sealift::migrate {

// Leaves whose bytes were written: one with a digest, or a run of zeros.
struct WrittenLeaves {
  enum class Content : std::uint8_t { kDigest, kZeros };
  Content content = Content::kDigest;
  std::uint16_t disk = 0;
  std::uint32_t count = 1;
  std::uint64_t first = 0;
  crypto::Digest digest;
};

class Checkpointer {
 public:
  // Both outlive this.
  Checkpointer(const std::vector<DestinationDisk>& disks, CopyCounters& counters);
  ~Checkpointer();

  // Waits while several batches are on their way already. Any earlier failure is returned.
  Status add(std::vector<WrittenLeaves> batch);
  // Returns when everything added is durable.
  Status drain();

 private:
  struct State {
    std::vector<std::vector<WrittenLeaves>> waiting;
    bool busy = false;
    bool ending = false;
    std::optional<Error> failure;
  };
  void work();
  Status make_durable(const std::vector<std::vector<WrittenLeaves>>& batches);

  const std::vector<DestinationDisk>& disks_;
  CopyCounters& counters_;
  Guarded<State> state_;
  std::jthread thread_;
};

}  // namespace sealift::migrate
