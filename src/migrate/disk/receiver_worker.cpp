#include "migrate/disk/receiver_worker.hpp"

#include <algorithm>

#include "image/hash_disk.hpp"

namespace sealift::migrate {

namespace {

// How much may have to be sent again after a crash; flushing more often only costs.
constexpr std::uint64_t kBatchBytes = std::uint64_t{512} << 20U;
constexpr std::size_t kBatchEntries = 4096;
constexpr std::chrono::seconds kBatchTime{10};
constexpr std::uint64_t kHoleWindowLeaves = 4096;  // 1 GiB: the extents asked for at a time

Error write_failed(const Error& cause, const DiskRecordHeader& header) {
  if (cause.code != Code::kExhausted) {
    return {cause.code,
            fmt::format("write leaf {} of disk {}: {}", header.first, header.disk, cause.message)};
  }
  return {
      Code::kExhausted,
      fmt::format("disk {}: the destination's storage is full ({}); nothing is lost: free space there and "
                  "move again",
                  header.disk, cause.message)};
}

}  // namespace

Result<RoundReceived> ReceiverWorker::run(Checkpointer& checkpointer, const Stop& stop) {
  laps_.restart();
  handed_over_ = std::chrono::steady_clock::now();
  while (true) {
    const auto bytes = SEALIFT_TRY(reader_.next(Deadline::never(), stop));
    laps_.end(Stage::kReceive);
    if (!bytes) return fail(Code::kCorrupt, "a disk stream ended in the middle of a round");
    counters_.add(Amount::kRecord, bytes->size());
    const DiskRecord record = SEALIFT_TRY(decode_disk_record(*bytes));
    if (record.header.kind == DiskRecordKind::kEnd) {
      const RoundReceived round{.number = record.header.first, .last = record.header.count == 1};
      SEALIFT_TRY_STATUS(hand_over(checkpointer));
      if (round.last && SEALIFT_TRY(reader_.next(Deadline::never(), stop))) {
        return fail(Code::kCorrupt, "records follow the last round");
      }
      return round;
    }
    SEALIFT_TRY_STATUS(take(record, checkpointer));
  }
}

Status ReceiverWorker::take(const DiskRecord& record, Checkpointer& checkpointer) {
  const DiskRecordHeader& header = record.header;
  if (header.disk >= disks_.size()) {
    return fail(Code::kCorrupt, "disk {} is named, there are {}", header.disk, disks_.size());
  }
  SEALIFT_TRY_STATUS(check_disk_record(record, disks_[header.disk].table->disk_bytes()));
  SEALIFT_TRY_STATUS(name(header));
  switch (header.kind) {
    case DiskRecordKind::kData:
    case DiskRecordKind::kZstd: SEALIFT_TRY_STATUS(take_data(record)); break;
    case DiskRecordKind::kZero: SEALIFT_TRY_STATUS(take_zeros(record)); break;
    case DiskRecordKind::kSame: SEALIFT_TRY_STATUS(take_same(record)); break;
    case DiskRecordKind::kEnd:
    case DiskRecordKind::kKnown: return fail(Code::kCorrupt, "the source offers leaves");
  }
  const std::uint64_t disk_bytes = disks_[header.disk].table->disk_bytes();
  counters_.done(header.disk, std::min(disk_bytes, (header.first + header.count) * image::kLeafBytes) -
                                  header.first * image::kLeafBytes);
  const bool due = written_bytes_ >= kBatchBytes || written_.size() >= kBatchEntries ||
                   (!written_.empty() && std::chrono::steady_clock::now() - handed_over_ > kBatchTime);
  return due ? hand_over(checkpointer) : Status();
}

Status ReceiverWorker::name(const DiskRecordHeader& header) {
  image::AtomicBits& named = *named_.of_disk[header.disk];
  for (std::uint64_t leaf = header.first; leaf < header.first + header.count; ++leaf) {
    if (!named.set(leaf)) {
      return fail(Code::kCorrupt, "disk {}: leaf {} is named twice in a round", header.disk, leaf);
    }
  }
  return {};
}

Status ReceiverWorker::take_data(const DiskRecord& record) {
  const DiskRecordHeader& header = record.header;
  const DestinationDisk& disk = disks_[header.disk];
  const std::size_t bytes = image::leaf_length(disk.table->disk_bytes(), header.first);
  ByteView data = record.bytes;
  if (header.kind == DiskRecordKind::kZstd) {
    data = SEALIFT_TRY(decompressor_.decompress(record.bytes, bytes));
    laps_.end(Stage::kCompress);
    counters_.add(Amount::kCompressed, bytes);
  }
  const crypto::Digest digest = crypto::blake3(data);
  laps_.end(Stage::kHash);
  if (digest != record.digest(0)) {
    return fail(Code::kCorrupt, "disk {}: leaf {} is not what its digest says", header.disk, header.first);
  }
  counters_.add(Amount::kData, bytes);
  counters_.sent(header.disk, bytes);
  return write_leaf(header, header.first, data, digest);
}

Status ReceiverWorker::write_leaf(const DiskRecordHeader& header, std::uint64_t leaf, ByteView data,
                                  const crypto::Digest& digest) {
  const DestinationDisk& disk = disks_[header.disk];
  disk.table->clear(leaf);
  const Status wrote = disk.sink->write(leaf * image::kLeafBytes, data);
  if (!wrote) return std::unexpected(write_failed(wrote.error(), header));
  laps_.end(Stage::kWrite);
  written_.push_back({.content = WrittenLeaves::Content::kDigest,
                      .disk = header.disk,
                      .count = 1,
                      .first = leaf,
                      .digest = digest});
  written_bytes_ += data.size();
  return {};
}

Status ReceiverWorker::take_zeros(const DiskRecord& record) {
  const DiskRecordHeader& header = record.header;
  const DestinationDisk& disk = disks_[header.disk];
  std::uint64_t at = header.first;
  const std::uint64_t end = header.first + header.count;
  while (at < end) {
    // What counts as zeros already stays; the rest is cleared in as long stretches as there are.
    if (disk.table->digest(at) == disk.table->zero_digest(at)) {
      ++at;
      continue;
    }
    const std::uint64_t first = at;
    while (at < end && disk.table->digest(at) != disk.table->zero_digest(at)) disk.table->clear(at++);
    const Status zeroed = zero_unless_hole(disk, first, at - first);
    if (!zeroed) return std::unexpected(write_failed(zeroed.error(), header));
    written_.push_back({.content = WrittenLeaves::Content::kZeros,
                        .disk = header.disk,
                        .count = static_cast<std::uint32_t>(at - first),
                        .first = first,
                        .digest = {}});
  }
  counters_.add(Amount::kZero, header.count * image::kLeafBytes);
  laps_.end(Stage::kWrite);
  return {};
}

// Most zeros meet a fresh image: nothing to do, and an image's metadata stays small.
Status ReceiverWorker::zero_unless_hole(const DestinationDisk& disk, std::uint64_t first,
                                        std::uint64_t count) {
  const std::uint64_t disk_bytes = disk.table->disk_bytes();
  for (const std::uint64_t end = first + count; first < end;) {
    const std::uint64_t window = std::min(end - first, kHoleWindowLeaves);
    const auto holes = SEALIFT_TRY(image::zero_leaves(*disk.content, first, window));
    for (std::uint64_t i = 0; i < window;) {
      const std::uint64_t from = i;
      while (i < window && !holes[i]) ++i;
      if (i > from) {
        const std::uint64_t offset = (first + from) * image::kLeafBytes;
        const std::uint64_t stop_at = std::min(disk_bytes, (first + i) * image::kLeafBytes);
        SEALIFT_TRY_STATUS(disk.sink->zero(offset, stop_at - offset));
      }
      while (i < window && holes[i]) ++i;
    }
    first += window;
  }
  return {};
}

Status ReceiverWorker::take_same(const DiskRecord& record) {
  const DiskRecordHeader& header = record.header;
  const DestinationDisk& disk = disks_[header.disk];
  for (std::uint32_t i = 0; i < header.count; ++i) {
    const std::uint64_t leaf = header.first + i;
    const crypto::Digest digest = record.digest(i);
    const auto own = disk.table->digest(leaf);
    if (own != digest) {
      // Offered was the image's own leaf or, where it has none that counts, the earlier copy's.
      if (own || disk.earlier == nullptr || disk.earlier->digest(leaf) != digest) {
        return fail(Code::kCorrupt, "disk {}: leaf {} is said to be here already and is not", header.disk,
                    leaf);
      }
      SEALIFT_TRY_STATUS(copy_over(header, leaf, digest));
    }
    const std::uint64_t bytes = image::leaf_length(disk.table->disk_bytes(), leaf);
    counters_.add(Amount::kSame, bytes);
    counters_.had(header.disk, bytes);
  }
  return {};
}

Status ReceiverWorker::copy_over(const DiskRecordHeader& header, std::uint64_t leaf,
                                 const crypto::Digest& digest) {
  const DestinationDisk& disk = disks_[header.disk];
  scratch_.resize(image::kLeafBytes);
  const MutableByteView bytes =
      MutableByteView(scratch_).first(image::leaf_length(disk.table->disk_bytes(), leaf));
  const Status read = disk.earlier->read(leaf, bytes);
  if (!read) return because(read.error(), fmt::format("disk {}", header.disk));
  laps_.end(Stage::kRead);
  return write_leaf(header, leaf, bytes, digest);
}

Status ReceiverWorker::hand_over(Checkpointer& checkpointer) {
  written_bytes_ = 0;
  handed_over_ = std::chrono::steady_clock::now();
  if (written_.empty()) return {};
  return checkpointer.add(std::exchange(written_, {}));
}

}  // namespace sealift::migrate
