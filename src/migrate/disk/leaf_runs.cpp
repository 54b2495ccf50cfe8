#include "migrate/disk/leaf_runs.hpp"

#include <algorithm>

namespace sealift::migrate {

LeafRuns::LeafRuns(const std::vector<RoundDisk>& disks, std::vector<std::uint64_t> leaves_of)
    : disks_(disks), leaves_of_(std::move(leaves_of)) {}

std::optional<LeafRun> LeafRuns::next() {
  const std::lock_guard lock(mutex_);
  while (disk_ < disks_.size()) {
    if (const auto run = of_disk()) return run;
    ++disk_;
    at_ = 0;
  }
  return std::nullopt;
}

std::optional<LeafRun> LeafRuns::of_disk() {
  const auto& named = disks_[disk_].leaves;
  if (!named) {
    const std::uint64_t left = leaves_of_[disk_] - at_;
    if (left == 0) return std::nullopt;
    const LeafRun run{.disk = disk_,
                      .first = at_,
                      .count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kRunLeavesMax))};
    at_ += run.count;
    return run;
  }
  if (at_ == named->size()) return std::nullopt;
  LeafRun run{.disk = disk_, .first = (*named)[at_], .count = 0};
  while (at_ < named->size() && run.count < kRunLeavesMax && (*named)[at_] == run.first + run.count) {
    ++run.count, ++at_;
  }
  return run;
}

}  // namespace sealift::migrate
