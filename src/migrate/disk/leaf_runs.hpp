#pragma once

// Divides a round's leaves among the workers: runs of consecutive leaves of one disk, each handed out once.

#include <mutex>
#include <optional>
#include <vector>

#include "migrate/disk/sender.hpp"

namespace sealift::migrate {

constexpr std::uint32_t kRunLeavesMax = 64;  // 16 MiB

struct LeafRun {
  std::size_t disk = 0;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  bool operator==(const LeafRun&) const = default;
};

class LeafRuns {
 public:
  // The disks must outlive this; leaves_of: how many leaves each has.
  LeafRuns(const std::vector<RoundDisk>& disks, std::vector<std::uint64_t> leaves_of);
  std::optional<LeafRun> next();  // from any thread

 private:
  std::optional<LeafRun> of_disk();

  const std::vector<RoundDisk>& disks_;
  std::vector<std::uint64_t> leaves_of_;
  std::mutex mutex_;
  std::size_t disk_ = 0;
  std::uint64_t at_ = 0;  // next leaf, or next index into the leaves named
};

}  // namespace sealift::migrate
