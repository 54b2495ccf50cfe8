#pragma once

// One of a receiver's threads and its stream: opens records, checks them, writes. One round at a time.

#include <memory>
#include <vector>

#include "image/atomic_bits.hpp"
#include "migrate/disk/checkpointer.hpp"
#include "migrate/disk/compress.hpp"
#include "migrate/disk/record.hpp"

namespace sealift::migrate {

// Which leaves this round has named: nobody writes one twice, so no two workers meet at one.
struct NamedLeaves {
  explicit NamedLeaves(const std::vector<DestinationDisk>& disks) {
    for (const DestinationDisk& disk : disks) {
      of_disk.push_back(std::make_unique<image::AtomicBits>(disk.table->leaves()));
    }
  }
  void clear() {
    for (const auto& bits : of_disk) bits->clear_all();
  }
  std::vector<std::unique_ptr<image::AtomicBits>> of_disk;
};

class ReceiverWorker {
 public:
  ReceiverWorker(transport::StreamReader reader, const std::vector<DestinationDisk>& disks,
                 NamedLeaves& named, CopyCounters& counters)
      : reader_(std::move(reader)), disks_(disks), named_(named), counters_(counters) {}

  // To the round's end on this stream; everything is handed to the checkpointer then.
  Result<RoundReceived> run(Checkpointer& checkpointer, const Stop& stop);

 private:
  Status take(const DiskRecord& record, Checkpointer& checkpointer);
  Status take_data(const DiskRecord& record);
  Status write_leaf(const DiskRecordHeader& header, std::uint64_t leaf, ByteView data,
                    const crypto::Digest& digest);
  Status take_zeros(const DiskRecord& record);
  Status take_same(const DiskRecord& record);
  Status copy_over(const DiskRecordHeader& header, std::uint64_t leaf, const crypto::Digest& digest);
  Status zero_unless_hole(const DestinationDisk& disk, std::uint64_t first, std::uint64_t count);
  Status name(const DiskRecordHeader& header);
  Status hand_over(Checkpointer& checkpointer);

  transport::StreamReader reader_;
  const std::vector<DestinationDisk>& disks_;
  NamedLeaves& named_;
  CopyCounters& counters_;
  LeafDecompressor decompressor_;
  Bytes scratch_;  // of a leaf that is copied over, once there is one
  Laps laps_{counters_};
  std::vector<WrittenLeaves> written_;
  std::uint64_t written_bytes_ = 0;
  std::chrono::steady_clock::time_point handed_over_ = std::chrono::steady_clock::now();
};

}  // namespace sealift::migrate
