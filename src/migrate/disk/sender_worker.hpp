#pragma once

// One of a sender's threads and its stream: reads runs of leaves, hashes, compresses, commits records.

#include <memory>
#include <vector>

#include "image/atomic_bits.hpp"
#include "migrate/disk/compress.hpp"
#include "migrate/disk/copy_counters.hpp"
#include "migrate/disk/leaf_runs.hpp"
#include "migrate/disk/record.hpp"
#include "migrate/disk/sender.hpp"

namespace sealift::migrate {

// A disk as the workers share it. Distinct leaves are touched by distinct workers (LeafRuns).
struct SenderDisk {
  explicit SenderDisk(SourceDisk disk)
      : table(disk.table), known_file(std::move(disk.known_file)), sent(disk.table->leaves()) {}

  // The digest of what the destination has of that leaf, if anything is known of it.
  std::optional<crypto::Digest> at_destination(std::uint64_t leaf) const {
    if (sent.test(leaf)) return table->digest(leaf);
    return offered ? offered->digest(leaf) : std::nullopt;
  }

  image::LeafTable* table;
  file::Path known_file;
  std::unique_ptr<image::LeafTable> offered;  // what the destination offered, made with the first offer
  image::AtomicBits sent;                     // in this session: the destination has what the table says
  image::BlockSource* source = nullptr;       // of the round
};

class SenderWorker {
 public:
  SenderWorker(transport::StreamWriter writer, std::vector<std::unique_ptr<SenderDisk>>& disks,
               CopyCounters& counters, Compression compression)
      : writer_(std::move(writer)), disks_(disks), counters_(counters), choice_(compression) {}

  Status run(LeafRuns& runs, std::uint64_t round, MoreRounds more, const Stop& stop);

 private:
  // Leaves of a run that are only named; they follow the run's data.
  struct Named {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
  };
  Status send_run(const LeafRun& run, const Stop& stop);
  Status send_leaf(const LeafRun& run, SenderDisk& disk, std::uint64_t leaf, const Stop& stop);
  Status send_data(std::size_t disk, std::uint64_t leaf, const crypto::Digest& digest, std::size_t bytes,
                   const Stop& stop);
  Status send_named(const LeafRun& run, const Stop& stop);
  Status commit(std::size_t bytes, const Stop& stop);
  static void name(std::vector<Named>& list, std::uint64_t leaf);

  transport::StreamWriter writer_;
  std::vector<std::unique_ptr<SenderDisk>>& disks_;
  CopyCounters& counters_;
  CompressionChoice choice_;
  LeafCompressor compressor_;
  Laps laps_{counters_};
  std::chrono::steady_clock::time_point last_commit_ = std::chrono::steady_clock::now();
  std::vector<Named> zeros_;
  std::vector<Named> same_;
  Bytes same_digests_;
};

}  // namespace sealift::migrate
