#include "migrate/estimate.hpp"

#include <algorithm>

#include "base/human.hpp"
#include "migrate/convergence.hpp"

#include <fmt/format.h>

namespace sealift::migrate {

namespace {

constexpr double kSetUpMs = 700;      // offer, acceptance, the destination's QEMU
constexpr double kFixedPauseMs = 25;  // stop, freeze, seal, compare, start
constexpr double kLedgerWrites = 2;   // of the quorum's answer: the freshness proof and the commit
constexpr int kPassesMax = 30;

struct Copied {
  double seconds = 0;
  double left_bytes = 0;
  bool converges = true;
};

// The first pass sends everything, each later one what was written during the one before.
Copied pre_copy(double bytes, double write, double link, double enough, double little) {
  Copied out;
  double left = bytes;
  for (int pass = 0; pass < kPassesMax; ++pass) {
    const double seconds = left / link;
    out.seconds += seconds;
    const double next = std::min(bytes, write * seconds);
    if (next <= std::max(little, pass > 3 ? enough : 0)) {
      out.left_bytes = next;
      return out;
    }
    if (next > left * 0.97) break;
    left = next;
  }
  out.left_bytes = left;
  out.converges = left <= enough;
  return out;
}

}  // namespace

Estimate estimate(const EstimateFacts& facts) {
  Estimate out;
  if (facts.link_bytes_per_second == 0) {
    out.text = "not known: the link could not be measured";
    return out;
  }
  out.known = true;
  const auto link = static_cast<double>(facts.link_bytes_per_second);
  const auto enough = static_cast<double>(downtime_bytes(facts.max_downtime_ms, facts.link_bytes_per_second));
  const auto little = static_cast<double>(little_bytes(facts.max_downtime_ms, facts.link_bytes_per_second));
  const auto disk_write = facts.live ? static_cast<double>(facts.disk_write_bytes_per_second) : 0.0;
  const Copied disks = pre_copy(static_cast<double>(facts.disk_bytes), disk_write, link, enough, little);
  Copied memory;
  if (facts.live)
    memory = pre_copy(static_cast<double>(facts.memory_bytes),
                      static_cast<double>(facts.memory_write_bytes_per_second), link, enough, little);
  out.converges = disks.converges && memory.converges;
  out.total_ms = static_cast<std::uint64_t>(kSetUpMs + (disks.seconds + memory.seconds) * 1000);
  const std::uint64_t bytes = facts.disk_bytes + (facts.live ? facts.memory_bytes : 0);
  const std::string carried =
      fmt::format("{} at {}", human_bytes(bytes), human_rate(facts.link_bytes_per_second));
  const std::string total = human_seconds(static_cast<double>(out.total_ms) / 1000);
  if (!facts.live) {
    out.text = fmt::format("{}: at most {}", total, carried);
    return out;
  }
  out.pause_ms =
      static_cast<std::uint64_t>(kFixedPauseMs + kLedgerWrites * static_cast<double>(facts.ledger_ms) +
                                 (disks.left_bytes + memory.left_bytes) / link * 1000);
  const std::uint64_t writes = facts.memory_write_bytes_per_second + facts.disk_write_bytes_per_second;
  out.text = fmt::format("{}, pause about {} ms: {}, the guest writes {}", total, out.pause_ms, carried,
                         human_rate(writes));
  if (!out.converges) {
    out.text = fmt::format("no end: {}, the guest writes {}", carried, human_rate(writes));
    out.warning = fmt::format(
        "it will not converge: the guest writes {}, the link carries {}; it would have to pause about {} ms, "
        "{} "
        "ms are allowed: raise --max-downtime or --bandwidth, move it when it writes less, or stop it and "
        "use "
        "--cold",
        human_rate(writes), human_rate(facts.link_bytes_per_second), out.pause_ms, facts.max_downtime_ms);
  }
  return out;
}

}  // namespace sealift::migrate
