#include <algorithm>

#include "migrate/source_copy_impl.hpp"

// When a live move has copied enough to stop the guest, whether it ever will, and what is shown meanwhile.

namespace sealift::migrate {

namespace {

constexpr double kMeasurable = 0.1;  // seconds

}  // namespace

// Memory that is left if the guest stops now.
std::uint64_t SourceCopy::Impl::memory_left(const hypervisor::MigrationStatus& status) const {
  return left_if_stopped(status.remaining_bytes, pace.write_bytes_per_second,
                         std::chrono::steady_clock::now() - pace.synced_at);
}

// Little always; or, where passes do not shrink the rest, what the allowed downtime carries.
bool SourceCopy::Impl::little_remains(const hypervisor::MigrationStatus& status) const {
  const auto link = static_cast<std::uint64_t>(pace.bytes_per_second);
  if (memory_left(status) <= little_bytes(*plan.max_downtime_ms, link)) return true;
  return pace.convergence.stuck() && fits_downtime(status);
}

bool SourceCopy::Impl::fits_downtime(const hypervisor::MigrationStatus& status) const {
  return memory_left(status) + pace.dirty_leaves * image::kLeafBytes <=
         downtime_bytes(*plan.max_downtime_ms, static_cast<std::uint64_t>(pace.bytes_per_second));
}

// After a round of so many leaves: the next one, with the guest stopped, will be about as small.
bool SourceCopy::Impl::disks_settled(std::uint64_t leaves, const hypervisor::MigrationStatus& status) {
  const bool shrinks = leaves < pace.dirty_leaves - pace.dirty_leaves / 8;
  pace.dirty_leaves = leaves;
  return leaves <= kSmallRoundLeaves || (!shrinks && fits_downtime(status));
}

Status SourceCopy::Impl::watch_convergence(const hypervisor::MigrationStatus& status) {
  const auto now = std::chrono::steady_clock::now();
  if (status.passes != pace.pass) {
    const double seconds = std::chrono::duration<double>(now - pace.pass_at).count();
    // QEMU's own figure comes once a second; until then: what this pass begins with was written during the
    // last.
    if (status.dirty_bytes_per_second > 0)
      pace.write_bytes_per_second = status.dirty_bytes_per_second;
    else if (status.passes == pace.pass + 1 && status.passes >= 2 && seconds > kMeasurable)
      pace.write_bytes_per_second =
          static_cast<std::uint64_t>(static_cast<double>(status.remaining_bytes) / seconds);
    pace.pass = status.passes;
    pace.pass_at = now;
  }
  const PassSeen seen{status.passes, status.remaining_bytes + pace.dirty_leaves * image::kLeafBytes,
                      static_cast<std::uint64_t>(pace.bytes_per_second), pace.write_bytes_per_second};
  const ConvergenceLimits limits{Milliseconds(plan.agreed->patience_ms), *plan.max_downtime_ms};
  const auto verdict = pace.convergence.look(seen, limits, now);
  if (verdict == Convergence::Verdict::kGiveUp)
    return fail(Code::kTimeout, "no progress for {} s: {}", plan.agreed->patience_ms / 1000,
                stuck_words(seen, limits));
  // Passes of a guest that stays within what may be stopped are short, and no news.
  const bool stuck = verdict == Convergence::Verdict::kStuck && !fits_downtime(status);
  if (stuck == pace.stuck) return {};
  pace.stuck = stuck;
  plan.update([&](MoveProgress& progress) { progress.problem = stuck ? stuck_words(seen, limits) : ""; });
  return {};
}

void SourceCopy::Impl::show_memory(const hypervisor::MigrationStatus& status) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - pace.at).count();
  if (seconds < 0.2) return;
  const double rate =
      static_cast<double>(status.transferred_bytes - std::min(pace.transferred, status.transferred_bytes)) /
      seconds;
  pace.bytes_per_second = std::max(rate, pace.bytes_per_second * 0.7);
  pace.at = now;
  pace.transferred = status.transferred_bytes;
  plan.update([&](MoveProgress& progress) {
    MemoryProgress memory;
    memory.total_bytes = status.total_bytes;
    memory.transferred_bytes = status.transferred_bytes;
    memory.remaining_bytes = status.remaining_bytes;
    memory.bytes_per_second = static_cast<std::uint64_t>(rate);
    memory.dirty_bytes_per_second = pace.write_bytes_per_second;
    memory.pass = status.passes;
    if (memory.bytes_per_second > memory.dirty_bytes_per_second)
      memory.seconds_left =
          status.remaining_bytes / (memory.bytes_per_second - memory.dirty_bytes_per_second);
    progress.memory = memory;
  });
}

}  // namespace sealift::migrate
