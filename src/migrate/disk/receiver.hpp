#pragma once

// The destination's end of the copy of a VM's disks (sender.hpp, record.hpp).
//
//   auto receiver = DiskReceiver::open(session, {{.sink = d0, .content = d0, .table = t0}, …}, options);
//   receiver->offer(progress, deadline, stop);        // hashes what is here already, tells the source
//   while (auto round = receiver->receive_round(stop)) { tell the source; if (round->last) break; }
//   t0->root() …
//
// Every record is checked before anything is written: the place exists, is named once in this round, the data
// opens to exactly the leaf's length and has the digest; a leaf that an earlier copy has is copied over from
// there, under the same check. Order of durability: data flushed, then the table's
// entry, then the table synced: every few hundred MiB beside the workers, and at each round's end before
// receive_round() returns. A leaf that is being overwritten has no entry.
//
// Threads: `workers` per round, one stream each, and one that flushes; the calls by one thread at a time,
// stats() from any. Memory: a few leaves per worker, one bit per leaf, a bounded number of digests.
// After a failure every call returns it.

#include <memory>
#include <vector>

#include "base/stop.hpp"
#include "image/block.hpp"
#include "image/leaf_table.hpp"
#include "migrate/disk/copy_stats.hpp"
#include "migrate/disk/earlier_copy.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

struct DestinationDisk {
  image::BlockSink* sink = nullptr;
  image::BlockSource* content = nullptr;  // the same image, to read it: claims, holes that are there already
  image::LeafTable* table = nullptr;      // of the same size; all outlive the receiver
  EarlierCopy* earlier = nullptr;         // of the same size; none: everything is sent
};

struct ReceiverOptions {
  unsigned workers = 2;  // both ends must say the same number
};

struct RoundReceived {
  std::uint64_t number = 0;  // from 1
  bool last = false;
};

class DiskReceiver {
 public:
  static Result<std::unique_ptr<DiskReceiver>> open(transport::Session& session,
                                                    std::vector<DestinationDisk> disks,
                                                    const ReceiverOptions& options = {});
  ~DiskReceiver();

  // Before the first round: verifies what the tables claim (after a restart; nothing in a new move), takes
  // stock of the earlier copies (for a quarter of an hour at most), and offers both to the source.
  Status offer(const image::LeafTable::Progress& progress, Deadline deadline, const Stop& stop);
  // Waits for the next round, whole and durable. kExhausted: the disk is full. kCorrupt: the source breaks
  // the rules, nothing of the offending record was written.
  Result<RoundReceived> receive_round(const Stop& stop);

  CopyStats stats() const;

 private:
  struct Impl;
  explicit DiskReceiver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
