#pragma once

// CopyStats while they grow: one relaxed addition per stage and record, no lock.

#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include "migrate/disk/copy_stats.hpp"

namespace sealift::migrate {

enum class Stage : std::size_t { kRead, kHash, kCompress, kSend, kReceive, kWrite, kFlush, kCount };
enum class Amount : std::size_t { kRead, kZero, kSame, kData, kCompressed, kRecord, kCount };

class CopyCounters {
 public:
  explicit CopyCounters(std::size_t disks) : disks_(disks), per_disk_(std::make_unique<Disk[]>(disks)) {}

  void add(Stage stage, std::chrono::nanoseconds time) {
    bump(times_[static_cast<std::size_t>(stage)], static_cast<std::uint64_t>(time.count()));
  }
  void add(Amount amount, std::uint64_t bytes) { bump(amounts_[static_cast<std::size_t>(amount)], bytes); }
  void done(std::size_t disk, std::uint64_t bytes) { bump(per_disk_[disk].done, bytes); }
  void sent(std::size_t disk, std::uint64_t bytes) { bump(per_disk_[disk].sent, bytes); }
  void had(std::size_t disk, std::uint64_t bytes) { bump(per_disk_[disk].had, bytes); }
  void begin_round() {
    for (std::size_t i = 0; i < disks_; ++i) per_disk_[i].done = 0;
  }
  CopyStats snapshot() const;

 private:
  struct Disk {
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> had{0};
  };
  static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
    counter.fetch_add(by, std::memory_order_relaxed);
  }
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Stage::kCount)> times_{};
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Amount::kCount)> amounts_{};
  std::size_t disks_;
  std::unique_ptr<Disk[]> per_disk_;
};

// Measures stages that follow each other in one thread.
class Laps {
 public:
  explicit Laps(CopyCounters& counters) : counters_(counters) {}
  void restart() { from_ = std::chrono::steady_clock::now(); }
  std::chrono::nanoseconds end(Stage stage) {
    const auto now = std::chrono::steady_clock::now();
    const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(now - from_);
    counters_.add(stage, time);
    from_ = now;
    return time;
  }

 private:
  CopyCounters& counters_;
  std::chrono::steady_clock::time_point from_ = std::chrono::steady_clock::now();
};

}  // namespace sealift::migrate
