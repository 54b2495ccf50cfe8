#pragma once

// How long a move and its pause will be, said before it begins: memory and disks to send, what the guest
// writes meanwhile, what the link carries (geometric pre-copy: each pass sends what was written during the
// one before). Pure.

#include <cstdint>
#include <string>

namespace sealift::migrate {

struct EstimateFacts {
  bool live = false;
  std::uint64_t memory_bytes = 0;  // that the guest has touched
  std::uint64_t disk_bytes = 0;    // allocated
  std::uint64_t memory_write_bytes_per_second = 0;
  std::uint64_t disk_write_bytes_per_second = 0;
  std::uint64_t link_bytes_per_second = 0;  // measured, and at most --bandwidth; 0: not known
  std::uint64_t ledger_ms = 0;              // an answer of the quorum, as measured
  std::uint64_t max_downtime_ms = 300;
};

struct Estimate {
  bool known = false;  // false: nothing was measured, the rest means nothing
  bool converges = true;
  std::uint64_t total_ms = 0;
  std::uint64_t pause_ms = 0;  // live
  std::string text;            // "0:21, pause about 45 ms: 1.5 GiB at 110 MiB/s, the guest writes 3 MiB/s"
  std::string warning;         // it will not converge: why, and what to do; empty otherwise
};
Estimate estimate(const EstimateFacts& facts);

}  // namespace sealift::migrate
