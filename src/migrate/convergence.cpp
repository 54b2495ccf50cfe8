#include "migrate/convergence.hpp"

#include <algorithm>

#include "base/human.hpp"

namespace sealift::migrate {

bool Convergence::stuck() const {
  constexpr int kStuckPasses = 3;
  return stuck_ >= kStuckPasses;
}

Convergence::Verdict Convergence::look(const PassSeen& seen, const ConvergenceLimits& limits,
                                       SteadyTime now) {
  const bool first = seen.pass <= 1;
  const bool new_pass = seen.pass != pass_;
  pass_ = seen.pass;
  // What is left counts when a pass begins; inside one it only shrinks. The first is as long as memory is
  // big.
  if (first || new_pass) {
    const bool less = !best_ || (first ? seen.left_bytes < *best_ : seen.left_bytes < *best_ - *best_ / 8);
    if (less) {
      best_ = seen.left_bytes;
      last_progress_ = now;
      stuck_ = 0;
    } else if (!first) {
      ++stuck_;
    }
  }
  if (!stuck()) return Verdict::kGoOn;
  const bool over = limits.patience.count() > 0 && now - last_progress_ >= limits.patience;
  return over ? Verdict::kGiveUp : Verdict::kStuck;
}

std::uint64_t downtime_bytes(std::uint64_t max_downtime_ms, std::uint64_t link_bytes_per_second) {
  return static_cast<std::uint64_t>(static_cast<double>(max_downtime_ms) / 1000.0 *
                                    static_cast<double>(link_bytes_per_second) * 0.8);
}

std::uint64_t little_bytes(std::uint64_t max_downtime_ms, std::uint64_t link_bytes_per_second) {
  constexpr std::uint64_t kLeast = 512ULL << 10U;
  constexpr std::uint64_t kMost = 4ULL << 20U;
  return std::clamp(downtime_bytes(max_downtime_ms, link_bytes_per_second), kLeast, kMost);
}

std::uint64_t left_if_stopped(std::uint64_t remaining_bytes, std::uint64_t write_bytes_per_second,
                              std::chrono::duration<double> since_sync) {
  const double written = static_cast<double>(write_bytes_per_second) * std::max(since_sync.count(), 0.0);
  return remaining_bytes + static_cast<std::uint64_t>(written);
}

std::string stuck_words(const PassSeen& seen, const ConvergenceLimits& limits) {
  return fmt::format(
      "the guest writes about as fast as the link carries ({} written, {} carried, {} still left): it would "
      "stop for about {} ms, {} ms are allowed. Raise it (sealift moves tune --max-downtime, --bandwidth), "
      "wait until it writes less, or stop the VM and move it with --cold",
      human_rate(seen.write_bytes_per_second), human_rate(seen.link_bytes_per_second),
      human_bytes(seen.left_bytes),
      seen.link_bytes_per_second == 0 ? 0 : seen.left_bytes * 1000 / seen.link_bytes_per_second,
      limits.max_downtime_ms);
}

}  // namespace sealift::migrate
