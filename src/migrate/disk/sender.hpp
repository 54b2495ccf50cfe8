#pragma once

// The source's end of the copy of a VM's disks, over a sealed session: cold (one round of everything), live
// (one of everything, then rounds of dirty leaves), resumed or not. What goes over the wire: record.hpp.
//
//   auto sender = DiskSender::open(session, {{.table = t0}, {.table = t1}}, options);
//   sender->take_offer(deadline, stop);                   // what the destination has already
//   sender->send_round({{.source = s0}, {.source = s1}}, MoreRounds::kFollow, stop);
//   … rotate the bitmaps, then only dirty leaves:
//   sender->send_round({{.source = s0, .leaves = dirty0}, …}, MoreRounds::kNone, stop);
//   t0->root(), t1->root();                                // of what was sent
//
// A leaf is read once, hashed while it is in cache, and what was read is what is sent: a running guest may
// write meanwhile, the next round has it then. Zeros are announced only; leaves whose digest the destination
// has are named only.
//
// Threads: `workers` per round, one stream each; the calls by one thread at a time, stats() from any.
// Memory: a few leaves per worker, two bits per leaf of each disk, and the destination's offer, if any
// (32 bytes per offered leaf, in `known_file` where given).
// After a failure every call returns it: a new session, sender and receiver go on from the tables.

#include <memory>
#include <optional>
#include <vector>

#include "base/file.hpp"
#include "base/stop.hpp"
#include "image/block.hpp"
#include "image/leaf_table.hpp"
#include "migrate/disk/copy_stats.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

constexpr unsigned kDiskWorkersMax = 15;  // streams 1 to 15

enum class Compression { kAdaptive, kAlways, kNever };  // adaptive: where the link is slower than zstd
enum class MoreRounds { kFollow, kNone };               // kNone: the streams end after this round

struct SourceDisk {
  image::LeafTable* table = nullptr;  // filled with what was sent; outlives the sender
  file::Path known_file;              // scratch for the destination's offer; empty: memory
};

struct RoundDisk {
  image::BlockSource* source = nullptr;              // for this round; of the table's size
  std::optional<std::vector<std::uint64_t>> leaves;  // ascending; none: all
};

struct SenderOptions {
  unsigned workers = 2;  // both ends must say the same number
  Compression compression = Compression::kAdaptive;
};

class DiskSender {
 public:
  static Result<std::unique_ptr<DiskSender>> open(transport::Session& session, std::vector<SourceDisk> disks,
                                                  const SenderOptions& options = {});
  ~DiskSender();

  // Before the first round; waits for the destination's verification of what it claims to have.
  Status take_offer(Deadline deadline, const Stop& stop);
  // Returns when everything is handed to the session. It is durable when the destination's receive_round()
  // has returned; the drivers tell each other. disks: as many as at open(), in the same order.
  Status send_round(const std::vector<RoundDisk>& disks, MoreRounds more, const Stop& stop);
  std::uint64_t rounds() const;  // sent so far; the number of the last one

  CopyStats stats() const;

 private:
  struct Impl;
  explicit DiskSender(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
